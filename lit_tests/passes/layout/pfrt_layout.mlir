// RUN: pfrt-opt %s -p "pfrt-layout{target=nhwc}" --split-input-file | filecheck %s

// A chain of any batch gets one transpose in and one out; the model's name stays with its value.
func.func @main(%x: tensor<?x3x8x8xf32>, %w: tensor<16x3x3x3xf32>, %v: tensor<4x16x1x1xf32>) -> tensor<?x4x8x8xf32> {
  %a = pfrt.conv %x, %w as "a" {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>) -> tensor<?x16x8x8xf32>
  %b = pfrt.relu %a : tensor<?x16x8x8xf32> -> tensor<?x16x8x8xf32>
  %y = pfrt.conv %b, %v as "y" : (tensor<?x16x8x8xf32>, tensor<4x16x1x1xf32>) -> tensor<?x4x8x8xf32>
  func.return %y : tensor<?x4x8x8xf32>
}
// CHECK: [[X:%.*]] = pfrt.transpose %x {perm = array<i64: 0, 2, 3, 1>} : tensor<?x3x8x8xf32> -> tensor<?x8x8x3xf32>
// CHECK-NEXT: %a = pfrt.conv [[X]], %w {pads = array<i64: 1, 1, 1, 1>, layout = "nhwc"}
// CHECK-NEXT: %b = pfrt.relu %a : tensor<?x8x8x16xf32>
// CHECK-NEXT: [[C:%.*]] = pfrt.conv %b, %v {layout = "nhwc"}
// CHECK-NEXT: %y = pfrt.transpose [[C]] as "y" {perm = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: func.return %y

// -----

