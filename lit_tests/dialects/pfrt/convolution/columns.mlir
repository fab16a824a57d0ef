// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Bias and mask are each optional.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.deform_conv %x, %w, %o as "y" {group = 2 : i64, offset_group = 2 : i64} : (tensor<?x4x8x8xf32>, tensor<6x2x3x3xf32>, tensor<?x36x6x6xf32>) -> tensor<?x6x6x6xf32>
// CHECK-NEXT:    pfrt.deform_conv %x, %w, %o bias(%b : tensor<6xf32>) mask(%m : tensor<?x18x6x6xf32>) {group = 2 : i64, offset_group = 2 : i64} : (tensor<?x4x8x8xf32>, tensor<6x2x3x3xf32>, tensor<?x36x6x6xf32>) -> tensor<?x6x6x6xf32>
func.func @f(%x: tensor<?x4x8x8xf32>, %w: tensor<6x2x3x3xf32>, %o: tensor<?x36x6x6xf32>, %b: tensor<6xf32>, %m: tensor<?x18x6x6xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o as "y" {group = 2 : i64, offset_group = 2 : i64} : (tensor<?x4x8x8xf32>, tensor<6x2x3x3xf32>, tensor<?x36x6x6xf32>) -> tensor<?x6x6x6xf32>
  %1 = pfrt.deform_conv %x, %w, %o bias(%b : tensor<6xf32>) mask(%m : tensor<?x18x6x6xf32>) {group = 2 : i64, offset_group = 2 : i64} : (tensor<?x4x8x8xf32>, tensor<6x2x3x3xf32>, tensor<?x36x6x6xf32>) -> tensor<?x6x6x6xf32>
  func.return
}

// -----

// Any number of axes.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.deform_conv %x, %w, %o {pads = array<i64: 1, 1>} : (tensor<2x4x8xf32>, tensor<6x4x3xf32>, tensor<2x3x?xf32>) -> tensor<2x6x8xf32>
func.func @f(%x: tensor<2x4x8xf32>, %w: tensor<6x4x3xf32>, %o: tensor<2x3x?xf32>) {
  %0 = pfrt.deform_conv %x, %w, %o {pads = array<i64: 1, 1>} : (tensor<2x4x8xf32>, tensor<6x4x3xf32>, tensor<2x3x?xf32>) -> tensor<2x6x8xf32>
  func.return
}

// -----

// Shapes known or not.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.col2_im %x as "y" {block_shape = array<i64: 1, 5>, image_shape = array<i64: 5, 5>} : tensor<?x10x5xf32> -> tensor<?x2x5x5xf32>
// CHECK-NEXT:    pfrt.col2_im %x image(%s : tensor<2xi64>) {block_shape = array<i64: 1, 5>, dilations = array<i64: 1, 1>} : tensor<?x10x5xf32> -> tensor<?x2x?x?xf32>
// CHECK-NEXT:    pfrt.col2_im %x image(%s : tensor<2xi64>) block(%s : tensor<2xi64>) : tensor<?x10x5xf32> -> tensor<?x?x?x?xf32>
func.func @f(%x: tensor<?x10x5xf32>, %s: tensor<2xi64>) {
  %0 = pfrt.col2_im %x as "y" {block_shape = array<i64: 1, 5>, image_shape = array<i64: 5, 5>} : tensor<?x10x5xf32> -> tensor<?x2x5x5xf32>
  %1 = pfrt.col2_im %x image(%s : tensor<2xi64>) {block_shape = array<i64: 1, 5>, dilations = array<i64: 1, 1>} : tensor<?x10x5xf32> -> tensor<?x2x?x?xf32>
  %2 = pfrt.col2_im %x image(%s : tensor<2xi64>) block(%s : tensor<2xi64>) : tensor<?x10x5xf32> -> tensor<?x?x?x?xf32>
  func.return
}
