// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// Two spatial axes with a bias and a name.
func.func @conv(%x: tensor<?x3x8x8xf32>, %w: tensor<16x3x3x3xf32>, %b: tensor<16xf32>) -> tensor<?x16x4x4xf32> {
  // CHECK: pfrt.conv %x, %w, %b as "conv1" {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>, tensor<16xf32>) -> tensor<?x16x4x4xf32>
  %y = pfrt.conv %x, %w, %b as "conv1" {pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x3x8x8xf32>, tensor<16x3x3x3xf32>, tensor<16xf32>) -> tensor<?x16x4x4xf32>
  func.return %y : tensor<?x16x4x4xf32>
}

// -----

// One spatial axis, dilated, in groups.
func.func @conv(%x: tensor<1x4x9xf16>, %w: tensor<6x2x3xf16>) -> tensor<1x6x5xf16> {
  // CHECK: pfrt.conv %x, %w {dilations = array<i64: 2>, group = 2 : i64} : (tensor<1x4x9xf16>, tensor<6x2x3xf16>) -> tensor<1x6x5xf16>
  %y = pfrt.conv %x, %w {dilations = array<i64: 2>, group = 2 : i64} : (tensor<1x4x9xf16>, tensor<6x2x3xf16>) -> tensor<1x6x5xf16>
  func.return %y : tensor<1x6x5xf16>
}

// -----

// SAME padding of unknown sizes: three unknown spatial axes.
func.func @conv(%x: tensor<1x2x?x?x?xf32>, %w: tensor<3x2x3x3x3xf32>) -> tensor<1x3x?x?x?xf32> {
  // CHECK: pfrt.conv %x, %w {auto_pad = "SAME_UPPER"} : (tensor<1x2x?x?x?xf32>, tensor<3x2x3x3x3xf32>) -> tensor<1x3x?x?x?xf32>
  %y = pfrt.conv %x, %w {auto_pad = "SAME_UPPER"} : (tensor<1x2x?x?x?xf32>, tensor<3x2x3x3x3xf32>) -> tensor<1x3x?x?x?xf32>
  func.return %y : tensor<1x3x?x?x?xf32>
}

// -----

// Weights of unknown window: only SAME knows its sizes.
func.func @conv(%x: tensor<1x2x9xf32>, %w: tensor<3x2x?xf32>) -> tensor<1x3x5xf32> {
  // CHECK: pfrt.conv %x, %w {auto_pad = "SAME_LOWER", strides = array<i64: 2>} : (tensor<1x2x9xf32>, tensor<3x2x?xf32>) -> tensor<1x3x5xf32>
  %y = pfrt.conv %x, %w {auto_pad = "SAME_LOWER", strides = array<i64: 2>} : (tensor<1x2x9xf32>, tensor<3x2x?xf32>) -> tensor<1x3x5xf32>
  func.return %y : tensor<1x3x5xf32>
}

// -----

// An op that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<1x1x4xf32>, %w: tensor<1x1x1xf32>) {
  %y = pfrt.conv %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  func.return
}
