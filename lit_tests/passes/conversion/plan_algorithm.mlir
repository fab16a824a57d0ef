// RUN: pfrt-opt %s -p convert-pfrt-to-plan --split-input-file | filecheck %s

// An op's attribute says which of its algorithms is taken.
// CHECK: plan.call @conv_im2col(
func.func @main(%x: tensor<1x4x6x6xf32>) -> tensor<1x2x6x6xf32> {
  %w = pfrt.constant dense<1.0> : tensor<2x4x1x1xf32>
  %y = pfrt.conv %x, %w {plan.algorithm = "conv_im2col"} : (tensor<1x4x6x6xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x6x6xf32>
  func.return %y : tensor<1x2x6x6xf32>
}

// -----

// One that does not apply is not taken.
// CHECK: plan.call @conv_gemm_1x1(
func.func @main(%x: tensor<1x4x6x6xf32>) -> tensor<1x2x6x6xf32> {
  %w = pfrt.constant dense<1.0> : tensor<2x4x1x1xf32>
  %y = pfrt.conv %x, %w {plan.algorithm = "conv_winograd_nhwc"} : (tensor<1x4x6x6xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x6x6xf32>
  func.return %y : tensor<1x2x6x6xf32>
}
