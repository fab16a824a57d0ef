// RUN: pfrt-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// Element types that differ are never equal.
func.func @element(%x: tensor<4xf32>, %y: tensor<4xf64>) {
  check.expect_eq %x, %y : tensor<4xf32>, tensor<4xf64>
  func.return
}
// CHECK: check.expect_eq: C1: tensor<4xf32> and tensor<4xf64> cannot be equal

// -----

// Nor are shapes of different rank.
func.func @rank(%x: tensor<?xf32>, %y: tensor<1x4xf32>) {
  check.expect_close %x, %y : tensor<?xf32>, tensor<1x4xf32>
  func.return
}
// CHECK: check.expect_close: C1: tensor<?xf32> and tensor<1x4xf32> cannot be equal

// -----

// A misspelled tolerance is not ignored.
func.func @property(%x: tensor<4xf32>) {
  check.expect_close %x, %x {epsilon = 1.0 : f32} : tensor<4xf32>
  func.return
}
// CHECK: check.expect_close has no property epsilon
