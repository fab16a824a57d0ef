// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Booleans have no product.
func.func @f(%a: tensor<2x2xi1>) {
  %0 = pfrt.einsum %a {equation = "ij->i"} : (tensor<2x2xi1>) -> tensor<2xi1>
  func.return
}
// CHECK: pfrt.einsum: C1: needs numbers, not booleans

// -----

// One element type.
func.func @f(%a: tensor<2xf32>, %b: tensor<2xf16>) {
  %0 = pfrt.einsum %a, %b {equation = "i,i->i"} : (tensor<2xf32>, tensor<2xf16>) -> tensor<2xf32>
  func.return
}
// CHECK: pfrt.einsum: C1: needs one element type, got f32, f16

// -----

// Subscripts are letters.
func.func @f(%a: tensor<2x2xf32>) {
  %0 = pfrt.einsum %a {equation = "i1->i"} : (tensor<2x2xf32>) -> tensor<2xf32>
  func.return
}
// CHECK: pfrt.einsum: C2: "i1" of the equation "i1->i" is not letters and one "..."

// -----

// The result names what there is.
func.func @f(%a: tensor<2xf32>) {
  %0 = pfrt.einsum %a {equation = "i->j"} : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}
// CHECK: pfrt.einsum: C2: "j" of the result is in no operand of "i->j"

// -----

// The result names it once.
func.func @f(%a: tensor<2xf32>) {
  %0 = pfrt.einsum %a {equation = "i->ii"} : (tensor<2xf32>) -> tensor<2x2xf32>
  func.return
}
// CHECK: pfrt.einsum: C2: "i" occurs twice in the result of "i->ii"

// -----

// A term for each operand.
func.func @f(%a: tensor<2xf32>) {
  %0 = pfrt.einsum %a {equation = "i,i->i"} : (tensor<2xf32>) -> tensor<2xf32>
  func.return
}
// CHECK: pfrt.einsum: C2: 2 terms for 1 operands

// -----

// A letter for each dimension.
func.func @f(%a: tensor<2xf32>) {
  %0 = pfrt.einsum %a {equation = "ij->ij"} : (tensor<2xf32>) -> tensor<2x2xf32>
  func.return
}
// CHECK: pfrt.einsum: C3: subscripts "ij" for 1 dimensions

// -----

// Dimensions of one name are equal.
func.func @f(%a: tensor<2x3xf32>, %b: tensor<2x2xf32>) {
  %0 = pfrt.einsum %a, %b {equation = "ij,jk->ik"} : (tensor<2x3xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return
}
// CHECK: pfrt.einsum: C3: dimensions [2, 3] of "j" differ
