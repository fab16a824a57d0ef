// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// f64 is not quantized.
func.func @f(%x: tensor<4xf64>, %s: tensor<f64>) {
  %0 = pfrt.quantize_linear %x, %s : (tensor<4xf64>, tensor<f64>) -> tensor<4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C1: x cannot be f64

// -----

// A scale is a real number.
func.func @f(%x: tensor<4xf32>, %s: tensor<i8>) {
  %0 = pfrt.quantize_linear %x, %s : (tensor<4xf32>, tensor<i8>) -> tensor<4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C1: the scale cannot be i8

// -----

// i32 is not a type to quantize to.
func.func @f(%x: tensor<4xf32>, %s: tensor<f32>, %z: tensor<i32>) {
  %0 = pfrt.quantize_linear %x, %s, %z : (tensor<4xf32>, tensor<f32>, tensor<i32>) -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.quantize_linear: C2: the result cannot be i32

// -----

// Exponents have no mantissa.
func.func @f(%x: tensor<4xf32>, %s: tensor<f32>) {
  %0 = pfrt.quantize_linear %x, %s {output_dtype = f8E8M0FNU} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf8E8M0FNU>
  func.return
}
// CHECK: pfrt.quantize_linear: C2: the result cannot be f8E8M0FNU

// -----

// The zero point says the type.
func.func @f(%x: tensor<4xf32>, %s: tensor<f32>, %z: tensor<i8>) {
  %0 = pfrt.quantize_linear %x, %s, %z {output_dtype = ui8} : (tensor<4xf32>, tensor<f32>, tensor<i8>) -> tensor<4xi8>
  func.return
}
// CHECK: pfrt.quantize_linear: C3: output_dtype is ui8, the zero point's type i8

// -----

// Division is one of floats.
func.func @f(%x: tensor<4xf32>, %s: tensor<f32>) {
  %0 = pfrt.quantize_linear %x, %s {precision = i32} : (tensor<4xf32>, tensor<f32>) -> tensor<4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C4: precision cannot be i32

// -----

// Blocks have elements.
func.func @f(%x: tensor<4xf32>, %s: tensor<f32>) {
  %0 = pfrt.quantize_linear %x, %s {block_size = -1 : i64} : (tensor<4xf32>, tensor<f32>) -> tensor<4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C5: block_size must not be negative, got -1

// -----

// A scale for each slice along the axis.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<3xf32>) {
  %0 = pfrt.quantize_linear %x, %s : (tensor<2x4xf32>, tensor<3xf32>) -> tensor<2x4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C6: the scale must be tensor<4xf32>, got tensor<3xf32>

// -----

// The axis exists.
func.func @f(%x: tensor<4xf32>, %s: tensor<4xf32>) {
  %0 = pfrt.quantize_linear %x, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C6: axis 1 is outside the dimensions of tensor<4xf32>

// -----

// The last block counts too.
func.func @f(%x: tensor<2x5xf32>, %s: tensor<2x2xf32>) {
  %0 = pfrt.quantize_linear %x, %s {block_size = 2 : i64} : (tensor<2x5xf32>, tensor<2x2xf32>) -> tensor<2x5xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C6: the scale must be tensor<2x3xf32>, got tensor<2x2xf32>

// -----

// As many zero points as scales.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<4xf32>, %z: tensor<ui8>) {
  %0 = pfrt.quantize_linear %x, %s, %z : (tensor<2x4xf32>, tensor<4xf32>, tensor<ui8>) -> tensor<2x4xui8>
  func.return
}
// CHECK: pfrt.quantize_linear: C7: the zero point must be tensor<4xui8>, got tensor<ui8>

// -----

// i64 is not a quantized type.
func.func @f(%x: tensor<4xi64>, %s: tensor<f32>) {
  %0 = pfrt.dequantize_linear %x, %s : (tensor<4xi64>, tensor<f32>) -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.dequantize_linear: C1: x cannot be i64

// -----

// A scale is a float.
func.func @f(%x: tensor<4xi8>, %s: tensor<i32>) {
  %0 = pfrt.dequantize_linear %x, %s : (tensor<4xi8>, tensor<i32>) -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.dequantize_linear: C2: the scale cannot be i32

// -----

// An exponent is no result.
func.func @f(%x: tensor<4xi8>, %s: tensor<f8E8M0FNU>) {
  %0 = pfrt.dequantize_linear %x, %s : (tensor<4xi8>, tensor<f8E8M0FNU>) -> tensor<4xf8E8M0FNU>
  func.return
}
// CHECK: pfrt.dequantize_linear: C2: the result cannot be f8E8M0FNU

// -----

// A zero point of another type.
func.func @f(%x: tensor<4xi8>, %s: tensor<f32>, %z: tensor<ui8>) {
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<4xi8>, tensor<f32>, tensor<ui8>) -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.dequantize_linear: C3: a zero point tensor<ui8> for i8

// -----

// Blocks have elements.
func.func @f(%x: tensor<4xi8>, %s: tensor<f32>) {
  %0 = pfrt.dequantize_linear %x, %s {block_size = -1 : i64} : (tensor<4xi8>, tensor<f32>) -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.dequantize_linear: C4: block_size must not be negative, got -1

// -----

// Blocks of scales have x's rank.
func.func @f(%x: tensor<2x4xi8>, %s: tensor<2xf32>) {
  %0 = pfrt.dequantize_linear %x, %s {block_size = 2 : i64} : (tensor<2x4xi8>, tensor<2xf32>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.dequantize_linear: C5: the scale must be tensor<2x2xf32>, got tensor<2xf32>

// -----

// As many zero points as scales.
func.func @f(%x: tensor<2x4xi8>, %s: tensor<2x2xf32>, %z: tensor<4xi8>) {
  %0 = pfrt.dequantize_linear %x, %s, %z {block_size = 2 : i64} : (tensor<2x4xi8>, tensor<2x2xf32>, tensor<4xi8>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.dequantize_linear: C6: the zero point must be tensor<2x2xi8>, got tensor<4xi8>

// -----

// Only f32 is quantized by its range.
func.func @f(%x: tensor<4xf16>) {
  %0, %1, %2 = pfrt.dynamic_quantize_linear %x : tensor<4xf16> -> tensor<4xui8>, tensor<f32>, tensor<ui8>
  func.return
}
// CHECK: pfrt.dynamic_quantize_linear: C1: needs f32, got tensor<4xf16>
