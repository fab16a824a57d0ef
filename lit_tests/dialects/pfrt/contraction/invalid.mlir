// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Operands have one element type.
func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x2xf64>) {
  %y = pfrt.matmul %a, %b : tensor<2x3xf32>, tensor<3x2xf64> -> tensor<2x2xf32>
  func.return
}
// CHECK: pfrt.matmul: C1: needs one element type, got f32, f64

// -----

// A scalar has nothing to contract.
func.func @f(%a: tensor<f32>, %b: tensor<3xf32>) {
  %y = pfrt.matmul %a, %b : tensor<f32>, tensor<3xf32> -> tensor<f32>
  func.return
}
// CHECK: pfrt.matmul: C2: needs at least 1 dimensions, got tensor<f32>

// -----

// Contracted dimensions are equal.
func.func @f(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) {
  %y = pfrt.matmul %a, %b : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}
// CHECK: pfrt.matmul: C3: contracts 3 with 2 elements

// -----

// Batches broadcast.
func.func @f(%a: tensor<2x3x4xf32>, %b: tensor<5x4x3xf32>) {
  %y = pfrt.matmul %a, %b : tensor<2x3x4xf32>, tensor<5x4x3xf32> -> tensor<2x3x3xf32>
  func.return
}
// CHECK: pfrt.matmul: dimensions [2, 5] do not broadcast

// -----

// The addend has the element type of the matrices.
func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>, %c: tensor<2xf16>) {
  %y = pfrt.gemm %a, %b, %c : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<2xf16>) -> tensor<2x2xf32>
  func.return
}
// CHECK: pfrt.gemm: C1: needs one element type, got f32, f32, f16

// -----

// Gemm has no batches.
func.func @f(%a: tensor<1x2x3xf32>, %b: tensor<3x2xf32>) {
  %y = pfrt.gemm %a, %b : (tensor<1x2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  func.return
}
// CHECK: pfrt.gemm: C2: needs matrices, got tensor<1x2x3xf32>

// -----

// Transposition counts.
func.func @f(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>) {
  %y = pfrt.gemm %a, %b {trans_b = true} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x3xf32>
  func.return
}
// CHECK: pfrt.gemm: C3: contracts 3 with 2 elements

// -----

// The addend broadcasts to the product, not the other way.
func.func @f(%a: tensor<1x3xf32>, %b: tensor<3x2xf32>, %c: tensor<4x2xf32>) {
  %y = pfrt.gemm %a, %b, %c : (tensor<1x3xf32>, tensor<3x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32>
  func.return
}
// CHECK: pfrt.gemm: C4: an addend tensor<4x2xf32> does not broadcast to the product

// -----

// A bias has an element for each column.
%a, %b, %c = "test.op"() : () -> (tensor<2x4xf32>, tensor<4x8xf32>, tensor<4xf32>)
%y = pfrt.matmul %a, %b bias %c : tensor<2x4xf32>, tensor<4x8xf32> bias tensor<4xf32> -> tensor<2x8xf32>
// CHECK: pfrt.matmul: C4: the bias must be tensor<8xf32>, got tensor<4xf32>

// -----

// A residual has the result's shape.
%a, %b, %c = "test.op"() : () -> (tensor<2x4xf32>, tensor<4x8xf32>, tensor<8xf32>)
%y = pfrt.matmul %a, %b plus %c : tensor<2x4xf32>, tensor<4x8xf32> plus tensor<8xf32> -> tensor<2x8xf32>
// CHECK: pfrt.matmul: C5: the residual is a tensor<8xf32>, the result a tensor<2x8xf32>

// -----

// An activation is elementwise.
%a, %b = "test.op"() : () -> (tensor<2x4xf32>, tensor<4x8xf32>)
%y = pfrt.matmul %a, %b {activation = #pfrt.activation<"softmax">} : tensor<2x4xf32>, tensor<4x8xf32> -> tensor<2x8xf32>
// CHECK: pfrt.matmul: C6: the activation: "softmax" is no elementwise op

// -----

// A residual of a gemm has the result's shape.
%a, %b, %c = "test.op"() : () -> (tensor<2x4xf32>, tensor<4x8xf32>, tensor<8xf32>)
%y = pfrt.gemm %a, %b plus %c : (tensor<2x4xf32>, tensor<4x8xf32>) plus tensor<8xf32> -> tensor<2x8xf32>
// CHECK: pfrt.gemm: C5: the residual is a tensor<8xf32>, the result a tensor<2x8xf32>

// -----

// An activation takes one operand.
%a, %b = "test.op"() : () -> (tensor<2x4xf32>, tensor<4x8xf32>)
%y = pfrt.gemm %a, %b {activation = #pfrt.activation<"add">} : (tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
// CHECK: pfrt.gemm: C6: the activation: pfrt.add takes more than one operand
