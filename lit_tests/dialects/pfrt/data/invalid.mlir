// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// The type of a constant is that of its value.
// CHECK: pfrt.constant: C1: declared tensor<3xi8>, but the value is a tensor<2xi8>
func.func @f() {
  %r = "pfrt.constant"() <{value = dense<1> : tensor<2xi8>}> : () -> tensor<3xi8>
  func.return
}

// -----

// The shape of a constant is known.
// CHECK: pfrt.constant: C1: the type tensor<?xf32> is not static
func.func @f() {
  %r = pfrt.constant #pfrt.weight<"8c0d2b"> : tensor<?xf32>
  func.return
}

// -----

// constant_of_shape without a shape.
// CHECK: pfrt.constant_of_shape: C1: needs shape
func.func @f() {
  %r = pfrt.constant_of_shape : () -> tensor<2xf32>
  func.return
}

// -----

// A shape is a vector.
// CHECK: pfrt.constant_of_shape: C1: shape must be a vector
func.func @f(%s: tensor<i64>) {
  %r = pfrt.constant_of_shape %s : (tensor<i64>) -> tensor<?xf32>
  func.return
}

// -----

// A negative size.
// CHECK: pfrt.constant_of_shape: C2: shape [-1] has a negative size
func.func @f() {
  %r = pfrt.constant_of_shape {shape = array<i64: -1>} : () -> tensor<?xf32>
  func.return
}

// -----

// One value fills the tensor.
// CHECK: pfrt.constant_of_shape: C3: value must have one element
func.func @f() {
  %r = pfrt.constant_of_shape {shape = array<i64: 2>, value = dense<[1, 2]> : tensor<2xi64>} : () -> tensor<2xi64>
  func.return
}

// -----

// cast to what is not an element type.
// CHECK: pfrt.cast: C1: cannot cast to index
func.func @f(%x: tensor<2xf32>) {
  %r = pfrt.cast %x {to = index} : tensor<2xf32> -> tensor<2xf32>
  func.return
}

// -----

// Complex numbers do not cast.
// CHECK: pfrt.cast: C1: cannot cast tensor<2xcomplex<f32>>
func.func @f(%x: tensor<2xcomplex<f32>>) {
  %r = pfrt.cast %x {to = f32} : tensor<2xcomplex<f32>> -> tensor<2xf32>
  func.return
}

// -----

// A rounding that is not there.
// CHECK: pfrt.cast: C2: unknown round_mode "odd"
func.func @f(%x: tensor<2xf32>) {
  %r = pfrt.cast %x {to = f8E8M0FNU, round_mode = "odd"} : tensor<2xf32> -> tensor<2xf8E8M0FNU>
  func.return
}

// -----

// The operands of range have one type.
// CHECK: pfrt.range: C1: needs scalars of one numeric type, got tensor<i32>
func.func @f(%a: tensor<i64>, %b: tensor<i32>) {
  %r = pfrt.range %a, %b, %a : (tensor<i64>, tensor<i32>, tensor<i64>) -> tensor<?xi64>
  func.return
}

// -----

// f16 is computed in f32.
// CHECK: pfrt.range: C2: stash_type must be 1
func.func @f(%a: tensor<f16>) {
  %r = pfrt.range %a, %a, %a {stash_type = 10 : i64} : (tensor<f16>, tensor<f16>, tensor<f16>) -> tensor<?xf16>
  func.return
}

// -----

// A range that never ends.
// CHECK: pfrt.range: C3: the delta of a range is zero
func.func @f(%a: tensor<i64>) {
  %d = pfrt.constant dense<0> : tensor<i64>
  %r = pfrt.range %d, %d, %d : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  func.return
}

// -----

// Texts have no bits.
// CHECK: pfrt.bit_cast: C1: cannot read tensor<4x!pfrt.string> as i64
func.func @f(%x: tensor<4x!pfrt.string>) {
  %0 = pfrt.bit_cast %x {to = i64} : tensor<4x!pfrt.string> -> tensor<4xi64>
  func.return
}

// -----

// What is read as another type is as wide.
// CHECK: pfrt.bit_cast: C2: 32 bits cannot be read as f16
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.bit_cast %x {to = f16} : tensor<4xf32> -> tensor<4xf16>
  func.return
}
