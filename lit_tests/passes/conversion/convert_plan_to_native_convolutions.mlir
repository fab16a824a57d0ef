// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=avx512}' --split-input-file | filecheck %s

// Windows of 3 x 3 over a large image go by tiles of 4 x 4 results; the schedule says what each way would take.
func.func @tiles(%x: memref<1x56x56x64xf32>) -> memref<1x56x56x64xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<64x64x3x3xf32>} : memref<64x64x3x3xf32>
  %y = plan.new : memref<1x56x56x64xf32>
  plan.call @conv_winograd_nhwc(%x, %w) into(%y) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, auto_pad = "NOTSET"}} : (memref<1x56x56x64xf32>, memref<64x64x3x3xf32>) into(memref<1x56x56x64xf32>)
  func.return %y : memref<1x56x56x64xf32>
}
// CHECK-LABEL: @tiles
// CHECK: output_tile = 4 : i64, time_1 = {{[0-9]+}} : i64, time_2 = {{[0-9]+}} : i64, time_4 = {{[0-9]+}} : i64

// -----

// Where tiles are few, most of the time goes into reading weights, of which smaller tiles have fewer.
func.func @weights(%x: memref<1x7x7x512xf32>) -> memref<1x7x7x512xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<512x512x3x3xf32>} : memref<512x512x3x3xf32>
  %y = plan.new : memref<1x7x7x512xf32>
  plan.call @conv_winograd_nhwc(%x, %w) into(%y) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, auto_pad = "NOTSET"}} : (memref<1x7x7x512xf32>, memref<512x512x3x3xf32>) into(memref<1x7x7x512xf32>)
  func.return %y : memref<1x7x7x512xf32>
}
// CHECK-LABEL: @weights
// CHECK: output_tile = 2 : i64

// -----

// A single position is one window.
func.func @one(%x: memref<1x1x1x64xf32>) -> memref<1x1x1x64xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<64x64x3x3xf32>} : memref<64x64x3x3xf32>
  %y = plan.new : memref<1x1x1x64xf32>
  plan.call @conv_im2col_nhwc(%x, %w) into(%y) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64>, dilations = array<i64>, pads = array<i64: 1, 1, 1, 1>, auto_pad = "NOTSET"}} : (memref<1x1x1x64xf32>, memref<64x64x3x3xf32>) into(memref<1x1x1x64xf32>)
  func.return %y : memref<1x1x1x64xf32>
}
// CHECK-LABEL: @one
// CHECK: output_tile = 1 : i64

// -----

// Weights that are integers were quantized: their sums stay exact.
func.func @integers(%x: memref<1x56x56x64xf32>) -> memref<1x56x56x64xf32> {
  %w = plan.constant {value = dense<3.0> : tensor<64x64x3x3xf32>} : memref<64x64x3x3xf32>
  %y = plan.new : memref<1x56x56x64xf32>
  plan.call @conv_im2col_nhwc(%x, %w) into(%y) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64>, dilations = array<i64>, pads = array<i64: 1, 1, 1, 1>, auto_pad = "NOTSET"}} : (memref<1x56x56x64xf32>, memref<64x64x3x3xf32>) into(memref<1x56x56x64xf32>)
  func.return %y : memref<1x56x56x64xf32>
}
// CHECK-LABEL: @integers
// CHECK: plan.schedule
// CHECK-NOT: output_tile

// -----

// Windows that go on by two elements, or in groups, are multiplied as they are.
func.func @others(%x: memref<1x56x56x64xf32>) -> (memref<1x28x28x64xf32>, memref<1x56x56x64xf32>) {
  %w = plan.constant {value = dense<0.5> : tensor<64x64x3x3xf32>} : memref<64x64x3x3xf32>
  %y = plan.new : memref<1x28x28x64xf32>
  plan.call @conv_im2col_nhwc(%x, %w) into(%y) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, auto_pad = "NOTSET"}} : (memref<1x56x56x64xf32>, memref<64x64x3x3xf32>) into(memref<1x28x28x64xf32>)
  %v = plan.constant {value = dense<0.5> : tensor<64x16x3x3xf32>} : memref<64x16x3x3xf32>
  %z = plan.new : memref<1x56x56x64xf32>
  plan.call @conv_im2col_nhwc(%x, %v) into(%z) {params = {layout = "nhwc", group = 4 : i64, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, auto_pad = "NOTSET"}} : (memref<1x56x56x64xf32>, memref<64x16x3x3xf32>) into(memref<1x56x56x64xf32>)
  func.return %y, %z : memref<1x28x28x64xf32>, memref<1x56x56x64xf32>
}
// CHECK-LABEL: @others
// CHECK-COUNT-2: plan.schedule
// CHECK-NOT: output_tile

// -----

// A transposed convolution of data whose channels lie together has a product for each phase of its strides.
func.func @transposed(%x: memref<1x8x8x64xf32>) -> memref<1x16x16x32xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<64x32x2x2xf32>} : memref<64x32x2x2xf32>
  %y = plan.new : memref<1x16x16x32xf32>
  plan.call @conv_transpose_nhwc(%x, %w) into(%y) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64: 2, 2>}} : (memref<1x8x8x64xf32>, memref<64x32x2x2xf32>) into(memref<1x16x16x32xf32>)
  func.return %y : memref<1x16x16x32xf32>
}
// CHECK-LABEL: @transposed
// CHECK: plan.call @conv_transpose_nhwc{{.*}}plan.schedule = {cpu = "avx512"
