// RUN: pfrt-opt %s --split-input-file | filecheck %s

// By known scales of two axes.
func.func @f(%x: tensor<?x2x4x5xf32>) -> tensor<?x2x10x12xf32> {
  // CHECK: pfrt.resize %x {axes = array<i64: 2, 3>, mode = "linear", scales = dense<2.500000e+00> : tensor<2xf32>} : tensor<?x2x4x5xf32> -> tensor<?x2x10x12xf32>
  %0 = pfrt.resize %x {axes = array<i64: 2, 3>, mode = "linear", scales = dense<2.500000e+00> : tensor<2xf32>} : tensor<?x2x4x5xf32> -> tensor<?x2x10x12xf32>
  func.return %0 : tensor<?x2x10x12xf32>
}

// -----

// By scales that are known at run time.
func.func @f(%x: tensor<1x2x4x4xf32>, %s: tensor<4xf32>) -> tensor<?x?x?x?xf32> {
  // CHECK: pfrt.resize %x scales(%s : tensor<4xf32>) {mode = "cubic"} : tensor<1x2x4x4xf32> -> tensor<?x?x?x?xf32>
  %0 = pfrt.resize %x scales(%s : tensor<4xf32>) {mode = "cubic"} : tensor<1x2x4x4xf32> -> tensor<?x?x?x?xf32>
  func.return %0 : tensor<?x?x?x?xf32>
}

// -----

// To sizes that are known at run time, of a region.
func.func @f(%x: tensor<*xui8>, %r: tensor<?xf32>, %s: tensor<?xi64>) -> tensor<*xui8> {
  // CHECK: pfrt.resize %x roi(%r : tensor<?xf32>) sizes(%s : tensor<?xi64>) {coordinate_transformation_mode = "tf_crop_and_resize"} : tensor<*xui8> -> tensor<*xui8>
  %0 = pfrt.resize %x roi(%r : tensor<?xf32>) sizes(%s : tensor<?xi64>) {coordinate_transformation_mode = "tf_crop_and_resize"} : tensor<*xui8> -> tensor<*xui8>
  func.return %0 : tensor<*xui8>
}

// -----

// As large as fits into the sizes.
func.func @f(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x5x5xf32> {
  // CHECK: pfrt.resize %x {axes = array<i64: 2, 3>, keep_aspect_ratio_policy = "not_larger", sizes = array<i64: 8, 5>} : tensor<1x2x4x4xf32> -> tensor<1x2x5x5xf32>
  %0 = pfrt.resize %x {axes = array<i64: 2, 3>, keep_aspect_ratio_policy = "not_larger", sizes = array<i64: 8, 5>} : tensor<1x2x4x4xf32> -> tensor<1x2x5x5xf32>
  func.return %0 : tensor<1x2x5x5xf32>
}

// -----

// An unknown number of regions.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<?x4xf32>, %i: tensor<?xi64>) -> tensor<?x8x7x5xf32> {
  // CHECK: pfrt.roi_align %x, %r, %i {mode = "max", output_height = 7 : i64, output_width = 5 : i64, sampling_ratio = 2 : i64} : (tensor<1x8x9x9xf32>, tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x8x7x5xf32>
  %0 = pfrt.roi_align %x, %r, %i {mode = "max", output_height = 7 : i64, output_width = 5 : i64, sampling_ratio = 2 : i64} : (tensor<1x8x9x9xf32>, tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x8x7x5xf32>
  func.return %0 : tensor<?x8x7x5xf32>
}

// -----

// A grid over a volume.
func.func @f(%x: tensor<2x3x4x5x6xf32>, %g: tensor<?x7x8x9x3xf32>) -> tensor<2x3x7x8x9xf32> {
  // CHECK: pfrt.grid_sample %x, %g {align_corners = true, padding_mode = "reflection"} : (tensor<2x3x4x5x6xf32>, tensor<?x7x8x9x3xf32>) -> tensor<2x3x7x8x9xf32>
  %0 = pfrt.grid_sample %x, %g {align_corners = true, padding_mode = "reflection"} : (tensor<2x3x4x5x6xf32>, tensor<?x7x8x9x3xf32>) -> tensor<2x3x7x8x9xf32>
  func.return %0 : tensor<2x3x7x8x9xf32>
}

// -----

// Consecutive channels make a block.
func.func @f(%x: tensor<?x12x?x4xi8>) -> tensor<?x3x?x8xi8> {
  // CHECK: pfrt.depth_to_space %x {blocksize = 2 : i64, mode = "CRD"} : tensor<?x12x?x4xi8> -> tensor<?x3x?x8xi8>
  %0 = pfrt.depth_to_space %x {blocksize = 2 : i64, mode = "CRD"} : tensor<?x12x?x4xi8> -> tensor<?x3x?x8xi8>
  func.return %0 : tensor<?x3x?x8xi8>
}

// -----

// Blocks become channels.
func.func @f(%x: tensor<*xf32>) -> tensor<?x?x?x?xf32> {
  // CHECK: pfrt.space_to_depth %x {blocksize = 2 : i64} : tensor<*xf32> -> tensor<?x?x?x?xf32>
  %0 = pfrt.space_to_depth %x {blocksize = 2 : i64} : tensor<*xf32> -> tensor<?x?x?x?xf32>
  func.return %0 : tensor<?x?x?x?xf32>
}
