// RUN: pfrt-opt %s -p 'pfrt-tune{times="%S/times.json" machine="laptop"}' --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-tune{times="%S/times.json" machine="server"}' --split-input-file | filecheck %s --check-prefix SERVER

// What was faster there is taken; a gain of less than a tenth changes nothing.
// CHECK: pfrt.conv {{.*}}plan.algorithm = "conv_im2col"
// SERVER: pfrt.conv {{.*}}plan.algorithm = "conv_gemm_1x1"
func.func @main(%x: tensor<1x4x6x6xf32>) -> tensor<1x2x6x6xf32> {
  %w = pfrt.constant dense<1.0> : tensor<2x4x1x1xf32>
  %y = pfrt.conv %x, %w : (tensor<1x4x6x6xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x6x6xf32>
  func.return %y : tensor<1x2x6x6xf32>
}

// -----

// Ops of which the file says nothing stay: of other shapes, of unknown ones, with one algorithm.
// CHECK: @others
// CHECK-NOT: plan.algorithm
func.func @others(%x: tensor<1x4x9x6xf32>, %y: tensor<?x4x6x6xf32>, %z: tensor<4xf32>) {
  %w = pfrt.constant dense<1.0> : tensor<2x4x1x1xf32>
  %a = pfrt.conv %x, %w : (tensor<1x4x9x6xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x9x6xf32>
  %b = pfrt.conv %y, %w : (tensor<?x4x6x6xf32>, tensor<2x4x1x1xf32>) -> tensor<?x2x6x6xf32>
  %c = pfrt.neg %z : tensor<4xf32> -> tensor<4xf32>
  func.return
}
