// RUN: pfrt-opt %s --split-input-file | filecheck %s

// Two spatial axes of unknown batch, a bias, padding at the end.
func.func @f(%x: tensor<?x16x4x4xf32>, %w: tensor<16x3x3x3xf32>, %b: tensor<3xf32>) -> tensor<?x3x8x8xf32> {
  // CHECK: pfrt.conv_transpose %x, %w, %b {output_padding = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x16x4x4xf32>, tensor<16x3x3x3xf32>, tensor<3xf32>) -> tensor<?x3x8x8xf32>
  %0 = pfrt.conv_transpose %x, %w, %b {output_padding = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<?x16x4x4xf32>, tensor<16x3x3x3xf32>, tensor<3xf32>) -> tensor<?x3x8x8xf32>
  func.return %0 : tensor<?x3x8x8xf32>
}

// -----

// One spatial axis, dilated, in groups.
func.func @f(%x: tensor<1x4x5xf16>, %w: tensor<4x3x2xf16>) -> tensor<1x6x8xf16> {
  // CHECK: pfrt.conv_transpose %x, %w {dilations = array<i64: 3>, group = 2 : i64} : (tensor<1x4x5xf16>, tensor<4x3x2xf16>) -> tensor<1x6x8xf16>
  %0 = pfrt.conv_transpose %x, %w {dilations = array<i64: 3>, group = 2 : i64} : (tensor<1x4x5xf16>, tensor<4x3x2xf16>) -> tensor<1x6x8xf16>
  func.return %0 : tensor<1x6x8xf16>
}

// -----

// The result's sizes are given, of unknown operands.
func.func @f(%x: tensor<1x2x?x?xf32>, %w: tensor<2x3x?x?xf32>) -> tensor<1x3x7x9xf32> {
  // CHECK: pfrt.conv_transpose %x, %w {auto_pad = "SAME_UPPER", output_shape = array<i64: 7, 9>} : (tensor<1x2x?x?xf32>, tensor<2x3x?x?xf32>) -> tensor<1x3x7x9xf32>
  %0 = pfrt.conv_transpose %x, %w {auto_pad = "SAME_UPPER", output_shape = array<i64: 7, 9>} : (tensor<1x2x?x?xf32>, tensor<2x3x?x?xf32>) -> tensor<1x3x7x9xf32>
  func.return %0 : tensor<1x3x7x9xf32>
}
