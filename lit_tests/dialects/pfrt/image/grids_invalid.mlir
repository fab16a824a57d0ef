// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A map is numbers.
// CHECK: pfrt.affine_grid: C1: needs floats, got tensor<2x2x3xi32>
func.func @f(%t: tensor<2x2x3xi32>) {
  %0 = pfrt.affine_grid %t {size = array<i64: 2, 3, 5, 6>} : (tensor<2x2x3xi32>) -> tensor<2x5x6x2xi32>
  func.return
}

// -----

// Images have a size.
// CHECK: pfrt.affine_grid: C2: needs size
func.func @f(%t: tensor<2x2x3xf32>) {
  %0 = pfrt.affine_grid %t : (tensor<2x2x3xf32>) -> tensor<2x5x6x2xf32>
  func.return
}

// -----

// A matrix for each image.
// CHECK: pfrt.affine_grid: C3: theta must be tensor<1x2x3xf32>, got tensor<2x2x3xf32>
func.func @f(%t: tensor<2x2x3xf32>) {
  %0 = pfrt.affine_grid %t {size = array<i64: 1, 3, 5, 6>} : (tensor<2x2x3xf32>) -> tensor<1x5x6x2xf32>
  func.return
}

// -----

// Two or three axes.
// CHECK: pfrt.affine_grid: C3: 1 spatial axes, 2 or 3 are possible
func.func @f(%t: tensor<2x2x3xf32>) {
  %0 = pfrt.affine_grid %t {size = array<i64: 2, 3, 5>} : (tensor<2x2x3xf32>) -> tensor<?x?x?x?xf32>
  func.return
}

// -----

// No size is negative.
// CHECK: pfrt.affine_grid: C4: sizes [2, 3, -5, 6] must not be negative
func.func @f(%t: tensor<2x2x3xf32>) {
  %0 = pfrt.affine_grid %t {size = array<i64: 2, 3, -5, 6>} : (tensor<2x2x3xf32>) -> tensor<?x?x?x?xf32>
  func.return
}

// -----

// A file is bytes.
// CHECK: pfrt.image_decoder: C1: not a vector of ui8: tensor<8xi8>
func.func @f(%t: tensor<8xi8>) {
  %0 = pfrt.image_decoder %t : tensor<8xi8> -> tensor<?x?x3xi8>
  func.return
}

// -----

// A format there is.
// CHECK: pfrt.image_decoder: C2: unknown pixel_format "CMYK"
func.func @f(%t: tensor<8xui8>) {
  %0 = pfrt.image_decoder %t {pixel_format = "CMYK"} : tensor<8xui8> -> tensor<?x?x3xui8>
  func.return
}

// -----

// An order there is.
// CHECK: pfrt.space_to_depth: C3: unknown mode "RCD"
func.func @f(%x: tensor<1x3x4x4xf32>) {
  %0 = pfrt.space_to_depth %x {blocksize = 2 : i64, mode = "RCD"} : tensor<1x3x4x4xf32> -> tensor<1x12x2x2xf32>
  func.return
}
