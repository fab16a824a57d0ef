// RUN: pfrt-opt %s --split-input-file | filecheck %s

// All that it can have.
func.func @f(%x: tensor<2x4x?xf16>, %w: tensor<4x1x3xf16>, %b: tensor<4xf16>, %s: tensor<2x4x2xf16>) -> (tensor<2x4x?xf16>, tensor<2x4x2xf16>) {
  // CHECK: pfrt.causal_conv_with_state %x, %w bias(%b : tensor<4xf16>) state(%s : tensor<2x4x2xf16>) {activation = "swish"} : tensor<2x4x?xf16>, tensor<4x1x3xf16> -> tensor<2x4x?xf16>, tensor<2x4x2xf16>
  %y, %n = pfrt.causal_conv_with_state %x, %w bias(%b : tensor<4xf16>) state(%s : tensor<2x4x2xf16>) {activation = "swish"} : tensor<2x4x?xf16>, tensor<4x1x3xf16> -> tensor<2x4x?xf16>, tensor<2x4x2xf16>
  func.return %y, %n : tensor<2x4x?xf16>, tensor<2x4x2xf16>
}

// -----

// The state tells the batch and how large the window is.
func.func @f(%x: tensor<*xf32>, %w: tensor<4x1x?xf32>, %s: tensor<2x?x2xf32>) -> (tensor<2x4x?xf32>, tensor<2x4x2xf32>) {
  // CHECK: pfrt.causal_conv_with_state %x, %w state(%s : tensor<2x?x2xf32>) : tensor<*xf32>, tensor<4x1x?xf32> -> tensor<2x4x?xf32>, tensor<2x4x2xf32>
  %y, %n = pfrt.causal_conv_with_state %x, %w state(%s : tensor<2x?x2xf32>) : tensor<*xf32>, tensor<4x1x?xf32> -> tensor<2x4x?xf32>, tensor<2x4x2xf32>
  func.return %y, %n : tensor<2x4x?xf32>, tensor<2x4x2xf32>
}
