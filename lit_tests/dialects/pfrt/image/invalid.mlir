// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Scales or sizes.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {mode = "linear"} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C1: needs either scales or sizes

// -----

// Not both.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {scales = dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00]> : tensor<4xf32>, sizes = array<i64: 1, 2, 8, 8>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C1: needs either scales or sizes

// -----

// Sizes are integers.
func.func @f(%x: tensor<1x2x4x4xf32>, %s: tensor<4xf32>) {
  %0 = pfrt.resize %x sizes(%s : tensor<4xf32>) {mode = "linear"} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C1: sizes must be a vector of i64 or i32, got tensor<4xf32>

// -----

// Scales are floats.
func.func @f(%x: tensor<1x2x4x4xf32>, %s: tensor<4xi64>) {
  %0 = pfrt.resize %x scales(%s : tensor<4xi64>) {mode = "linear"} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C1: scales must be a vector of floats

// -----

// A scale for each axis.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {scales = dense<2.0> : tensor<2xf32>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C2: 2 scales or sizes for 4 axes

// -----

// Axes that exist.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {axes = array<i64: 4>, sizes = array<i64: 8>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C2: axes [4] are not all among the 4 dimensions

// -----

// Two numbers of roi for each axis.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {coordinate_transformation_mode = "tf_crop_and_resize", roi = dense<0.5> : tensor<3xf32>, sizes = array<i64: 1, 2, 8, 8>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C2: 3 numbers of roi for 4 axes

// -----

// A mode there is.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {mode = "area", scales = dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00]> : tensor<4xf32>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C3: unknown mode "area"

// -----

// A transformation there is.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {coordinate_transformation_mode = "half", scales = dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00]> : tensor<4xf32>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C3: unknown coordinate_transformation_mode "half"

// -----

// Scales are positive.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {scales = dense<0.0> : tensor<4xf32>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C4: a scale must be positive and finite, got 0.0

// -----

// There are no sizes beyond float32.
func.func @f(%x: tensor<3xf32>) {
  %0 = pfrt.resize %x {scales = dense<3.0e38> : tensor<1xf32>} : tensor<3xf32> -> tensor<?xf32>
  func.return
}
// CHECK: pfrt.resize: C4: a scale of {{.*}} is too much for 3 elements

// -----

// Nothing comes of nothing.
func.func @f(%x: tensor<1x2x0x4xf32>) {
  %0 = pfrt.resize %x {sizes = array<i64: 1, 2, 8, 8>} : tensor<1x2x0x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C4: no elements cannot be resized to 8

// -----

// Booleans have no mean.
func.func @f(%x: tensor<1x2x4x4xi1>) {
  %0 = pfrt.resize %x {mode = "linear", scales = dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00]> : tensor<4xf32>} : tensor<1x2x4x4xi1> -> tensor<1x2x8x8xi1>
  func.return
}
// CHECK: pfrt.resize: C5: linear interpolation of tensor<1x2x4x4xi1>

// -----

// A region.
func.func @f(%x: tensor<1x2x4x4xf32>) {
  %0 = pfrt.resize %x {coordinate_transformation_mode = "tf_crop_and_resize", scales = dense<[1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00]> : tensor<4xf32>} : tensor<1x2x4x4xf32> -> tensor<1x2x8x8xf32>
  func.return
}
// CHECK: pfrt.resize: C6: needs a roi

// -----

// Regions are of the image's type.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf16>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i : (tensor<1x8x9x9xf32>, tensor<2x4xf16>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C1: needs one element type, got f32, f16

// -----

// Images are numbered in i64.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf32>, %i: tensor<2xi32>) {
  %0 = pfrt.roi_align %x, %r, %i : (tensor<1x8x9x9xf32>, tensor<2x4xf32>, tensor<2xi32>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C1: batch_indices cannot be tensor<2xi32>

// -----

// Regions have four corners.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x5xf32>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i : (tensor<1x8x9x9xf32>, tensor<2x5xf32>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C2: the regions must be tensor<2x4xf32>, got tensor<2x5xf32>

// -----

// An image for each region.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf32>, %i: tensor<3xi64>) {
  %0 = pfrt.roi_align %x, %r, %i : (tensor<1x8x9x9xf32>, tensor<2x4xf32>, tensor<3xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C2: batch_indices must be tensor<2xi64>, got tensor<3xi64>

// -----

// Images have two spatial axes.
func.func @f(%x: tensor<1x8x9xf32>, %r: tensor<2x4xf32>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i : (tensor<1x8x9xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C2: needs 4 dimensions, got tensor<1x8x9xf32>

// -----

// Mean or maximum.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf32>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i {mode = "min"} : (tensor<1x8x9x9xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C3: unknown mode "min"

// -----

// Two ways to place a region.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf32>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i {coordinate_transformation_mode = "asymmetric"} : (tensor<1x8x9x9xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C3: unknown coordinate_transformation_mode "asymmetric"

// -----

// There are bins.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf32>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i {output_height = 0 : i64} : (tensor<1x8x9x9xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C4: cannot make 0 x 1 bins

// -----

// Points are counted.
func.func @f(%x: tensor<1x8x9x9xf32>, %r: tensor<2x4xf32>, %i: tensor<2xi64>) {
  %0 = pfrt.roi_align %x, %r, %i {sampling_ratio = -1 : i64} : (tensor<1x8x9x9xf32>, tensor<2x4xf32>, tensor<2xi64>) -> tensor<2x8x1x1xf32>
  func.return
}
// CHECK: pfrt.roi_align: C4: sampling_ratio must be at least 0, got -1

// -----

// Points are floats.
func.func @f(%x: tensor<2x3x4x5xf32>, %g: tensor<2x7x8x2xi64>) {
  %0 = pfrt.grid_sample %x, %g : (tensor<2x3x4x5xf32>, tensor<2x7x8x2xi64>) -> tensor<2x3x7x8xf32>
  func.return
}
// CHECK: pfrt.grid_sample: C1: needs floats, got tensor<2x7x8x2xi64>

// -----

// A coordinate for each spatial axis.
func.func @f(%x: tensor<2x3x4x5xf32>, %g: tensor<2x7x8x3xf32>) {
  %0 = pfrt.grid_sample %x, %g : (tensor<2x3x4x5xf32>, tensor<2x7x8x3xf32>) -> tensor<2x3x7x8xf32>
  func.return
}
// CHECK: pfrt.grid_sample: C2: tensor<2x7x8x3xf32> does not sample tensor<2x3x4x5xf32>

// -----

// A grid for each image.
func.func @f(%x: tensor<2x3x4x5xf32>, %g: tensor<3x7x8x2xf32>) {
  %0 = pfrt.grid_sample %x, %g : (tensor<2x3x4x5xf32>, tensor<3x7x8x2xf32>) -> tensor<2x3x7x8xf32>
  func.return
}
// CHECK: pfrt.grid_sample: C2: tensor<3x7x8x2xf32> does not sample tensor<2x3x4x5xf32>

// -----

// A mode there is.
func.func @f(%x: tensor<2x3x4x5xf32>, %g: tensor<2x7x8x2xf32>) {
  %0 = pfrt.grid_sample %x, %g {mode = "bilinear"} : (tensor<2x3x4x5xf32>, tensor<2x7x8x2xf32>) -> tensor<2x3x7x8xf32>
  func.return
}
// CHECK: pfrt.grid_sample: C3: unknown mode "bilinear"

// -----

// A padding there is.
func.func @f(%x: tensor<2x3x4x5xf32>, %g: tensor<2x7x8x2xf32>) {
  %0 = pfrt.grid_sample %x, %g {padding_mode = "wrap"} : (tensor<2x3x4x5xf32>, tensor<2x7x8x2xf32>) -> tensor<2x3x7x8xf32>
  func.return
}
// CHECK: pfrt.grid_sample: C3: unknown padding_mode "wrap"

// -----

// Depth is of images.
func.func @f(%x: tensor<4x4x4xf32>) {
  %0 = pfrt.depth_to_space %x {blocksize = 2 : i64} : tensor<4x4x4xf32> -> tensor<1x1x8x8xf32>
  func.return
}
// CHECK: pfrt.depth_to_space: C1: not an image: tensor<4x4x4xf32>

// -----

// Blocks have a size.
func.func @f(%x: tensor<1x4x4x4xf32>) {
  %0 = pfrt.depth_to_space %x {blocksize = 0 : i64} : tensor<1x4x4x4xf32> -> tensor<1x1x8x8xf32>
  func.return
}
// CHECK: pfrt.depth_to_space: C2: blocksize must be at least 1, got 0

// -----

// Blocks divide the channels.
func.func @f(%x: tensor<1x4x4x4xf32>) {
  %0 = pfrt.depth_to_space %x {blocksize = 3 : i64} : tensor<1x4x4x4xf32> -> tensor<1x1x8x8xf32>
  func.return
}
// CHECK: pfrt.depth_to_space: C2: 4 channels do not make blocks of 3 x 3

// -----

// Two orders of channels.
func.func @f(%x: tensor<1x4x4x4xf32>) {
  %0 = pfrt.depth_to_space %x {blocksize = 2 : i64, mode = "RCD"} : tensor<1x4x4x4xf32> -> tensor<1x1x8x8xf32>
  func.return
}
// CHECK: pfrt.depth_to_space: C3: unknown mode "RCD"

// -----

// Space is of images.
func.func @f(%x: tensor<4x4x4xf32>) {
  %0 = pfrt.space_to_depth %x {blocksize = 2 : i64} : tensor<4x4x4xf32> -> tensor<1x1x8x8xf32>
  func.return
}
// CHECK: pfrt.space_to_depth: C1: not an image: tensor<4x4x4xf32>

// -----

// Blocks divide the pixels.
func.func @f(%x: tensor<1x4x4x4xf32>) {
  %0 = pfrt.space_to_depth %x {blocksize = 3 : i64} : tensor<1x4x4x4xf32> -> tensor<1x1x8x8xf32>
  func.return
}
// CHECK: pfrt.space_to_depth: C2: 4 pixels do not split into blocks of 3
