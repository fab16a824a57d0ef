// RUN: pfrt-opt %s -p pfrt-fuse-elementwise --split-input-file | filecheck %s

// A chain becomes one region, which takes the last name; a scalar constant moves inside.
func.func @main(%a: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %two = pfrt.constant dense<2.000000e+00> : tensor<f32>
  %s = pfrt.sub %a, %b as "s" : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  %m = pfrt.mul %s, %two : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %y = pfrt.tanh %m as "y" : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return %y : tensor<4x8xf32>
}
// CHECK:      func.func @main
// CHECK-NEXT: %y = pfrt.fused(%a, %b) -> (tensor<4x8xf32>) as "y" {
// CHECK-NEXT: ^bb0(%a_1: tensor<4x8xf32>, %b_1: tensor<8xf32>):
// CHECK-NEXT:   %s = pfrt.sub %a_1, %b_1 as "s"
// CHECK-NEXT:   %two = pfrt.constant
// CHECK-NEXT:   %m = pfrt.mul %s, %two
// CHECK-NEXT:   %y_1 = pfrt.tanh %m
// CHECK-NEXT:   pfrt.yield %y_1
// CHECK-NEXT: } : (tensor<4x8xf32>, tensor<8xf32>)
// CHECK-NEXT: func.return %y

// -----

// Reductions are fed by elementwise ops and feed them.
func.func @main(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %m = pfrt.reduce_mean %x {axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %d = pfrt.sub %x, %m : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %q = pfrt.mul %d, %d : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %v = pfrt.reduce_mean %q {axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %s = pfrt.sqrt %v : tensor<4x1xf32> -> tensor<4x1xf32>
  %y = pfrt.div %d, %s : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  func.return %y : tensor<4x8xf32>
}
// CHECK:      func.func @main
// CHECK-NEXT: pfrt.fused(%x)
// CHECK:      pfrt.div
// CHECK-NEXT: pfrt.yield
// CHECK-NEXT: } : (tensor<4x8xf32>)
// CHECK-NEXT: func.return

// -----

// A value that leaves and comes back keeps its op outside: there would be a cycle.
func.func @main(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %e = pfrt.exp %a : tensor<4x4xf32> -> tensor<4x4xf32>
  %p = pfrt.matmul %e, %e : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %s = pfrt.add %e, %p : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %y = pfrt.tanh %s : tensor<4x4xf32> -> tensor<4x4xf32>
  func.return %y : tensor<4x4xf32>
}
// CHECK:      %e = pfrt.exp %a
// CHECK-NEXT: %p = pfrt.matmul %e, %e
// CHECK-NEXT: pfrt.fused(%e, %p)

// -----

// A value used after the region too is a further result, as one stays inside for it.
func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = pfrt.add %a, %b as "c" : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %t = pfrt.tanh %c : tensor<4xf32> -> tensor<4xf32>
  %h = pfrt.mul %t, %b as "h" : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %c, %h : tensor<4xf32>, tensor<4xf32>
}
// CHECK: %c, %h = pfrt.fused(%a, %b) -> (tensor<4xf32>, tensor<4xf32>) as "c", "h" {
// CHECK: pfrt.yield %c_1, %h_1
// CHECK: func.return %c, %h

// -----

// Nothing would stay inside a region of two ops whose results are both used.
func.func @main(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %e = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.tanh %e : tensor<4xf32> -> tensor<4xf32>
  func.return %e, %y : tensor<4xf32>, tensor<4xf32>
}
// CHECK-NOT: pfrt.fused
// CHECK: func.return

// -----

// Sizes that are not known are equal where they are proved to be.
func.func @main(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %e = pfrt.exp %a : tensor<?x4xf32> -> tensor<?x4xf32>
  %t = pfrt.tanh %e : tensor<?x4xf32> -> tensor<?x4xf32>
  %y = pfrt.add %t, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}
// CHECK:      %[[T:.*]] = pfrt.fused(%a) -> (tensor<?x4xf32>) {
// CHECK:      } : (tensor<?x4xf32>)
// CHECK-NEXT: %y = pfrt.add %[[T]], %b

// -----

// One name in `pfrt.dims` is one size.
func.func @main(%a: tensor<?x4xf32> {pfrt.dims = ["N", ""]}, %b: tensor<?x4xf32> {pfrt.dims = ["N", ""]}) -> tensor<?x4xf32> {
  %t = pfrt.tanh %a : tensor<?x4xf32> -> tensor<?x4xf32>
  %y = pfrt.add %t, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}
// CHECK: pfrt.fused(%a, %b)

// -----

// A region of another shape is another region.
func.func @main(%a: tensor<4x8xf32>) -> tensor<4xf32> {
  %e = pfrt.exp %a : tensor<4x8xf32> -> tensor<4x8xf32>
  %r = pfrt.reduce_max %e {axes = array<i64: 1>, keepdims = false} : (tensor<4x8xf32>) -> tensor<4xf32>
  %n = pfrt.neg %r : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.exp %n : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK:     %[[R:.*]] = pfrt.fused(%a) -> (tensor<4xf32>)
// CHECK:     pfrt.reduce_max
// CHECK-NEXT: pfrt.yield
// CHECK:     pfrt.fused(%[[R]]) -> (tensor<4xf32>)

// -----

// Sizes are left to the passes that know them.
func.func @main(%n: tensor<i64>) -> tensor<f32> {
  %a = pfrt.add %n, %n : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %c = pfrt.cast %a {to = f32} : tensor<i64> -> tensor<f32>
  %y = pfrt.sqrt %c : tensor<f32> -> tensor<f32>
  func.return %y : tensor<f32>
}
// CHECK-NOT: pfrt.fused
// CHECK: func.return

// -----

// Strings, and ops that nothing uses, stay.
func.func @main(%s: tensor<4x!pfrt.string>, %a: tensor<4xf32>) -> tensor<4xf32> {
  %c = pfrt.cast %s {to = f32} : tensor<4x!pfrt.string> -> tensor<4xf32>
  %y = pfrt.exp %c : tensor<4xf32> -> tensor<4xf32>
  %d = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
  %u = pfrt.exp %d : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK-NOT: pfrt.fused
// CHECK: func.return

// -----

// In a branch too; a value of the outer block that it sees stays outside.
func.func @main(%c: tensor<i1>, %a: tensor<4xf32>) -> tensor<4xf32> {
  %e = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.if %c -> (tensor<4xf32>) {
    %t = pfrt.tanh %e : tensor<4xf32> -> tensor<4xf32>
    %n = pfrt.neg %t : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %n : tensor<4xf32>
  } else {
    pfrt.yield %e : tensor<4xf32>
  } : tensor<i1>
  func.return %y : tensor<4xf32>
}
// CHECK:      %e = pfrt.exp %a
// CHECK-NEXT: pfrt.if
// CHECK-NEXT: pfrt.fused(%e)
