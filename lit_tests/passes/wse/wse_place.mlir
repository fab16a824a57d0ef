// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p "wse-place{width=4 height=4}" | filecheck %s

// Features are split over columns, then over rows: contractions turn the axis.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x4xf32> {
  %w = pfrt.constant dense<1.0> : tensor<8x4xf32>
  %v = pfrt.constant dense<1.0> : tensor<4x4xf32>
  %a = pfrt.gemm %x, %w : (tensor<1x8xf32>, tensor<8x4xf32>) -> tensor<1x4xf32>
  %b = pfrt.gemm %a, %v : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  func.return %b : tensor<1x4xf32>
}
// CHECK: @main(%x: tensor<1x8xf32> {wse.layout = [#wse.layout<columns, 4 parts, 1 slots>]})
// CHECK-SAME: wse.grid = #wse.grid<"wse2", 4 x 4, f32>
// CHECK: %a = pfrt.gemm
// CHECK-SAME: bound = {compute = 2 : i64
// CHECK-SAME: wse.layout = #wse.layout<rows, 4 parts, 1 slots>
// CHECK: %b = pfrt.gemm
// CHECK-SAME: wse.layout = #wse.layout<columns, 4 parts, 1 slots>

// -----

// A residual that lies over the other axis is moved.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %w = pfrt.constant dense<1.0> : tensor<8x8xf32>
  %a = pfrt.gemm %x, %w plus %x : (tensor<1x8xf32>, tensor<8x8xf32>) plus tensor<1x8xf32> -> tensor<1x8xf32>
  func.return %a : tensor<1x8xf32>
}
// CHECK: %0 = pfrt.identity %x {wse.move, wse.layout = #wse.layout<rows, 4 parts, 1 slots>, wse.steps = [{name = "x_moved", kind = "move"
// CHECK: pfrt.gemm %x, %w plus %0

// -----

// What stays on the host is said, with the reason, and nothing else is done.
func.func @main(%x: tensor<1x8xf32>, %w: tensor<8x4xf32>) -> tensor<1x4xf32> {
  %a = pfrt.gemm %x, %w : (tensor<1x8xf32>, tensor<8x4xf32>) -> tensor<1x4xf32>
  %b = pfrt.relu %a : tensor<1x4xf32> -> tensor<1x4xf32>
  func.return %b : tensor<1x4xf32>
}
// CHECK: pfrt.gemm %x, %w {wse.host = "its weight is no constant"}
// CHECK: %b = pfrt.relu %a :

// -----

// Heads of an attention stay together.
func.func @main(%q: tensor<1x4x16xf32>) -> tensor<1x4x16xf32> {
  %y = pfrt.attention %q, %q, %q {q_num_heads = 2 : i64, kv_num_heads = 2 : i64} : tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32> -> tensor<1x4x16xf32>
  func.return %y : tensor<1x4x16xf32>
}
// CHECK: pfrt.attention
// CHECK-SAME: wse.layout = #wse.layout<columns, 2 parts, {{[0-9]}} slots, grain 8>

// -----

// Weights that no PE has room for come from the edge.
func.func @main(%x: tensor<1x512xf32>) -> tensor<1x512xf32> {
  %w = pfrt.constant dense<1.0> : tensor<512x512xf32>
  %a = pfrt.gemm %x, %w : (tensor<1x512xf32>, tensor<512x512xf32>) -> tensor<1x512xf32>
  func.return %a : tensor<1x512xf32>
}
// CHECK: pfrt.gemm
// CHECK-SAME: wse.streamed
// CHECK-SAME: kind = "streamed product"

// -----

// Images of a batch go through one after the other.
func.func @main(%x: tensor<6x2x8x8xf32>) -> tensor<6x2x4x4xf32> {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<6x2x8x8xf32> -> tensor<6x2x4x4xf32>
  func.return %y : tensor<6x2x4x4xf32>
}
// CHECK: wse.images = 6 : i64

// -----

// An image a run where there is no room for two.
func.func @main(%x: tensor<6x1x128x128xf32>) -> tensor<6x1x32x32xf32> {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 4, 4>, strides = array<i64: 4, 4>} : tensor<6x1x128x128xf32> -> tensor<6x1x32x32xf32>
  func.return %y : tensor<6x1x32x32xf32>
}
// CHECK: wse.runs = 6 : i64

// -----

// What a PE has no room for is an error.
func.func @main(%x: tensor<1x8x256x256xf32>) -> tensor<1x8x256x256xf32> {
  %a = pfrt.relu %x : tensor<1x8x256x256xf32> -> tensor<1x8x256x256xf32>
  func.return %a : tensor<1x8x256x256xf32>
}
// CHECK: bytes of a PE's
