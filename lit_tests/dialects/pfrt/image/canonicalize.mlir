// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// Constant scales and regions become properties; so do the sizes.
func.func @constant_operands(%x: tensor<4x4xf32>) -> (tensor<?x?xf32>, tensor<?x?xf32>) {
  %s = pfrt.constant dense<[2.0, 0.5]> : tensor<2xf32>
  %r = pfrt.constant dense<[0.0, 0.25, 1.0, 0.5]> : tensor<4xf32>
  %z = pfrt.constant dense<[3, 5]> : tensor<2xi64>
  %0 = pfrt.resize %x scales(%s : tensor<2xf32>) as "a" {mode = "linear"} : tensor<4x4xf32> -> tensor<?x?xf32>
  %1 = pfrt.resize %x roi(%r : tensor<4xf32>) sizes(%z : tensor<2xi64>) {coordinate_transformation_mode = "tf_crop_and_resize"} : tensor<4x4xf32> -> tensor<?x?xf32>
  func.return %0, %1 : tensor<?x?xf32>, tensor<?x?xf32>
}
// CHECK-LABEL: @constant_operands
// CHECK:         pfrt.resize %x as "a" {{{.*}}scales = dense<[2.000000e+00, 5.000000e-01]> : tensor<2xf32>}
// CHECK:         pfrt.resize %x {{{.*}}roi = dense<[0.000000e+00, 2.500000e-01, 1.000000e+00, 5.000000e-01]> : tensor<4xf32>, sizes = array<i64: 3, 5>}

// -----

// Scales of 1 change nothing, of an unknown size too; sizes only when they are those there are.
func.func @same(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %0 = pfrt.resize %x {scales = dense<1.0> : tensor<2xf32>} : tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = pfrt.resize %x {axes = array<i64: 1>, sizes = array<i64: 4>} : tensor<?x4xf32> -> tensor<?x4xf32>
  func.return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}
// CHECK-LABEL: @same
// CHECK-NEXT:    func.return %x, %x

// -----

// A region is cropped even when the size stays.
func.func @cropped(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = pfrt.resize %x {coordinate_transformation_mode = "tf_crop_and_resize", roi = dense<[0.0, 0.0, 0.5, 0.5]> : tensor<4xf32>, sizes = array<i64: 4, 4>} : tensor<4x4xf32> -> tensor<4x4xf32>
  func.return %0 : tensor<4x4xf32>
}
// CHECK-LABEL: @cropped
// CHECK:         pfrt.resize
