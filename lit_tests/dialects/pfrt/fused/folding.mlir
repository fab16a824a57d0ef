// RUN: pfrt-opt %s -p pfrt-canonicalize,cse,pfrt-fold-constants,pfrt-canonicalize,dce --split-input-file | filecheck %s

// Constants fold inside a region, equal ops become one there.
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %y = pfrt.fused(%a) -> (tensor<4xf32>) {
  ^bb0(%x: tensor<4xf32>):
    %c = pfrt.constant dense<2.000000e+00> : tensor<f32>
    %d = pfrt.constant dense<4.000000e+00> : tensor<f32>
    %e = pfrt.add %c, %d : (tensor<f32>, tensor<f32>) -> tensor<f32>
    %s = pfrt.mul %x, %e : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    %t = pfrt.mul %x, %e : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    %r = pfrt.sub %s, %t : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    pfrt.yield %r : tensor<4xf32>
  } : (tensor<4xf32>)
  func.return %y : tensor<4xf32>
}
// CHECK:      pfrt.fused(%a)
// CHECK-NEXT: ^bb0
// CHECK-NEXT: %[[E:.*]] = pfrt.constant dense<6.000000e+00>
// CHECK-NEXT: %[[S:.*]] = pfrt.mul %x, %[[E]]
// CHECK-NEXT: pfrt.sub %[[S]], %[[S]]

// -----

// A region of constants is computed.
func.func @main() -> tensor<2xf32> {
  %a = pfrt.constant dense<[4.000000e+00, 9.000000e+00]> : tensor<2xf32>
  %y = pfrt.fused(%a) -> (tensor<2xf32>) as "y" {
  ^bb0(%x: tensor<2xf32>):
    %s = pfrt.sqrt %x : tensor<2xf32> -> tensor<2xf32>
    %r = pfrt.neg %s : tensor<2xf32> -> tensor<2xf32>
    pfrt.yield %r : tensor<2xf32>
  } : (tensor<2xf32>)
  func.return %y : tensor<2xf32>
}
// CHECK:      func.func @main
// CHECK-NEXT: %{{.*}} = pfrt.constant dense<[-2.000000e+00, -3.000000e+00]> as "y"
// CHECK-NEXT: func.return

// -----

// Equal regions are one.
func.func @main(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %y = pfrt.fused(%a) -> (tensor<4xf32>) {
  ^bb0(%x: tensor<4xf32>):
    %s = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
    %r = pfrt.tanh %s : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %r : tensor<4xf32>
  } : (tensor<4xf32>)
  %z = pfrt.fused(%a) -> (tensor<4xf32>) {
  ^bb0(%p: tensor<4xf32>):
    %q = pfrt.exp %p : tensor<4xf32> -> tensor<4xf32>
    %t = pfrt.tanh %q : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %t : tensor<4xf32>
  } : (tensor<4xf32>)
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
// CHECK: func.return %y, %y
