// RUN: pfrt-opt %s -p "pfrt-outline{target=wse2}" | filecheck %s --check-prefix SPLIT
// RUN: pfrt-run %s --device wse2 --grid 2x2 --compare numpy --opt-level 0 | filecheck %s

// What the wafer cannot do stays on the host, which says so.
func.func @main(%x: tensor<1x4xf32>) -> tensor<1x2xf32> {
  %s = pfrt.sin %x : tensor<1x4xf32> -> tensor<1x4xf32>
  %w = pfrt.constant dense<1.0> : tensor<4x2xf32>
  %y = pfrt.gemm %s, %w : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
// SPLIT: %s = pfrt.sin
// SPLIT: func.func private @main_wse2_0
// CHECK: on the host: pfrt.sin: the wafer has no sin
// CHECK: cycles on wse2, 2 x 2 PEs, f32
// CHECK: numpy: agrees
