// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Boxes and scores are of one type of floats.
// CHECK: pfrt.non_max_suppression: C1: needs one element type, got f32, f64
func.func @f(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf64>) {
  %0 = pfrt.non_max_suppression %b, %s : (tensor<1x6x4xf32>, tensor<1x2x6xf64>) -> tensor<?x3xi64>
  func.return
}

// -----

// There is a score for each box.
// CHECK: pfrt.non_max_suppression: C2: the scores must be tensor<1x?x6xf32>, got tensor<1x2x5xf32>
func.func @f(%b: tensor<1x6x4xf32>, %s: tensor<1x2x5xf32>) {
  %0 = pfrt.non_max_suppression %b, %s : (tensor<1x6x4xf32>, tensor<1x2x5xf32>) -> tensor<?x3xi64>
  func.return
}

// -----

// A threshold is one number.
// CHECK: pfrt.non_max_suppression: C3: score_threshold must be one number, got tensor<2xf32>
func.func @f(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>, %t: tensor<2xf32>) {
  %0 = pfrt.non_max_suppression %b, %s score(%t : tensor<2xf32>) : (tensor<1x6x4xf32>, tensor<1x2x6xf32>) -> tensor<?x3xi64>
  func.return
}

// -----

// No two boxes share more than all.
// CHECK: pfrt.non_max_suppression: C4: iou_threshold must be between 0 and 1, got 1.5
func.func @f(%b: tensor<1x6x4xf32>, %s: tensor<1x2x6xf32>) {
  %0 = pfrt.non_max_suppression %b, %s {iou_threshold = 1.500000e+00 : f32} : (tensor<1x6x4xf32>, tensor<1x2x6xf32>) -> tensor<?x3xi64>
  func.return
}

// -----

// Regions are of the image's type.
// CHECK: pfrt.max_roi_pool: C1: needs one element type, got f32, f64
func.func @f(%x: tensor<1x3x8x8xf32>, %r: tensor<?x5xf64>) {
  %0 = pfrt.max_roi_pool %x, %r {pooled_shape = array<i64: 2, 2>} : (tensor<1x3x8x8xf32>, tensor<?x5xf64>) -> tensor<?x3x2x2xf32>
  func.return
}

// -----

// A region says of which image it is.
// CHECK: pfrt.max_roi_pool: C2: the regions must be tensor<?x5xf32>, got tensor<?x4xf32>
func.func @f(%x: tensor<1x3x8x8xf32>, %r: tensor<?x4xf32>) {
  %0 = pfrt.max_roi_pool %x, %r {pooled_shape = array<i64: 2, 2>} : (tensor<1x3x8x8xf32>, tensor<?x4xf32>) -> tensor<?x3x2x2xf32>
  func.return
}

// -----

// Bins go down and across.
// CHECK: pfrt.max_roi_pool: C3: pooled_shape cannot be [2]
func.func @f(%x: tensor<1x3x8x8xf32>, %r: tensor<?x5xf32>) {
  %0 = pfrt.max_roi_pool %x, %r {pooled_shape = array<i64: 2>} : (tensor<1x3x8x8xf32>, tensor<?x5xf32>) -> tensor<?x3x2x2xf32>
  func.return
}
