// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// The rate is a number.
func.func @f(%r: tensor<i64>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0, %1 = pfrt.adagrad %r, %t, %x0, %x1, %x2 : (tensor<i64>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adagrad: C1: needs one float32 or float64, got tensor<i64>

// -----

// Steps are counted.
func.func @f(%r: tensor<f32>, %t: tensor<2xi64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0, %1 = pfrt.adagrad %r, %t, %x0, %x1, %x2 : (tensor<f32>, tensor<2xi64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adagrad: C1: needs one int64, got tensor<2xi64>

// -----

// Every tensor has what belongs to it.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<2xf32>) {
  %0, %1 = pfrt.adagrad %r, %t, %x0, %x1, %x2, %x3 : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adagrad: C2: 4 tensors are not 3 for each that is optimized

// -----

// Everything new is a result.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0 = pfrt.adagrad %r, %t, %x0, %x1, %x2 : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adagrad: C3: needs 2 results

// -----

// What belongs together is of one shape.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<3xf32>) {
  %0, %1 = pfrt.adagrad %r, %t, %x0, %x1, %x2 : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<3xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adagrad: C4: what belongs to one tensor has other types

// -----

// What is optimized is f32 or f64.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf16>, %x1: tensor<2xf16>, %x2: tensor<2xf16>) {
  %0, %1 = pfrt.adagrad %r, %t, %x0, %x1, %x2 : (tensor<f32>, tensor<i64>, tensor<2xf16>, tensor<2xf16>, tensor<2xf16>) -> (tensor<2xf16>, tensor<2xf16>)
  func.return
}
// CHECK: pfrt.adagrad: C4: tensors are of f32 or f64, got tensor<2xf16>

// -----

// The rate is a number.
func.func @f(%r: tensor<i64>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<2xf32>) {
  %0, %1, %2 = pfrt.adam %r, %t, %x0, %x1, %x2, %x3 : (tensor<i64>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adam: C1: needs one float32 or float64, got tensor<i64>

// -----

// Steps are counted.
func.func @f(%r: tensor<f32>, %t: tensor<2xi64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<2xf32>) {
  %0, %1, %2 = pfrt.adam %r, %t, %x0, %x1, %x2, %x3 : (tensor<f32>, tensor<2xi64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adam: C1: needs one int64, got tensor<2xi64>

// -----

// Every tensor has what belongs to it.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<2xf32>, %x4: tensor<2xf32>) {
  %0, %1, %2 = pfrt.adam %r, %t, %x0, %x1, %x2, %x3, %x4 : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adam: C2: 5 tensors are not 4 for each that is optimized

// -----

// Everything new is a result.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<2xf32>) {
  %0 = pfrt.adam %r, %t, %x0, %x1, %x2, %x3 : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adam: C3: needs 3 results

// -----

// What belongs together is of one shape.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<3xf32>) {
  %0, %1, %2 = pfrt.adam %r, %t, %x0, %x1, %x2, %x3 : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<3xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.adam: C4: what belongs to one tensor has other types

// -----

// What is optimized is f32 or f64.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf16>, %x1: tensor<2xf16>, %x2: tensor<2xf16>, %x3: tensor<2xf16>) {
  %0, %1, %2 = pfrt.adam %r, %t, %x0, %x1, %x2, %x3 : (tensor<f32>, tensor<i64>, tensor<2xf16>, tensor<2xf16>, tensor<2xf16>, tensor<2xf16>) -> (tensor<2xf16>, tensor<2xf16>, tensor<2xf16>)
  func.return
}
// CHECK: pfrt.adam: C4: tensors are of f32 or f64, got tensor<2xf16>

// -----

// The rate is a number.
func.func @f(%r: tensor<i64>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0, %1 = pfrt.momentum %r, %t, %x0, %x1, %x2 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<i64>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.momentum: C1: needs one float32 or float64, got tensor<i64>

// -----

// Steps are counted.
func.func @f(%r: tensor<f32>, %t: tensor<2xi64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0, %1 = pfrt.momentum %r, %t, %x0, %x1, %x2 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<f32>, tensor<2xi64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.momentum: C1: needs one int64, got tensor<2xi64>

// -----

// Every tensor has what belongs to it.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>, %x3: tensor<2xf32>) {
  %0, %1 = pfrt.momentum %r, %t, %x0, %x1, %x2, %x3 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.momentum: C2: 4 tensors are not 3 for each that is optimized

// -----

// Everything new is a result.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0 = pfrt.momentum %r, %t, %x0, %x1, %x2 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>)
  func.return
}
// CHECK: pfrt.momentum: C3: needs 2 results

// -----

// What belongs together is of one shape.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<3xf32>) {
  %0, %1 = pfrt.momentum %r, %t, %x0, %x1, %x2 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<3xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.momentum: C4: what belongs to one tensor has other types

// -----

// What is optimized is f32 or f64.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf16>, %x1: tensor<2xf16>, %x2: tensor<2xf16>) {
  %0, %1 = pfrt.momentum %r, %t, %x0, %x1, %x2 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32} : (tensor<f32>, tensor<i64>, tensor<2xf16>, tensor<2xf16>, tensor<2xf16>) -> (tensor<2xf16>, tensor<2xf16>)
  func.return
}
// CHECK: pfrt.momentum: C4: tensors are of f32 or f64, got tensor<2xf16>

// -----

// A mode is one of two.
func.func @f(%r: tensor<f32>, %t: tensor<i64>, %x0: tensor<2xf32>, %x1: tensor<2xf32>, %x2: tensor<2xf32>) {
  %0, %1 = pfrt.momentum %r, %t, %x0, %x1, %x2 {alpha = 9.000000e-01 : f32, beta = 1.000000e+00 : f32, norm_coefficient = 0.000000e+00 : f32, mode = "fast"} : (tensor<f32>, tensor<i64>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  func.return
}
// CHECK: pfrt.momentum: C5: unknown mode "fast"
