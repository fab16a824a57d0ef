// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Parameters are properties, or any of them operands.
// CHECK-LABEL: @boxes
// CHECK-NEXT:    pfrt.non_max_suppression %b, %s as "kept" : (tensor<?x6x4xf32>, tensor<?x2x6xf32>) -> tensor<?x3xi64>
// CHECK-NEXT:    pfrt.non_max_suppression %b, %s {iou_threshold = 5.000000e-01 : f32, max_output_boxes_per_class = 3 : i64, center_point_box = true} : (tensor<?x6x4xf32>, tensor<?x2x6xf32>) -> tensor<?x3xi64>
// CHECK-NEXT:    pfrt.non_max_suppression %b, %s most(%n : tensor<1xi64>) score(%t : tensor<f32>) {iou_threshold = 5.000000e-01 : f32} : (tensor<?x6x4xf32>, tensor<?x2x6xf32>) -> tensor<?x3xi64>
func.func @boxes(%b: tensor<?x6x4xf32>, %s: tensor<?x2x6xf32>, %n: tensor<1xi64>, %t: tensor<f32>) {
  %0 = pfrt.non_max_suppression %b, %s as "kept" : (tensor<?x6x4xf32>, tensor<?x2x6xf32>) -> tensor<?x3xi64>
  %1 = pfrt.non_max_suppression %b, %s {iou_threshold = 5.000000e-01 : f32, max_output_boxes_per_class = 3 : i64, center_point_box = true} : (tensor<?x6x4xf32>, tensor<?x2x6xf32>) -> tensor<?x3xi64>
  %2 = pfrt.non_max_suppression %b, %s most(%n : tensor<1xi64>) score(%t : tensor<f32>) {iou_threshold = 5.000000e-01 : f32} : (tensor<?x6x4xf32>, tensor<?x2x6xf32>) -> tensor<?x3xi64>
  func.return
}

// -----

// There are as many results as regions.
// CHECK-LABEL: @regions
// CHECK-NEXT:    pfrt.max_roi_pool %x, %r {pooled_shape = array<i64: 2, 3>, spatial_scale = 5.000000e-01 : f32} : (tensor<?x3x8x8xf32>, tensor<4x5xf32>) -> tensor<4x3x2x3xf32>
func.func @regions(%x: tensor<?x3x8x8xf32>, %r: tensor<4x5xf32>) {
  %0 = pfrt.max_roi_pool %x, %r {pooled_shape = array<i64: 2, 3>, spatial_scale = 5.000000e-01 : f32} : (tensor<?x3x8x8xf32>, tensor<4x5xf32>) -> tensor<4x3x2x3xf32>
  func.return
}
