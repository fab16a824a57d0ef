// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Matrices are of floats.
func.func @f(%x: tensor<3x3xi32>) {
  %0 = pfrt.det %x : tensor<3x3xi32> -> tensor<i32>
  func.return
}
// CHECK: pfrt.det: C1: needs floats, got tensor<3x3xi32>

// -----

// A vector has no determinant.
func.func @f(%x: tensor<3xf32>) {
  %0 = pfrt.det %x : tensor<3xf32> -> tensor<f32>
  func.return
}
// CHECK: pfrt.det: C2: needs at least 2 dimensions, got tensor<3xf32>

// -----

// Only square matrices have one.
func.func @f(%x: tensor<2x3x4xf32>) {
  %0 = pfrt.det %x : tensor<2x3x4xf32> -> tensor<2xf32>
  func.return
}
// CHECK: pfrt.det: C3: needs square matrices, got tensor<2x3x4xf32>
