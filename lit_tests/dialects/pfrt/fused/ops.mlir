// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// An addition and the activation after it.
func.func @add_relu(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %y = pfrt.fused(%a, %b) -> (tensor<4xf32>) as "y" {
  ^bb0(%x: tensor<4xf32>, %z: tensor<4xf32>):
    %s = pfrt.add %x, %z : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %r = pfrt.relu %s : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %r : tensor<4xf32>
  } : (tensor<4xf32>, tensor<4xf32>)
  func.return %y : tensor<4xf32>
}
// CHECK-LABEL: @add_relu
// CHECK-NEXT: %y = pfrt.fused(%a, %b) -> (tensor<4xf32>) as "y" {
// CHECK-NEXT: ^bb0(%x: tensor<4xf32>, %z: tensor<4xf32>):
// CHECK: } : (tensor<4xf32>, tensor<4xf32>)

// -----

// A reduction between elementwise ops, a constant inside, two results.
func.func @centred(%a: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x1xf32>) {
  %y, %m = pfrt.fused(%a) -> (tensor<?x8xf32>, tensor<?x1xf32>) {
  ^bb0(%x: tensor<?x8xf32>):
    %two = pfrt.constant dense<2.000000e+00> : tensor<f32>
    %mean = pfrt.reduce_mean %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
    %c = pfrt.sub %x, %mean : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
    %d = pfrt.mul %c, %two : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
    pfrt.yield %d, %mean : tensor<?x8xf32>, tensor<?x1xf32>
  } : (tensor<?x8xf32>)
  func.return %y, %m : tensor<?x8xf32>, tensor<?x1xf32>
}
// CHECK-LABEL: @centred
// CHECK: pfrt.yield %d, %mean : tensor<?x8xf32>, tensor<?x1xf32>
