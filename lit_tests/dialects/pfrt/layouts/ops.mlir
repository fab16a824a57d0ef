// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// Inference puts channels where the layout has them, and keeps what is not known.
func.func @f(%x: tensor<?x8x?x6xf32>, %w: tensor<10x3x3x3xf32>, %b: tensor<10xf32>) -> tensor<?x4x?x10xf32> {
  %y = pfrt.conv %x, %w, %b {group = 2 : i64, strides = array<i64: 2, 2>, auto_pad = "SAME_UPPER", layout = "nhwc"} : (tensor<?x8x?x6xf32>, tensor<10x3x3x3xf32>, tensor<10xf32>) -> tensor<?x4x?x10xf32>
  func.return %y : tensor<?x4x?x10xf32>
}
// CHECK: pfrt.conv %x, %w, %b {{.*}}layout = "nhwc"} : {{.*}} -> tensor<?x4x?x10xf32>

// -----

// What fills up the last four channels needs no weights.
func.func @f(%x: tensor<1x2x4x4x4xf32>, %v: tensor<6x5x1x1xf32>) {
  %a = pfrt.conv_transpose %x, %v {layout = "nc4hw4"} : (tensor<1x2x4x4x4xf32>, tensor<6x5x1x1xf32>) -> tensor<1x2x4x4x4xf32>
  func.return
}
// CHECK: pfrt.conv_transpose %x, %v {{.*}} -> tensor<1x2x4x4x4xf32>

// -----

// Pools and normalizations keep the layout of their operand.
func.func @f(%x: tensor<?x9x8xf32>, %s: tensor<8xf32>) -> tensor<?x1x8xf32> {
  %0, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 2>, layout = "nhwc"} : tensor<?x9x8xf32> -> tensor<?x8x8xf32>, tensor<?x8x8xi64>
  %1 = pfrt.average_pool %0 {kernel_shape = array<i64: 2>, layout = "nhwc"} : tensor<?x8x8xf32> -> tensor<?x7x8xf32>
  %2 = pfrt.batch_normalization %1, %s, %s, %s, %s {layout = "nhwc"} : (tensor<?x7x8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x7x8xf32>
  %3 = pfrt.global_max_pool %2 {layout = "nhwc"} : tensor<?x7x8xf32> -> tensor<?x1x8xf32>
  func.return %3 : tensor<?x1x8xf32>
}
// CHECK: pfrt.global_max_pool %2 {layout = "nhwc"} : tensor<?x7x8xf32> -> tensor<?x1x8xf32>

// -----

// "nchw" says nothing, and no algorithm is told.
func.func @f(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x1x1xf32> {
  %y = pfrt.global_average_pool %x {layout = "nchw"} : tensor<1x8x4x4xf32> -> tensor<1x8x1x1xf32>
  func.return %y : tensor<1x8x1x1xf32>
}
// CHECK: pfrt.global_average_pool %x {layout = "nchw"}

// -----

// Channels are packed by four, and unpacked to as many as there were.
func.func @f(%x: tensor<?x6x?xf32>) -> tensor<?x6x?xf32> {
  %0 = pfrt.pack_channels %x : tensor<?x6x?xf32> -> tensor<?x2x?x4xf32>
  %1 = pfrt.unpack_channels %0 {channels = 6 : i64} : tensor<?x2x?x4xf32> -> tensor<?x6x?xf32>
  func.return %1 : tensor<?x6x?xf32>
}
// CHECK: pfrt.pack_channels %x : tensor<?x6x?xf32> -> tensor<?x2x?x4xf32>
// CHECK-NEXT: pfrt.unpack_channels %0 {channels = 6 : i64}
