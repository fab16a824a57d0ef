// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p "wse-place{width=4 height=4},wse-route" | filecheck %s

// The input is multicast down the columns, sums are added up along the rows.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x4xf32> {
  %w = pfrt.constant dense<1.0> : tensor<8x4xf32>
  %a = pfrt.gemm %x, %w : (tensor<1x8xf32>, tensor<8x4xf32>) -> tensor<1x4xf32>
  func.return %a : tensor<1x4xf32>
}
// CHECK: wse.program @main_wafer width 4 height 4 {
// CHECK: wse.route @column_multicast at [0:4, 0] rx [ramp] tx [south]
// CHECK: wse.route @row_even at [2, 0:4] rx [ramp] tx [west]
// CHECK-NOT: wse.tile
// CHECK: func.func @main

// -----

// What stays on the host has no routes.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %a = pfrt.sin %x : tensor<1x8xf32> -> tensor<1x8xf32>
  func.return %a : tensor<1x8xf32>
}
// CHECK: pfrt.sin: cannot be mapped: the wafer has no sin
