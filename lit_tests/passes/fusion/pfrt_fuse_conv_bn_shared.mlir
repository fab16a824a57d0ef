// RUN: pfrt-opt %s -p 'pfrt-fuse-conv-bn{max-copies=8}' | filecheck %s

// Weights that several ops use are folded as long as the copies fit: here 8 bytes, two of three.
func.func @main(%x: tensor<1x1x4xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x3xf32>) {
  %w = pfrt.constant dense<1.0> : tensor<1x1x1xf32>
  %two = pfrt.constant dense<2.0> : tensor<f32>
  %a = pfrt.conv %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %b = pfrt.conv %x, %w {pads = array<i64: 1, 1>, strides = array<i64: 2>} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x3xf32>
  %c = pfrt.conv_transpose %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %d = pfrt.conv %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %0 = pfrt.mul %a, %two : (tensor<1x1x4xf32>, tensor<f32>) -> tensor<1x1x4xf32>
  %1 = pfrt.mul %c, %two : (tensor<1x1x4xf32>, tensor<f32>) -> tensor<1x1x4xf32>
  %2 = pfrt.mul %d, %two : (tensor<1x1x4xf32>, tensor<f32>) -> tensor<1x1x4xf32>
  func.return %0, %1, %2, %b : tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x3xf32>
}
// CHECK-LABEL: @main
// CHECK-COUNT-1: pfrt.mul
// CHECK-NOT: pfrt.mul
