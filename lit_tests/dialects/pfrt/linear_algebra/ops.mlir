// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// The determinant of one matrix is a scalar.
func.func @det(%x: tensor<3x?xf16>) -> tensor<f16> {
  // CHECK: pfrt.det %x : tensor<3x?xf16> -> tensor<f16>
  %0 = pfrt.det %x : tensor<3x?xf16> -> tensor<f16>
  func.return %0 : tensor<f16>
}

// -----

// A stack of matrices has a stack of them.
func.func @stack(%x: tensor<?x4x3x3xf32>) -> tensor<?x4xf32> {
  // CHECK: pfrt.det %x : tensor<?x4x3x3xf32> -> tensor<?x4xf32>
  %0 = pfrt.det %x : tensor<?x4x3x3xf32> -> tensor<?x4xf32>
  func.return %0 : tensor<?x4xf32>
}

// -----

// A determinant that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<3x3xf32>) {
  %0 = pfrt.det %x : tensor<3x3xf32> -> tensor<f32>
  func.return
}
