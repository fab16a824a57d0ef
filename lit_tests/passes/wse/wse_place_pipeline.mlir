// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p "wse-place{width=4 height=2 schedule=pipeline}" | filecheck %s

// Rows of a batch go through strips of columns, to the next of which a value is taken.
func.func @main(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %w = pfrt.constant dense<1.0> : tensor<64x64xf32>
  %v = pfrt.constant dense<2.0> : tensor<64x64xf32>
  %a = pfrt.gemm %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %b = pfrt.gemm %a, %v : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  func.return %b : tensor<8x64xf32>
}
// CHECK: wse.images = 8 : i64, wse.strips = array<i64: 2, 2>
// CHECK: %a = pfrt.gemm
// CHECK: %{{.*}} = pfrt.identity %a
// CHECK-SAME: wse.transfer
// CHECK-SAME: kind = "transfer"
// CHECK: %b = pfrt.gemm

// -----

// A residual that passes as well leaves no place for a cut.
func.func @main(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %w = pfrt.constant dense<1.0> : tensor<64x64xf32>
  %v = pfrt.constant dense<2.0> : tensor<64x64xf32>
  %a = pfrt.gemm %x, %w : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %b = pfrt.gemm %a, %v plus %x : (tensor<8x64xf32>, tensor<64x64xf32>) plus tensor<8x64xf32> -> tensor<8x64xf32>
  func.return %b : tensor<8x64xf32>
}
// CHECK: wse.strips = array<i64: 4>
// CHECK-NOT: wse.transfer
