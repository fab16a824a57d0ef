// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// Batches broadcast, also unknown ones.
func.func @matmul(%a: tensor<?x4x16xf32>, %b: tensor<16x32xf32>) -> tensor<?x4x32xf32> {
  // CHECK: pfrt.matmul %a, %b : tensor<?x4x16xf32>, tensor<16x32xf32> -> tensor<?x4x32xf32>
  %y = pfrt.matmul %a, %b : tensor<?x4x16xf32>, tensor<16x32xf32> -> tensor<?x4x32xf32>
  func.return %y : tensor<?x4x32xf32>
}

// -----

// Two vectors give a scalar.
func.func @matmul(%a: tensor<16xi32>, %b: tensor<16xi32>) -> tensor<i32> {
  // CHECK: pfrt.matmul %a, %b : tensor<16xi32>, tensor<16xi32> -> tensor<i32>
  %y = pfrt.matmul %a, %b : tensor<16xi32>, tensor<16xi32> -> tensor<i32>
  func.return %y : tensor<i32>
}

// -----

// With an addend and a transposed matrix, and a name.
func.func @gemm(%a: tensor<?x16xf32>, %b: tensor<8x16xf32>, %c: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: pfrt.gemm %a, %b, %c as "fc" {trans_b = true} : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %y = pfrt.gemm %a, %b, %c as "fc" {trans_b = true} : (tensor<?x16xf32>, tensor<8x16xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// -----

// Without an addend, scaled.
func.func @gemm(%a: tensor<16x4xf64>, %b: tensor<16x8xf64>) -> tensor<4x8xf64> {
  // CHECK: pfrt.gemm %a, %b {alpha = 5.000000e-01 : f32, trans_a = true} : (tensor<16x4xf64>, tensor<16x8xf64>) -> tensor<4x8xf64>
  %y = pfrt.gemm %a, %b {alpha = 5.000000e-01 : f32, trans_a = true} : (tensor<16x4xf64>, tensor<16x8xf64>) -> tensor<4x8xf64>
  func.return %y : tensor<4x8xf64>
}

// -----

// An op that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%a: tensor<4x4xf32>) {
  %y = pfrt.matmul %a, %a : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  func.return
}

// -----

// A product with all that may follow it: bias, residual, activation.
func.func @epilogue(%a: tensor<?x4xf32>, %b: tensor<4x8xf32>, %c: tensor<8xf32>, %r: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = pfrt.matmul %a, %b bias %c plus %r as "y" {activation = #pfrt.activation<"relu">} : tensor<?x4xf32>, tensor<4x8xf32> bias tensor<8xf32> plus tensor<?x8xf32> -> tensor<?x8xf32>
  %z = pfrt.gemm %a, %b plus %r {activation = #pfrt.activation<"leaky_relu", {alpha = 5.000000e-01 : f32}>} : (tensor<?x4xf32>, tensor<4x8xf32>) plus tensor<?x8xf32> -> tensor<?x8xf32>
  func.return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
// CHECK-LABEL: @epilogue
// CHECK-NEXT: pfrt.matmul %a, %b bias %c plus %r as "y" {activation = #pfrt.activation<"relu">} :
// CHECK-NEXT: pfrt.gemm %a, %b plus %r {activation = #pfrt.activation<"leaky_relu", {alpha = 5.000000e-01 : f32}>} :
