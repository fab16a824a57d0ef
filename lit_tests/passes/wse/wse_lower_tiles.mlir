// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p "wse-place{width=2 height=1},wse-route,wse-lower-tiles{marks=true}" | filecheck %s
// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p "convert-pfrt-to-wse{width=2 height=1 marks=true}" | filecheck %s

// The function becomes what the host does, PEs tell when they are done with a step.
func.func @main(%x: tensor<1x4xf32>) -> tensor<1x2xf32> {
  %w = pfrt.constant dense<1.0> : tensor<4x2xf32>
  %y = pfrt.gemm %x, %w : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
// CHECK: wse.program @main_wafer width 2 height 1
// CHECK: wse.tile
// CHECK: wse.fmacs
// CHECK: wse.print "gemm"
// CHECK: wse.scatter
// CHECK: wse.scatter %x to @main_wafer::@v_x
// CHECK: wse.run @main_wafer on "wse2" steps [{name = "gemm"
// CHECK: wse.gather @main_wafer::@v_gemm
