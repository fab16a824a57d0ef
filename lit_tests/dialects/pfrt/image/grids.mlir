// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// A size known or not; the number of axes is also that of theta.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.affine_grid %t as "y" {align_corners = true, size = array<i64: 2, 3, 4, 5, 6>} : (tensor<2x3x4xf32>) -> tensor<2x4x5x6x3xf32>
// CHECK-NEXT:    pfrt.affine_grid %u, %s : (tensor<?x2x3xf32>, tensor<?xi64>) -> tensor<?x?x?x2xf32>
func.func @f(%t: tensor<2x3x4xf32>, %u: tensor<?x2x3xf32>, %s: tensor<?xi64>) {
  %0 = pfrt.affine_grid %t as "y" {align_corners = true, size = array<i64: 2, 3, 4, 5, 6>} : (tensor<2x3x4xf32>) -> tensor<2x4x5x6x3xf32>
  %1 = pfrt.affine_grid %u, %s : (tensor<?x2x3xf32>, tensor<?xi64>) -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// An image of a size that only its bytes know.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.image_decoder %b : tensor<?xui8> -> tensor<?x?x3xui8>
// CHECK-NEXT:    pfrt.image_decoder %b as "y" {pixel_format = "Grayscale"} : tensor<?xui8> -> tensor<?x?x1xui8>
func.func @f(%b: tensor<?xui8>) {
  %0 = pfrt.image_decoder %b : tensor<?xui8> -> tensor<?x?x3xui8>
  %1 = pfrt.image_decoder %b as "y" {pixel_format = "Grayscale"} : tensor<?xui8> -> tensor<?x?x1xui8>
  func.return
}

// -----

// Both orders of a block's pixels.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.space_to_depth %x {blocksize = 2 : i64, mode = "CRD"} : tensor<?x3x8x8xf32> -> tensor<?x12x4x4xf32>
func.func @f(%x: tensor<?x3x8x8xf32>) {
  %0 = pfrt.space_to_depth %x {blocksize = 2 : i64, mode = "CRD"} : tensor<?x3x8x8xf32> -> tensor<?x12x4x4xf32>
  func.return
}
