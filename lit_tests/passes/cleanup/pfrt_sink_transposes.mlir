// RUN: pfrt-opt %s -p pfrt-sink-transposes --split-input-file | filecheck %s

// Two transposes meet their opposite below what lies between; constants are transposed at once.
func.func @cancel(%x: tensor<?x3x4x5xf32>, %z: tensor<?x3x4x5xf32>) -> tensor<?x3x8x5xf32> {
  %c = pfrt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %a = pfrt.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<?x3x4x5xf32> -> tensor<?x4x5x3xf32>
  %b = pfrt.transpose %z {perm = array<i64: 0, 2, 3, 1>} : tensor<?x3x4x5xf32> -> tensor<?x4x5x3xf32>
  %s = pfrt.add %a, %c : (tensor<?x4x5x3xf32>, tensor<3xf32>) -> tensor<?x4x5x3xf32>
  %q = pfrt.concat %s, %b {axis = 1 : i64} : (tensor<?x4x5x3xf32>, tensor<?x4x5x3xf32>) -> tensor<?x8x5x3xf32>
  %m = pfrt.softmax %q {axis = -1 : i64} : tensor<?x8x5x3xf32> -> tensor<?x8x5x3xf32>
  %y = pfrt.transpose %m as "y" {perm = array<i64: 0, 3, 1, 2>} : tensor<?x8x5x3xf32> -> tensor<?x3x8x5xf32>
  func.return %y : tensor<?x3x8x5xf32>
}
// CHECK-LABEL: @cancel
// CHECK-NOT: pfrt.transpose
// CHECK: %[[C:.*]] = pfrt.constant {{.*}} : tensor<1x3x1x1xf32>
// CHECK-NEXT: pfrt.add %x, %[[C]]
// CHECK-NEXT: pfrt.concat %s, %z {axis = 2 : i64}
// CHECK-NEXT: pfrt.softmax %q as "y" {axis = 1 : i64}

// -----

// A reduction of what was moved leaves nothing to move; pads and slices name their axes.
func.func @reduce(%x: tensor<?x3x4x5xf32>) -> tensor<?x3xf32> {
  %a = pfrt.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<?x3x4x5xf32> -> tensor<?x4x5x3xf32>
  %p = pfrt.pad %a {pads = array<i64: 0, 1, 0, 0, 0, 2, 0, 0>} : tensor<?x4x5x3xf32> -> tensor<?x7x5x3xf32>
  %s = pfrt.slice %p {starts = array<i64: 1>, ends = array<i64: 5>, axes = array<i64: 2>} : tensor<?x7x5x3xf32> -> tensor<?x7x4x3xf32>
  %y = pfrt.reduce_max %s {axes = array<i64: 1, 2>, keepdims = false} : (tensor<?x7x4x3xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}
// CHECK-LABEL: @reduce
// CHECK-NEXT: pfrt.pad %x {pads = array<i64: 0, 0, 1, 0, 0, 0, 2, 0>, axes = array<i64: 0, 1, 2, 3>} : tensor<?x3x4x5xf32> -> tensor<?x3x7x5xf32>
// CHECK-NEXT: pfrt.slice %p {starts = array<i64: 1>, ends = array<i64: 5>, axes = array<i64: 3>}
// CHECK-NEXT: pfrt.reduce_max %s {axes = array<i64: 2, 3>, keepdims = false} : (tensor<?x3x7x4xf32>) -> tensor<?x3xf32>

// -----

// Where nothing is saved, nothing moves.
func.func @stays(%x: tensor<3x4xf32>) -> tensor<4x3xf32> {
  %a = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<3x4xf32> -> tensor<4x3xf32>
  %r = pfrt.relu %a as "r" : tensor<4x3xf32> -> tensor<4x3xf32>
  func.return %r : tensor<4x3xf32>
}
// CHECK-LABEL: @stays
// CHECK-NEXT: pfrt.transpose %x
// CHECK-NEXT: pfrt.relu %a as "r"

// -----

// A value used elsewhere too is transposed for that use: two transposes become one.
func.func @shared(%x: tensor<3x4xf32>) -> (tensor<4x3xf32>, tensor<3x4xf32>) {
  %a = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<3x4xf32> -> tensor<4x3xf32>
  %r = pfrt.relu %a as "r" : tensor<4x3xf32> -> tensor<4x3xf32>
  %y = pfrt.transpose %r as "y" {perm = array<i64: 1, 0>} : tensor<4x3xf32> -> tensor<3x4xf32>
  func.return %r, %y : tensor<4x3xf32>, tensor<3x4xf32>
}
// CHECK-LABEL: @shared
// CHECK-NEXT: %[[R:.*]] = pfrt.relu %x as "y"
// CHECK-NEXT: %[[T:.*]] = pfrt.transpose %[[R]] as "r"
// CHECK-NEXT: func.return %[[T]], %[[R]]

// -----

// An operand that is not transposed would have to be: nothing is saved by that either.
func.func @outside(%x: tensor<3x4xf32>, %o: tensor<4x3xf32>) -> tensor<3x4xf32> {
  %a = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<3x4xf32> -> tensor<4x3xf32>
  %r = pfrt.add %a, %o : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<4x3xf32>
  %y = pfrt.transpose %r {perm = array<i64: 1, 0>} : tensor<4x3xf32> -> tensor<3x4xf32>
  func.return %y : tensor<3x4xf32>
}
// CHECK-LABEL: @outside
// CHECK-DAG: %[[O:.*]] = pfrt.transpose %o
// CHECK: pfrt.add %x, %[[O]]
// CHECK-NEXT: func.return

// -----

// A transpose of an op in the group, and before another one in it, is removed once.
func.func @within(%x: tensor<2x2xf32>, %z: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %a = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<2x2xf32> -> tensor<2x2xf32>
  %b = pfrt.cosh %a : tensor<2x2xf32> -> tensor<2x2xf32>
  %c = pfrt.transpose %b {perm = array<i64: 1, 0>} : tensor<2x2xf32> -> tensor<2x2xf32>
  %d = pfrt.add %c, %a : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %e = pfrt.transpose %d {perm = array<i64: 1, 0>} : tensor<2x2xf32> -> tensor<2x2xf32>
  %f = pfrt.add %e, %z : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %f, %d : tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-LABEL: @within
// CHECK-NEXT: %[[B:.*]] = pfrt.cosh %x
// CHECK-NEXT: %[[T:.*]] = pfrt.transpose %[[B]]
// CHECK-NEXT: %[[D:.*]] = pfrt.add %[[T]], %x

// -----

// What a reduction leaves has no dimension; an operand of one gives it one.
func.func @raised(%x: tensor<2x3xf32>) -> (tensor<1xf32>, tensor<f32>) {
  %c = pfrt.constant dense<3.0> : tensor<1xf32>
  %a = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<2x3xf32> -> tensor<3x2xf32>
  %r = pfrt.reduce_max %a {keepdims = false} : (tensor<3x2xf32>) -> tensor<f32>
  %n = pfrt.neg %r : tensor<f32> -> tensor<f32>
  %p = pfrt.pow %r, %c : (tensor<f32>, tensor<1xf32>) -> tensor<1xf32>
  func.return %p, %n : tensor<1xf32>, tensor<f32>
}
// CHECK-LABEL: @raised
// CHECK: pfrt.reduce_max %x
// CHECK: pfrt.pow {{.*}} -> tensor<1xf32>
