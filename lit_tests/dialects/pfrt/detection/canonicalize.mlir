// RUN: pfrt-opt %s -p pfrt-canonicalize | filecheck %s

// Constant parameters become properties whatever their rank; one that f32 does not hold stays.
// CHECK-LABEL: @constants
// CHECK:         pfrt.non_max_suppression %b, %s iou({{.*}} : tensor<f64>) {max_output_boxes_per_class = 3 : i64, score_threshold = 2.500000e-01 : f32}
func.func @constants(%b: tensor<1x6x4xf64>, %s: tensor<1x2x6xf64>) -> tensor<?x3xi64> {
  %n = pfrt.constant dense<3> : tensor<1xi64>
  %i = pfrt.constant dense<0.1> : tensor<f64>
  %t = pfrt.constant dense<0.25> : tensor<f32>
  %0 = pfrt.non_max_suppression %b, %s most(%n : tensor<1xi64>) iou(%i : tensor<f64>) score(%t : tensor<f32>) : (tensor<1x6x4xf64>, tensor<1x2x6xf64>) -> tensor<?x3xi64>
  func.return %0 : tensor<?x3xi64>
}
