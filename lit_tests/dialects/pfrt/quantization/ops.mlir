// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// One scale for each slice along the second axis; the zero point says the type.
func.func @f(%x: tensor<?x8xf32>, %s: tensor<8xf32>, %z: tensor<8xi8>) -> tensor<?x8xi8> {
  // CHECK: pfrt.quantize_linear %x, %s, %z as "q" : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xi8>) -> tensor<?x8xi8>
  %0 = pfrt.quantize_linear %x, %s, %z as "q" : (tensor<?x8xf32>, tensor<8xf32>, tensor<8xi8>) -> tensor<?x8xi8>
  func.return %0 : tensor<?x8xi8>
}

// -----

// Without a zero point and a type it is ui8; a vector of one scale is for all, whatever the axis.
func.func @f(%x: tensor<i32>, %s: tensor<1xf16>) -> tensor<ui8> {
  // CHECK: pfrt.quantize_linear %x, %s : (tensor<i32>, tensor<1xf16>) -> tensor<ui8>
  %0 = pfrt.quantize_linear %x, %s : (tensor<i32>, tensor<1xf16>) -> tensor<ui8>
  func.return %0 : tensor<ui8>
}

// -----

// The last of two blocks is not full.
func.func @f(%x: tensor<7x?xf16>, %s: tensor<2x?xf8E8M0FNU>) -> tensor<7x?xf8E4M3FN> {
  // CHECK: pfrt.quantize_linear %x, %s {axis = 0 : i64, block_size = 4 : i64, output_dtype = f8E4M3FN, precision = f32, saturate = false} : (tensor<7x?xf16>, tensor<2x?xf8E8M0FNU>) -> tensor<7x?xf8E4M3FN>
  %0 = pfrt.quantize_linear %x, %s {axis = 0 : i64, block_size = 4 : i64, output_dtype = f8E4M3FN, precision = f32, saturate = false} : (tensor<7x?xf16>, tensor<2x?xf8E8M0FNU>) -> tensor<7x?xf8E4M3FN>
  func.return %0 : tensor<7x?xf8E4M3FN>
}

// -----

// Of unknown rank; the scale's type is the result's.
func.func @f(%x: tensor<*xui4>, %s: tensor<?xbf16>, %z: tensor<?xui4>) -> tensor<*xbf16> {
  // CHECK: pfrt.dequantize_linear %x, %s, %z {axis = -1 : i64} : (tensor<*xui4>, tensor<?xbf16>, tensor<?xui4>) -> tensor<*xbf16>
  %0 = pfrt.dequantize_linear %x, %s, %z {axis = -1 : i64} : (tensor<*xui4>, tensor<?xbf16>, tensor<?xui4>) -> tensor<*xbf16>
  func.return %0 : tensor<*xbf16>
}

// -----

// Exponents as scales, with a type of the result of its own.
func.func @f(%x: tensor<4x4xf4E2M1FN>, %s: tensor<4x1xf8E8M0FNU>) -> tensor<4x4xf16> {
  // CHECK: pfrt.dequantize_linear %x, %s {block_size = 32 : i64, output_dtype = f16} : (tensor<4x4xf4E2M1FN>, tensor<4x1xf8E8M0FNU>) -> tensor<4x4xf16>
  %0 = pfrt.dequantize_linear %x, %s {block_size = 32 : i64, output_dtype = f16} : (tensor<4x4xf4E2M1FN>, tensor<4x1xf8E8M0FNU>) -> tensor<4x4xf16>
  func.return %0 : tensor<4x4xf16>
}

// -----

// Three results, each with a name.
func.func @f(%x: tensor<?x8xf32>) -> (tensor<?x8xui8>, tensor<f32>, tensor<ui8>) {
  // CHECK: pfrt.dynamic_quantize_linear %x as "q", "s", "z" : tensor<?x8xf32> -> tensor<?x8xui8>, tensor<f32>, tensor<ui8>
  %0, %1, %2 = pfrt.dynamic_quantize_linear %x as "q", "s", "z" : tensor<?x8xf32> -> tensor<?x8xui8>, tensor<f32>, tensor<ui8>
  func.return %0, %1, %2 : tensor<?x8xui8>, tensor<f32>, tensor<ui8>
}