// Both branches of a residual block follow, and so does a residual that is part of a convolution.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32> {
  %a = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %s = pfrt.add %a, %x : (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
  %y = pfrt.conv %s, %w plus %a {activation = #pfrt.activation<"relu">} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) plus tensor<1x8x4x4xf32> -> tensor<1x8x4x4xf32>
  func.return %y : tensor<1x8x4x4xf32>
}
// CHECK-COUNT-1: pfrt.transpose %x
// CHECK-NEXT: %a = pfrt.conv
// CHECK-NEXT: %s = pfrt.add %a, %0
// CHECK-NEXT: pfrt.conv %s, %w plus %a
// CHECK-NEXT: %y = pfrt.transpose
// CHECK-NEXT: func.return %y

// -----

// Axes are renumbered; constants a channel are transposed now, and scalars stay.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<1x16x6x1xf32> {
  %c = pfrt.constant dense<[[[1.0]], [[2.0]], [[3.0]], [[4.0]], [[5.0]], [[6.0]], [[7.0]], [[8.0]]]> : tensor<8x1x1xf32>
  %t = pfrt.constant dense<2.0> : tensor<f32>
  %a = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %m = pfrt.mul %a, %t : (tensor<1x8x4x4xf32>, tensor<f32>) -> tensor<1x8x4x4xf32>
  %s = pfrt.add %m, %c : (tensor<1x8x4x4xf32>, tensor<8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %j = pfrt.concat %a, %s {axis = 1 : i64} : (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x16x4x4xf32>
  %p = pfrt.pad %j {pads = array<i64: 0, 0, 1, 0, 0, 0, 1, 0>} : tensor<1x16x4x4xf32> -> tensor<1x16x6x4xf32>
  %l = pfrt.slice %p {axes = array<i64: 3>, starts = array<i64: 0>, ends = array<i64: 1>} : tensor<1x16x6x4xf32> -> tensor<1x16x6x1xf32>
  %y = pfrt.softmax %l {axis = -3 : i64} : tensor<1x16x6x1xf32> -> tensor<1x16x6x1xf32>
  func.return %y : tensor<1x16x6x1xf32>
}
// CHECK: pfrt.mul %a, %t : (tensor<1x4x4x8xf32>, tensor<f32>)
// CHECK-NEXT: [[C:%.*]] = pfrt.constant {{.*}} : tensor<1x1x1x8xf32>
// CHECK-NEXT: pfrt.add %m, [[C]]
// CHECK-NEXT: pfrt.concat %a, %s {axis = 3 : i64}
// CHECK-NEXT: pfrt.pad %j {pads = array<i64: 0, 0, 1, 0, 0, 0, 1, 0>, axes = array<i64: 0, 3, 1, 2>}
// CHECK-NEXT: pfrt.slice %p {axes = array<i64: 2>, starts = array<i64: 0>, ends = array<i64: 1>}
// CHECK-NEXT: pfrt.softmax %l {axis = 3 : i64}
// CHECK-NEXT: pfrt.transpose

// -----

// Where nothing is left of space, a reshape stands for the transpose; flatten itself stays.
func.func @main(%x: tensor<?x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<?x8xf32> {
  %a = pfrt.conv %x, %w : (tensor<?x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<?x8x4x4xf32>
  %g = pfrt.global_average_pool %a : tensor<?x8x4x4xf32> -> tensor<?x8x1x1xf32>
  %y = pfrt.flatten %g : tensor<?x8x1x1xf32> -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}
// CHECK: pfrt.global_average_pool %a {layout = "nhwc"} : tensor<?x4x4x8xf32> -> tensor<?x1x1x8xf32>
// CHECK-NEXT: %g = pfrt.reshape {{.*}} {shape = array<i64: 0, 8, 1, 1>}
// CHECK-NEXT: pfrt.flatten %g

// -----

// A flatten that depends on the order needs a transpose.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<1x128xf32> {
  %a = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %f = pfrt.flatten %a : tensor<1x8x4x4xf32> -> tensor<1x128xf32>
  func.return %f : tensor<1x128xf32>
}
// CHECK: [[A:%.*]] = pfrt.conv {{.*}} "nhwc"
// CHECK-NEXT: %a = pfrt.transpose [[A]]
// CHECK-NEXT: %f = pfrt.flatten %a

// -----

// A reduction that drops space leaves nothing to transpose; one that mixes the rest up does.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) -> (tensor<1x8xf32>, tensor<8x4x4xf32>) {
  %a = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %r = pfrt.reduce_mean %a {axes = array<i64: 2, 3>, keepdims = false} : (tensor<1x8x4x4xf32>) -> tensor<1x8xf32>
  %b = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %s = pfrt.reduce_sum %b {axes = array<i64: 0>, keepdims = false} : (tensor<1x8x4x4xf32>) -> tensor<8x4x4xf32>
  func.return %r, %s : tensor<1x8xf32>, tensor<8x4x4xf32>
}
// CHECK: pfrt.reduce_mean %a {axes = array<i64: 1, 2>, keepdims = false} : (tensor<1x4x4x8xf32>) -> tensor<1x8xf32>
// CHECK: %b = pfrt.transpose
// CHECK-NEXT: pfrt.reduce_sum %b {axes = array<i64: 0>

// -----

// An output in the middle is transposed for itself; what follows goes on without.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x2x2xf32>) {
  %a = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %y = pfrt.max_pool %a {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<1x8x4x4xf32> -> tensor<1x8x2x2xf32>
  func.return %a, %y : tensor<1x8x4x4xf32>, tensor<1x8x2x2xf32>
}
// CHECK: [[A:%.*]] = pfrt.conv {{.*}} "nhwc"
// CHECK-NEXT: %a = pfrt.transpose [[A]]
// CHECK-NEXT: [[Y:%.*]] = pfrt.max_pool [[A]] {{.*}} "nhwc"
// CHECK-NEXT: %y = pfrt.transpose [[Y]]

// -----

// The transposes of a model whose data is nhwc all go.
func.func @main(%x: tensor<1x4x4x8xf32>, %w: tensor<8x8x1x1xf32>) -> tensor<1x4x4x8xf32> {
  %0 = pfrt.transpose %x {perm = array<i64: 0, 3, 1, 2>} : tensor<1x4x4x8xf32> -> tensor<1x8x4x4xf32>
  %1 = pfrt.conv %0, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %y = pfrt.transpose %1 {perm = array<i64: 0, 2, 3, 1>} : tensor<1x8x4x4xf32> -> tensor<1x4x4x8xf32>
  func.return %y : tensor<1x4x4x8xf32>
}
// CHECK: func.func
// CHECK-NEXT: [[Y:%.*]] = pfrt.conv %x, %w {layout = "nhwc"}
// CHECK-NEXT: func.return [[Y]]

// -----

// A region reads values of the function as they were; ops in it have borders of their own.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>, %c: tensor<i1>) -> tensor<1x8x4x4xf32> {
  %a = pfrt.conv %x, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
  %y = pfrt.if %c -> (tensor<1x8x4x4xf32>) {
    %b = pfrt.conv %a, %w : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x4xf32>
    pfrt.yield %b : tensor<1x8x4x4xf32>
  } else {
    pfrt.yield %a : tensor<1x8x4x4xf32>
  } : tensor<i1>
  func.return %y : tensor<1x8x4x4xf32>
}
// CHECK: %a = pfrt.transpose {{.*}} -> tensor<1x8x4x4xf32>
// CHECK-NEXT: pfrt.if
// CHECK-NEXT: [[A:%.*]] = pfrt.transpose %a
// CHECK-NEXT: [[B:%.*]] = pfrt.conv [[A]]
// CHECK-NEXT: %b = pfrt.transpose [[B]]
// CHECK-NEXT: pfrt.yield %b
// CHECK: pfrt.yield %a

// -----

// Without an op that has a layout nothing changes.
func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32> {
  %y = pfrt.relu %x : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xf32>
  func.return %y : tensor<1x8x4x4xf32>
}
// CHECK-NOT: pfrt.transpose

// -----

// A constant that is an operand of its own rank and of a higher one has a form for each.
func.func @main(%x: tensor<?x2x2x2xf32>, %w: tensor<3x2x1x1xf32>, %k: tensor<1x2x2xf32>) -> (tensor<?x3x2x2xf32>, tensor<3x2x2xf32>) {
  %c = pfrt.constant dense<3.0> : tensor<3x1x1xf32>
  %a = pfrt.conv %x, %w : (tensor<?x2x2x2xf32>, tensor<3x2x1x1xf32>) -> tensor<?x3x2x2xf32>
  %m = pfrt.mul %a, %c : (tensor<?x3x2x2xf32>, tensor<3x1x1xf32>) -> tensor<?x3x2x2xf32>
  %t = pfrt.conv_transpose %c, %k : (tensor<3x1x1xf32>, tensor<1x2x2xf32>) -> tensor<3x2x2xf32>
  func.return %m, %t : tensor<?x3x2x2xf32>, tensor<3x2x2xf32>
}
// CHECK: %c = pfrt.constant
// CHECK-DAG: pfrt.mul {{.*}} tensor<1x1x1x3xf32>
// CHECK-DAG: pfrt.conv_transpose {{.*}} : (tensor<3x1x1xf32>
