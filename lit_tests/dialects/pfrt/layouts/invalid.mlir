// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// conv: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>, %w: tensor<8x8x1x1xf32>) {
  %y = pfrt.conv %x, %w {layout = "nwhc"} : (tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32>) -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.conv: C11: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// conv: packed data ends in four channels.
func.func @f(%x: tensor<1x4x4x8xf32>, %w: tensor<8x8x1x1xf32>) {
  %y = pfrt.conv %x, %w {layout = "nc4hw4"} : (tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32>) -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.conv: C11: tensor<1x4x4x8xf32> is not in the layout nc4hw4

// -----

// conv: the channels are where the layout says.
func.func @f(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x1x1xf32>) {
  %y = pfrt.conv %x, %w {layout = "nhwc"} : (tensor<1x8x4x4xf32>, tensor<8x8x1x1xf32>) -> tensor<1x8x4x8xf32>
  func.return
}
// CHECK: pfrt.conv: C7: 1 groups of 8 channels, got tensor<1x8x4x4xf32>

// -----

// conv: so is the residual.
func.func @f(%x: tensor<1x4x4x8xf32>, %w: tensor<8x8x1x1xf32>, %r: tensor<1x8x4x4xf32>) {
  %y = pfrt.conv %x, %w plus %r {layout = "nhwc"} : (tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32>) plus tensor<1x8x4x4xf32> -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.conv: C9: the residual is a tensor<1x8x4x4xf32>

// -----

// conv_transpose: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>, %w: tensor<8x8x1x1xf32>) {
  %y = pfrt.conv_transpose %x, %w {layout = "nwhc"} : (tensor<1x4x4x8xf32>, tensor<8x8x1x1xf32>) -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C11: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// max_pool: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 1, 1>, layout = "nwhc"} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.max_pool: C7: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// average_pool: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 1, 1>, layout = "nwhc"} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.average_pool: C7: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// lp_pool: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 1, 1>, layout = "nwhc"} : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C8: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// max_pool_with_indices: what fills up channels has no index.
func.func @f(%x: tensor<1x2x4x4x4xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 1, 1>, layout = "nc4hw4"} : tensor<1x2x4x4x4xf32> -> tensor<1x2x4x4x4xf32>, tensor<1x2x4x4x4xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C8: no indices in the layout nc4hw4

// -----

// global_average_pool: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.global_average_pool %x {layout = "nwhc"} : tensor<1x4x4x8xf32> -> tensor<1x1x1x8xf32>
  func.return
}
// CHECK: pfrt.global_average_pool: C3: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// global_max_pool: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.global_max_pool %x {layout = "nwhc"} : tensor<1x4x4x8xf32> -> tensor<1x1x1x8xf32>
  func.return
}
// CHECK: pfrt.global_max_pool: C3: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// global_lp_pool: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.global_lp_pool %x {layout = "nwhc"} : tensor<1x4x4x8xf32> -> tensor<1x1x1x8xf32>
  func.return
}
// CHECK: pfrt.global_lp_pool: C4: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// batch_normalization: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>, %s: tensor<8xf32>) {
  %y = pfrt.batch_normalization %x, %s, %s, %s, %s {layout = "nwhc"} : (tensor<1x4x4x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.batch_normalization: C5: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// instance_normalization: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>, %s: tensor<8xf32>) {
  %y = pfrt.instance_normalization %x, %s, %s {layout = "nwhc"} : (tensor<1x4x4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.instance_normalization: C4: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// group_normalization: layouts have names.
func.func @f(%x: tensor<1x4x4x8xf32>, %s: tensor<8xf32>) {
  %y = pfrt.group_normalization %x, %s, %s {num_groups = 2 : i64, layout = "nwhc"} : (tensor<1x4x4x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<1x4x4x8xf32>
  func.return
}
// CHECK: pfrt.group_normalization: C5: layout is one of nchw, nhwc, nc4hw4, not "nwhc"

// -----

// pack_channels: there are channels.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.pack_channels %x : tensor<4xf32> -> tensor<1x4xf32>
  func.return
}
// CHECK: pfrt.pack_channels: C1: needs at least 2 dimensions, got tensor<4xf32>

// -----

// unpack_channels: blocks are of four.
func.func @f(%x: tensor<1x4x4x8xf32>) {
  %y = pfrt.unpack_channels %x {channels = 8 : i64} : tensor<1x4x4x8xf32> -> tensor<1x8x4xf32>
  func.return
}
// CHECK: pfrt.unpack_channels: C1: tensor<1x4x4x8xf32> does not end in 4

// -----

// unpack_channels: the channels fill the blocks but for the last.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %y = pfrt.unpack_channels %x {channels = 9 : i64} : tensor<1x2x4x4xf32> -> tensor<1x9x4xf32>
  func.return
}
// CHECK: pfrt.unpack_channels: C2: 9 channels do not lie in tensor<1x2x4x4xf32>