// -----

// Batches, with a zero point for each row of a and each column of b.
func.func @f(%a: tensor<5x2x3xui8>, %b: tensor<3x4xi8>, %z: tensor<5x2x1xui8>, %w: tensor<4xi8>) -> tensor<5x2x4xi32> {
  // CHECK: pfrt.matmul_integer %a, %b a_zero_point(%z : tensor<5x2x1xui8>) b_zero_point(%w : tensor<4xi8>) : tensor<5x2x3xui8>, tensor<3x4xi8> -> tensor<5x2x4xi32>
  %0 = pfrt.matmul_integer %a, %b a_zero_point(%z : tensor<5x2x1xui8>) b_zero_point(%w : tensor<4xi8>) : tensor<5x2x3xui8>, tensor<3x4xi8> -> tensor<5x2x4xi32>
  func.return %0 : tensor<5x2x4xi32>
}

// -----

// A vector of rows, and two vectors that give a scalar.
func.func @f(%a: tensor<2x3xi8>, %b: tensor<3xi8>, %z: tensor<2xi8>) -> (tensor<2xi32>, tensor<i32>) {
  // CHECK: pfrt.matmul_integer %a, %b a_zero_point(%z : tensor<2xi8>) : tensor<2x3xi8>, tensor<3xi8> -> tensor<2xi32>
  %0 = pfrt.matmul_integer %a, %b a_zero_point(%z : tensor<2xi8>) : tensor<2x3xi8>, tensor<3xi8> -> tensor<2xi32>
  // CHECK: pfrt.matmul_integer %b, %b : tensor<3xi8>, tensor<3xi8> -> tensor<i32>
  %1 = pfrt.matmul_integer %b, %b : tensor<3xi8>, tensor<3xi8> -> tensor<i32>
  func.return %0, %1 : tensor<2xi32>, tensor<i32>
}

// -----

// Floats of 8 bits, scales of f16.
func.func @f(%a: tensor<2x3xf8E4M3FN>, %b: tensor<3x4xf8E5M2>, %z: tensor<f8E4M3FN>, %w: tensor<f8E5M2>, %s: tensor<f16>) -> tensor<2x4xf8E4M3FN> {
  // CHECK: pfrt.qlinear_matmul %a, %s, %z, %b, %s, %w, %s, %z : (tensor<2x3xf8E4M3FN>, tensor<f16>, tensor<f8E4M3FN>, tensor<3x4xf8E5M2>, tensor<f16>, tensor<f8E5M2>, tensor<f16>, tensor<f8E4M3FN>) -> tensor<2x4xf8E4M3FN>
  %0 = pfrt.qlinear_matmul %a, %s, %z, %b, %s, %w, %s, %z : (tensor<2x3xf8E4M3FN>, tensor<f16>, tensor<f8E4M3FN>, tensor<3x4xf8E5M2>, tensor<f16>, tensor<f8E5M2>, tensor<f16>, tensor<f8E4M3FN>) -> tensor<2x4xf8E4M3FN>
  func.return %0 : tensor<2x4xf8E4M3FN>
}

// -----

// Groups, pads, zero points of both.
func.func @f(%x: tensor<?x4x8xui8>, %w: tensor<6x2x3xui8>, %zx: tensor<1xui8>, %zw: tensor<6xui8>) -> tensor<?x6x8xi32> {
  // CHECK: pfrt.conv_integer %x, %w x_zero_point(%zx : tensor<1xui8>) w_zero_point(%zw : tensor<6xui8>) {group = 2 : i64, pads = array<i64: 1, 1>} : tensor<?x4x8xui8>, tensor<6x2x3xui8> -> tensor<?x6x8xi32>
  %0 = pfrt.conv_integer %x, %w x_zero_point(%zx : tensor<1xui8>) w_zero_point(%zw : tensor<6xui8>) {group = 2 : i64, pads = array<i64: 1, 1>} : tensor<?x4x8xui8>, tensor<6x2x3xui8> -> tensor<?x6x8xi32>
  func.return %0 : tensor<?x6x8xi32>
}

