// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// One number for all predictions.
func.func @mean(%x: tensor<?x5xf16>, %t: tensor<?xi32>, %w: tensor<5xf16>) -> tensor<f16> {
  // CHECK: pfrt.negative_log_likelihood_loss %x, %t, %w as "loss" {ignore_index = -1 : i64} : (tensor<?x5xf16>, tensor<?xi32>, tensor<5xf16>) -> tensor<f16>
  %0 = pfrt.negative_log_likelihood_loss %x, %t, %w as "loss" {ignore_index = -1 : i64} : (tensor<?x5xf16>, tensor<?xi32>, tensor<5xf16>) -> tensor<f16>
  func.return %0 : tensor<f16>
}

// -----

// A number for each of them, its shape told by targets and predictions together.
func.func @none(%x: tensor<2x5x?xf32>, %t: tensor<?x8xi64>) -> tensor<2x8xf32> {
  // CHECK: pfrt.negative_log_likelihood_loss %x, %t {reduction = "none"} : (tensor<2x5x?xf32>, tensor<?x8xi64>) -> tensor<2x8xf32>
  %0 = pfrt.negative_log_likelihood_loss %x, %t {reduction = "none"} : (tensor<2x5x?xf32>, tensor<?x8xi64>) -> tensor<2x8xf32>
  func.return %0 : tensor<2x8xf32>
}

// -----

// A loss that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<2x5xf32>, %t: tensor<2xi64>) {
  %0 = pfrt.negative_log_likelihood_loss %x, %t : (tensor<2x5xf32>, tensor<2xi64>) -> tensor<f32>
  func.return
}
