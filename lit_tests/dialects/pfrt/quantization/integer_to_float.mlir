// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Without zero points, of vectors of rows.
func.func @f(%a: tensor<?x3xi8>, %b: tensor<3x2xi8>, %s: tensor<f32>) -> tensor<?x2xf32> {
  // CHECK: pfrt.matmul_integer_to_float %a, %b, %s, %s : (tensor<?x3xi8>, tensor<3x2xi8>, tensor<f32>, tensor<f32>) -> tensor<?x2xf32>
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %s : (tensor<?x3xi8>, tensor<3x2xi8>, tensor<f32>, tensor<f32>) -> tensor<?x2xf32>
  func.return %0 : tensor<?x2xf32>
}

// -----

// All that may follow the sums.
func.func @f(%a: tensor<4x3xui8>, %b: tensor<3x2xi8>, %s: tensor<1xf32>, %t: tensor<2xf32>, %z: tensor<ui8>, %w: tensor<2xi8>, %c: tensor<2xf32>, %r: tensor<4x2xf32>) -> tensor<4x2xf32> {
  // CHECK: pfrt.matmul_integer_to_float %a, %b, %s, %t a_zero_point(%z : tensor<ui8>) b_zero_point(%w : tensor<2xi8>) bias(%c : tensor<2xf32>) plus(%r : tensor<4x2xf32>) {activation = #pfrt.activation<"relu">} : (tensor<4x3xui8>, tensor<3x2xi8>, tensor<1xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %t a_zero_point(%z : tensor<ui8>) b_zero_point(%w : tensor<2xi8>) bias(%c : tensor<2xf32>) plus(%r : tensor<4x2xf32>) {activation = #pfrt.activation<"relu">} : (tensor<4x3xui8>, tensor<3x2xi8>, tensor<1xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  func.return %0 : tensor<4x2xf32>
}

// -----

// Reals are no matrices of integers.
func.func @f(%a: tensor<4x3xf32>, %b: tensor<3x2xi8>, %s: tensor<f32>) {
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %s : (tensor<4x3xf32>, tensor<3x2xi8>, tensor<f32>, tensor<f32>) -> tensor<4x2xf32>
  func.return
}
// CHECK: pfrt.matmul_integer_to_float: C1: needs int8 or uint8, got tensor<4x3xf32>

// -----

// What vectors are multiplied with has no columns.
func.func @f(%a: tensor<4x3xi8>, %b: tensor<3xi8>, %s: tensor<f32>) {
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %s : (tensor<4x3xi8>, tensor<3xi8>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.matmul_integer_to_float: C2: needs at least 2 dimensions, got tensor<3xi8>

// -----

// Rows of a have no scales of their own.
func.func @f(%a: tensor<4x3xi8>, %b: tensor<3x2xi8>, %s: tensor<4xf32>, %t: tensor<f32>) {
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %t : (tensor<4x3xi8>, tensor<3x2xi8>, tensor<4xf32>, tensor<f32>) -> tensor<4x2xf32>
  func.return
}
// CHECK: pfrt.matmul_integer_to_float: C3: needs one element, got tensor<4xf32>

// -----

// A bias has an element for each column.
func.func @f(%a: tensor<4x3xi8>, %b: tensor<3x2xi8>, %s: tensor<f32>, %c: tensor<3xf32>) {
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %s bias(%c : tensor<3xf32>) : (tensor<4x3xi8>, tensor<3x2xi8>, tensor<f32>, tensor<f32>) -> tensor<4x2xf32>
  func.return
}
// CHECK: pfrt.matmul_integer_to_float: C4

// -----

// A residual has the result's shape.
func.func @f(%a: tensor<4x3xi8>, %b: tensor<3x2xi8>, %s: tensor<f32>, %r: tensor<1x2xf32>) {
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %s plus(%r : tensor<1x2xf32>) : (tensor<4x3xi8>, tensor<3x2xi8>, tensor<f32>, tensor<f32>) -> tensor<4x2xf32>
  func.return
}
// CHECK: pfrt.matmul_integer_to_float: C5

// -----

// An activation has one operand.
func.func @f(%a: tensor<4x3xi8>, %b: tensor<3x2xi8>, %s: tensor<f32>) {
  %0 = pfrt.matmul_integer_to_float %a, %b, %s, %s {activation = #pfrt.activation<"add">} : (tensor<4x3xi8>, tensor<3x2xi8>, tensor<f32>, tensor<f32>) -> tensor<4x2xf32>
  func.return
}
// CHECK: pfrt.matmul_integer_to_float: C6