// -----

// A scale for each feature; the result has a type of its own.
func.func @f(%x: tensor<1x3x8x8xui8>, %w: tensor<2x3x3x3xi8>, %s: tensor<f32>, %sw: tensor<2xf32>, %zx: tensor<ui8>, %zw: tensor<2xi8>, %zy: tensor<i8>, %b: tensor<2xi32>) -> tensor<1x2x6x6xi8> {
  // CHECK: pfrt.qlinear_conv %x, %s, %zx, %w, %sw, %zw, %s, %zy, %b : (tensor<1x3x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<i8>, tensor<2xi32>) -> tensor<1x2x6x6xi8>
  %0 = pfrt.qlinear_conv %x, %s, %zx, %w, %sw, %zw, %s, %zy, %b : (tensor<1x3x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<i8>, tensor<2xi32>) -> tensor<1x2x6x6xi8>
  func.return %0 : tensor<1x2x6x6xi8>
}

// -----

// Data whose channels come last; weights lie as ever.
func.func @f(%x: tensor<1x8x8x3xui8>, %w: tensor<2x3x3x3xi8>, %s: tensor<f32>, %zx: tensor<ui8>, %zw: tensor<i8>) -> (tensor<1x6x6x2xui8>, tensor<1x6x6x2xi32>) {
  // CHECK: pfrt.qlinear_conv %x, %s, %zx, %w, %s, %zw, %s, %zx {layout = "nhwc"} : (tensor<1x8x8x3xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x6x6x2xui8>
  %0 = pfrt.qlinear_conv %x, %s, %zx, %w, %s, %zw, %s, %zx {layout = "nhwc"} : (tensor<1x8x8x3xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x6x6x2xui8>
  // CHECK: pfrt.conv_integer %x, %w {layout = "nhwc"} : tensor<1x8x8x3xui8>, tensor<2x3x3x3xi8> -> tensor<1x6x6x2xi32>
  %1 = pfrt.conv_integer %x, %w {layout = "nhwc"} : tensor<1x8x8x3xui8>, tensor<2x3x3x3xi8> -> tensor<1x6x6x2xi32>
  func.return %0, %1 : tensor<1x6x6x2xui8>, tensor<1x6x6x2xi32>
}

// -----

// Sums of tensors of one shape, as far as it is known; each has a type of its own.
func.func @f(%a: tensor<?x4xui8>, %b: tensor<2x?xi8>, %s: tensor<f32>, %za: tensor<ui8>, %zb: tensor<i8>) -> tensor<2x4xi8> {
  // CHECK: pfrt.qlinear_add %a, %s, %za, %b, %s, %zb, %s, %zb : (tensor<?x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x?xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>) -> tensor<2x4xi8>
  %0 = pfrt.qlinear_add %a, %s, %za, %b, %s, %zb, %s, %zb : (tensor<?x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x?xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>) -> tensor<2x4xi8>
  func.return %0 : tensor<2x4xi8>
}

// -----

// A convolution and a residual of another type.
func.func @f(%x: tensor<1x8x8x3xui8>, %w: tensor<2x3x3x3xi8>, %r: tensor<1x6x6x2xi8>, %s: tensor<f32>, %z: tensor<ui8>, %zw: tensor<i8>, %b: tensor<2xi32>) -> tensor<1x6x6x2xui8> {
  // CHECK: pfrt.qlinear_conv_add %x, %s, %z, %w, %s, %zw, %s, %zw, %r, %s, %zw, %s, %z, %b {layout = "nhwc"} : (tensor<1x8x8x3xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>, tensor<1x6x6x2xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x6x6x2xui8>
  %0 = pfrt.qlinear_conv_add %x, %s, %z, %w, %s, %zw, %s, %zw, %r, %s, %zw, %s, %z, %b {layout = "nhwc"} : (tensor<1x8x8x3xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>, tensor<1x6x6x2xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x6x6x2xui8>
  func.return %0 : tensor<1x6x6x2xui8>
}
