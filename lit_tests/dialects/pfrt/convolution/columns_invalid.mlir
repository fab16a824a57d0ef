// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A window of no axes.
// CHECK: pfrt.deform_conv: C1: needs at least 3 dimensions
func.func @f(%x: tensor<1x2xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x1x1xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o : (tensor<1x2xf32>, tensor<1x2x1xf32>, tensor<1x1x1xf32>) -> tensor<?x?x?xf32>
  func.return
}

// -----

// A stride for each axis.
// CHECK: pfrt.deform_conv: C2: strides needs 1 entries, got 2
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x1x3xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o {strides = array<i64: 1, 1>} : (tensor<1x2x3xf32>, tensor<1x2x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// A stride goes on.
// CHECK: pfrt.deform_conv: C3: strides must be at least 1
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x1x3xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o {strides = array<i64: 0>} : (tensor<1x2x3xf32>, tensor<1x2x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// A padding there is.
// CHECK: pfrt.deform_conv: C4: auto_pad is one of
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x1x3xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o {auto_pad = "SOME"} : (tensor<1x2x3xf32>, tensor<1x2x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// The window fits.
// CHECK: pfrt.deform_conv: C5: a window of 4 elements does not fit
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x4xf32>, %o: tensor<1x4x1xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o : (tensor<1x2x3xf32>, tensor<1x2x4xf32>, tensor<1x4x1xf32>) -> tensor<?x?x?xf32>
  func.return
}

// -----

// Offsets are of the image's type.
// CHECK: pfrt.deform_conv: C6: needs one element type
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x1x3xf64>) {
  %0 = pfrt.deform_conv %x, %w, %o : (tensor<1x2x3xf32>, tensor<1x2x1xf32>, tensor<1x1x3xf64>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// Groups divide the features.
// CHECK: pfrt.deform_conv: C7: 2 groups do not divide 1 features
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x1x1xf32>, %o: tensor<1x1x3xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o {group = 2 : i64} : (tensor<1x2x3xf32>, tensor<1x1x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// One number of bias a feature.
// CHECK: pfrt.deform_conv: C8: the bias must be tensor<1xf32>, got tensor<2xf32>
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x1x3xf32>, %b: tensor<2xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o bias(%b : tensor<2xf32>) : (tensor<1x2x3xf32>, tensor<1x2x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// Offset groups divide the channels.
// CHECK: pfrt.deform_conv: C9: 3 offset groups do not divide 2 channels
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x1xf32>, %o: tensor<1x3x3xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o {offset_group = 3 : i64} : (tensor<1x2x3xf32>, tensor<1x2x1xf32>, tensor<1x3x3xf32>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// An offset for each tap and axis.
// CHECK: pfrt.deform_conv: C10: offset must be tensor<1x2x2xf32>, got tensor<1x1x2xf32>
func.func @f(%x: tensor<1x2x3xf32>, %w: tensor<1x2x2xf32>, %o: tensor<1x1x2xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o : (tensor<1x2x3xf32>, tensor<1x2x2xf32>, tensor<1x1x2xf32>) -> tensor<1x1x2xf32>
  func.return
}

// -----

// Strings have no sum.
// CHECK: pfrt.col2_im: C1: cannot add up tensor<1x5x5x!pfrt.string>
func.func @f(%x: tensor<1x5x5x!pfrt.string>) {
  %0 = pfrt.col2_im %x {block_shape = array<i64: 1, 5>, image_shape = array<i64: 5, 5>} : tensor<1x5x5x!pfrt.string> -> tensor<1x1x5x5x!pfrt.string>
  func.return
}

// -----

// An image has a shape.
// CHECK: pfrt.col2_im: C2: needs image_shape
func.func @f(%x: tensor<1x5x5xf32>) {
  %0 = pfrt.col2_im %x {block_shape = array<i64: 1, 5>} : tensor<1x5x5xf32> -> tensor<1x1x?x?xf32>
  func.return
}

// -----

// Block and image have the same axes.
// CHECK: pfrt.col2_im: C3: the lists have different numbers of axes
func.func @f(%x: tensor<1x5x5xf32>) {
  %0 = pfrt.col2_im %x {block_shape = array<i64: 5>, image_shape = array<i64: 5, 5>} : tensor<1x5x5xf32> -> tensor<1x1x5x5xf32>
  func.return
}

// -----

// A block has elements.
// CHECK: pfrt.col2_im: C4: block_shape cannot be [0, 5]
func.func @f(%x: tensor<1x5x5xf32>) {
  %0 = pfrt.col2_im %x {block_shape = array<i64: 0, 5>, image_shape = array<i64: 5, 5>} : tensor<1x5x5xf32> -> tensor<1x?x5x5xf32>
  func.return
}

// -----

// A column is blocks of whole channels.
// CHECK: pfrt.col2_im: C5: blocks of [1, 4] do not divide 5
func.func @f(%x: tensor<1x5x5xf32>) {
  %0 = pfrt.col2_im %x {block_shape = array<i64: 1, 4>, image_shape = array<i64: 5, 5>} : tensor<1x5x5xf32> -> tensor<1x?x5x5xf32>
  func.return
}

// -----

// As many columns as blocks.
// CHECK: pfrt.col2_im: C5: there are 5 blocks, got 4
func.func @f(%x: tensor<1x5x4xf32>) {
  %0 = pfrt.col2_im %x {block_shape = array<i64: 1, 5>, image_shape = array<i64: 5, 5>} : tensor<1x5x4xf32> -> tensor<1x1x5x5xf32>
  func.return
}
