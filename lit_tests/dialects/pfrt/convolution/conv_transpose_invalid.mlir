// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// There is a spatial axis.
func.func @f(%x: tensor<1x4xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w : (tensor<1x4xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C1: needs at least 3 dimensions, got tensor<1x4xf32>

// -----

// Weights have as many dimensions as the data.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w : (tensor<1x4x5xf32>, tensor<4x3x2x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C2: a window of 2 axes does not slide over tensor<1x4x5xf32>

// -----

// Strides are positive.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w {strides = array<i64: 0>} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C3: strides must be at least 1, got [0]

// -----

// auto_pad has four values.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w {auto_pad = "SAME"} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C4: auto_pad is one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, not "SAME"

// -----

// Something is left.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w {pads = array<i64: 4, 3>} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C5: 5 elements and pads 4 + 3 would leave -1

// -----

// Only floats.
func.func @f(%x: tensor<1x4x5xi32>, %w: tensor<4x3x2xi32>) {
  %0 = pfrt.conv_transpose %x, %w : (tensor<1x4x5xi32>, tensor<4x3x2xi32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C6: needs floats, got tensor<1x4x5xi32>

// -----

// Groups divide the channels.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w {group = 3 : i64} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C7: 3 groups do not divide 4 channels

// -----

// Weights are for the channels there are.
func.func @f(%x: tensor<1x2x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w : (tensor<1x2x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C7: weights for 4 channels, got tensor<1x2x5xf32>

// -----

// A bias for each feature of each group.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>, %b: tensor<3xf32>) {
  %0 = pfrt.conv_transpose %x, %w, %b {group = 2 : i64} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>, tensor<3xf32>) -> tensor<1x6x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C8: the bias must be tensor<6xf32>, got tensor<3xf32>

// -----

// One size a spatial axis.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w {output_shape = array<i64: 6, 6>} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C9: output_shape cannot be [6, 6]

// -----

// Nothing is added that is negative.
func.func @f(%x: tensor<1x4x5xf32>, %w: tensor<4x3x2xf32>) {
  %0 = pfrt.conv_transpose %x, %w {output_padding = array<i64: -1>} : (tensor<1x4x5xf32>, tensor<4x3x2xf32>) -> tensor<1x3x6xf32>
  func.return
}
// CHECK: pfrt.conv_transpose: C9: output_padding cannot be [-1]
