// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Log-probabilities are floats.
func.func @f(%x: tensor<2x5xi32>, %t: tensor<2xi64>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t : (tensor<2x5xi32>, tensor<2xi64>) -> tensor<i32>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C1: needs floats, got tensor<2x5xi32>

// -----

// Weights have their type.
func.func @f(%x: tensor<2x5xf16>, %t: tensor<2xi64>, %w: tensor<5xf32>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t, %w : (tensor<2x5xf16>, tensor<2xi64>, tensor<5xf32>) -> tensor<f16>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C1: needs one element type, got f16, f32

// -----

// There are classes.
func.func @f(%x: tensor<5xf32>, %t: tensor<i64>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t : (tensor<5xf32>, tensor<i64>) -> tensor<f32>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C2: needs at least 2 dimensions, got tensor<5xf32>

// -----

// A class is an index.
func.func @f(%x: tensor<2x5xf32>, %t: tensor<2xi8>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t : (tensor<2x5xf32>, tensor<2xi8>) -> tensor<f32>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C3: target must be i32 or i64, got tensor<2xi8>

// -----

// Every prediction has a target.
func.func @f(%x: tensor<2x5x8xf32>, %t: tensor<2xi64>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t : (tensor<2x5x8xf32>, tensor<2xi64>) -> tensor<f32>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C3: target must be tensor<2x8xi64>, got tensor<2xi64>

// -----

// Every class has a weight.
func.func @f(%x: tensor<2x5xf32>, %t: tensor<2xi64>, %w: tensor<4xf32>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t, %w : (tensor<2x5xf32>, tensor<2xi64>, tensor<4xf32>) -> tensor<f32>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C4: weight must be tensor<5xf32>, got tensor<4xf32>

// -----

// A reduction is one of three.
func.func @f(%x: tensor<2x5xf32>, %t: tensor<2xi64>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t {reduction = "max"} : (tensor<2x5xf32>, tensor<2xi64>) -> tensor<f32>
  func.return
}
// CHECK: pfrt.negative_log_likelihood_loss: C5: unknown reduction "max"
