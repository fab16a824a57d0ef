// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// One tensor, whose type is told by what belongs to it too.
func.func @adagrad(%r: tensor<f32>, %t: tensor<i64>, %x: tensor<?x2xf32>, %g: tensor<3x?xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  // CHECK: pfrt.adagrad %r, %t, %x, %g, %x as "new", "h" {epsilon = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<?x2xf32>, tensor<3x?xf32>, tensor<?x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>)
  %0, %1 = pfrt.adagrad %r, %t, %x, %g, %x as "new", "h" {epsilon = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<?x2xf32>, tensor<3x?xf32>, tensor<?x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>)
  func.return %0, %1 : tensor<3x2xf32>, tensor<3x2xf32>
}

// -----

// Two tensors of different types.
func.func @adam(%r: tensor<1xf64>, %t: tensor<i64>, %x: tensor<2xf32>, %y: tensor<f64>) -> tensor<f64> {
  // CHECK: pfrt.adam %r, %t, %x, %y, %x, %y, %x, %y, %x, %y : (tensor<1xf64>, tensor<i64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>) -> (tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>)
  %0, %1, %2, %3, %4, %5 = pfrt.adam %r, %t, %x, %y, %x, %y, %x, %y, %x, %y : (tensor<1xf64>, tensor<i64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>) -> (tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>, tensor<2xf32>, tensor<f64>)
  func.return %1 : tensor<f64>
}

// -----

// The coefficients of momentum must be given.
func.func @momentum(%r: tensor<f32>, %t: tensor<i64>, %x: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK: pfrt.momentum %r, %t, %x, %x, %x {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32, mode = "nesterov"} : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  %0, %1 = pfrt.momentum %r, %t, %x, %x, %x {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32, mode = "nesterov"} : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return %0 : tensor<2xf32>
}

// -----

// A step that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%r: tensor<f32>, %t: tensor<i64>, %x: tensor<2xf32>) {
  %0, %1 = pfrt.adagrad %r, %t, %x, %x, %x : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
