// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Normal draws are floats.
func.func @f() {
  %0 = pfrt.random_normal {shape = array<i64: 2>, dtype = i32} : tensor<2xi32>
  func.return
}
// CHECK: pfrt.random_normal: C1: there are no draws of i32

// -----

// A size is not negative.
func.func @f() {
  %0 = pfrt.random_normal {shape = array<i64: 2, -1>} : tensor<?x?xf32>
  func.return
}
// CHECK: pfrt.random_normal: C2: shape [2, -1] has a negative size

// -----

// Uniform draws are floats.
func.func @f() {
  %0 = pfrt.random_uniform {shape = array<i64: 2>, dtype = i1} : tensor<2xi1>
  func.return
}
// CHECK: pfrt.random_uniform: C1: there are no draws of i1

// -----

// A size is not negative.
func.func @f() {
  %0 = pfrt.random_uniform {shape = array<i64: -2>} : tensor<?xf32>
  func.return
}
// CHECK: pfrt.random_uniform: C2: shape [-2] has a negative size

// -----

// What has no type of its own needs an operand of floats.
func.func @f(%x: tensor<2xi64>) {
  %0 = pfrt.random_normal_like %x : tensor<2xi64> -> tensor<2xi64>
  func.return
}
// CHECK: pfrt.random_normal_like: C1: there are no draws of i64

// -----

// The same of uniform draws.
func.func @f(%x: tensor<2xi64>) {
  %0 = pfrt.random_uniform_like %x : tensor<2xi64> -> tensor<2xi64>
  func.return
}
// CHECK: pfrt.random_uniform_like: C1: there are no draws of i64

// -----

// One and zero are numbers or booleans.
func.func @f(%x: tensor<2xf32>) {
  %0 = pfrt.bernoulli %x {dtype = complex<f32>} : tensor<2xf32> -> tensor<2xcomplex<f32>>
  func.return
}
// CHECK: pfrt.bernoulli: C1: there are no draws of complex<f32>

// -----

// Probabilities are floats.
func.func @f(%x: tensor<2xi32>) {
  %0 = pfrt.bernoulli %x : tensor<2xi32> -> tensor<2xi32>
  func.return
}
// CHECK: pfrt.bernoulli: C2: needs floats, got tensor<2xi32>

// -----

// A class is an index.
func.func @f(%x: tensor<2x3xf32>) {
  %0 = pfrt.multinomial %x {dtype = f32} : tensor<2x3xf32> -> tensor<2x1xf32>
  func.return
}
// CHECK: pfrt.multinomial: C1: there are no draws of f32

// -----

// There is a row for each draw.
func.func @f(%x: tensor<3xf32>) {
  %0 = pfrt.multinomial %x : tensor<3xf32> -> tensor<1xi32>
  func.return
}
// CHECK: pfrt.multinomial: C2: x must be tensor<?x?xf32>, got tensor<3xf32>

// -----

// No fewer draws than none.
func.func @f(%x: tensor<2x3xf32>) {
  %0 = pfrt.multinomial %x {sample_size = -1 : i64} : tensor<2x3xf32> -> tensor<2x?xi32>
  func.return
}
// CHECK: pfrt.multinomial: C3: sample_size must not be negative, got -1

// -----

// What is dropped out of is floats.
func.func @f(%x: tensor<3xi32>, %r: tensor<f32>, %t: tensor<i1>) {
  %0, %1 = pfrt.dropout %x, %r, %t : (tensor<3xi32>, tensor<f32>, tensor<i1>) -> (tensor<3xi32>, tensor<3xi1>)
  func.return
}
// CHECK: pfrt.dropout: C1: needs floats, got tensor<3xi32>

// -----

// There is one ratio.
func.func @f(%x: tensor<3xf32>, %r: tensor<3xf32>, %t: tensor<i1>) {
  %0, %1 = pfrt.dropout %x, %r, %t : (tensor<3xf32>, tensor<3xf32>, tensor<i1>) -> (tensor<3xf32>, tensor<3xi1>)
  func.return
}
// CHECK: pfrt.dropout: C2: needs one element, got tensor<3xf32>

// -----

// It is training or not.
func.func @f(%x: tensor<3xf32>, %r: tensor<f32>, %t: tensor<i64>) {
  %0, %1 = pfrt.dropout %x, %r, %t : (tensor<3xf32>, tensor<f32>, tensor<i64>) -> (tensor<3xf32>, tensor<3xi1>)
  func.return
}
// CHECK: pfrt.dropout: C2: training is an i1, got tensor<i64>
