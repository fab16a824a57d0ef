// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// An addend of weight zero is not read; the name stays.
func.func @zero_beta(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>, %c: tensor<4xf32>) -> tensor<2x4xf32> {
  %y = pfrt.gemm %a, %b, %c as "fc" {beta = 0.000000e+00 : f32, alpha = 2.000000e+00 : f32} : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return %y : tensor<2x4xf32>
}
// CHECK-LABEL: @zero_beta
// CHECK-NEXT:    pfrt.gemm %a, %b as "fc" {alpha = 2.000000e+00 : f32} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
