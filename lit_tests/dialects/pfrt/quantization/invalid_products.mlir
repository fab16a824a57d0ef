// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// 16-bit integers are not multiplied.
func.func @f(%a: tensor<2x3xi16>, %b: tensor<3x2xi8>) {
  %0 = pfrt.matmul_integer %a, %b : tensor<2x3xi16>, tensor<3x2xi8> -> tensor<2x2xi32>
  func.return
}
// CHECK: pfrt.matmul_integer: C1: needs int8 or uint8, got tensor<2x3xi16>

// -----

// A zero point has its matrix's type.
func.func @f(%a: tensor<2x3xi8>, %b: tensor<3x2xi8>, %z: tensor<ui8>) {
  %0 = pfrt.matmul_integer %a, %b a_zero_point(%z : tensor<ui8>) : tensor<2x3xi8>, tensor<3x2xi8> -> tensor<2x2xi32>
  func.return
}
// CHECK: pfrt.matmul_integer: C1: needs one element type, got i8, ui8

// -----

// A scalar has nothing to contract.
func.func @f(%a: tensor<i8>, %b: tensor<3xi8>) {
  %0 = pfrt.matmul_integer %a, %b : tensor<i8>, tensor<3xi8> -> tensor<i32>
  func.return
}
// CHECK: pfrt.matmul_integer: C2: needs at least 1 dimensions, got tensor<i8>

// -----

// Contracted dimensions are equal.
func.func @f(%a: tensor<2x3xi8>, %b: tensor<2x2xi8>) {
  %0 = pfrt.matmul_integer %a, %b : tensor<2x3xi8>, tensor<2x2xi8> -> tensor<2x2xi32>
  func.return
}
// CHECK: pfrt.matmul_integer: C2: contracts 3 with 2 elements

// -----

// Zero points are for rows of a.
func.func @f(%a: tensor<2x3xi8>, %b: tensor<3x2xi8>, %z: tensor<3xi8>) {
  %0 = pfrt.matmul_integer %a, %b a_zero_point(%z : tensor<3xi8>) : tensor<2x3xi8>, tensor<3x2xi8> -> tensor<2x2xi32>
  func.return
}
// CHECK: pfrt.matmul_integer: C3: tensor<3xi8> does not fit the matrix

// -----

// Zero points are for columns of b, not for its rows.
func.func @f(%a: tensor<2x3xi8>, %b: tensor<3x2xi8>, %w: tensor<3x1xi8>) {
  %0 = pfrt.matmul_integer %a, %b b_zero_point(%w : tensor<3x1xi8>) : tensor<2x3xi8>, tensor<3x2xi8> -> tensor<2x2xi32>
  func.return
}
// CHECK: pfrt.matmul_integer: C3: tensor<3x1xi8> does not fit the matrix

// -----

// Batch, channels and an axis at least.
func.func @f(%x: tensor<1x2xui8>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w : tensor<1x2xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C1: needs at least 3 dimensions, got

// -----

// A window over as many axes as there are.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3x3xi8>) {
  %0 = pfrt.conv_integer %x, %w : tensor<1x2x4xui8>, tensor<2x2x3x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C2: a window of 2 axes does not slide over

// -----

// Strides of at least one.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w {strides = array<i64: 0>} : tensor<1x2x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C3: strides must be at least 1, got [0]

// -----

// Padding by name.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w {auto_pad = "FULL"} : tensor<1x2x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C4: auto_pad is one of

// -----

// The window fits.
func.func @f(%x: tensor<1x2x2xui8>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w : tensor<1x2x2xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C5: a window of 3 elements does not fit into 2

// -----

// Groups divide the features.
func.func @f(%x: tensor<1x6x4xui8>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w {group = 3 : i64} : tensor<1x6x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C6: 3 groups do not divide 2 features

// -----

// Groups of as many channels as x has.
func.func @f(%x: tensor<1x3x4xui8>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w : tensor<1x3x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C6: 1 groups of 2 channels, got

// -----

// Integers of 8 bits.
func.func @f(%x: tensor<1x2x4xf32>, %w: tensor<2x2x3xi8>) {
  %0 = pfrt.conv_integer %x, %w : tensor<1x2x4xf32>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C7: needs int8 or uint8, got tensor<1x2x4xf32>

// -----

// A zero point of x's type.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %z: tensor<i8>) {
  %0 = pfrt.conv_integer %x, %w x_zero_point(%z : tensor<i8>) : tensor<1x2x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C7: needs one element type, got ui8, i8

// -----

// One zero point of x.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %z: tensor<2xui8>) {
  %0 = pfrt.conv_integer %x, %w x_zero_point(%z : tensor<2xui8>) : tensor<1x2x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C8: needs one element, got tensor<2xui8>

// -----

// A zero point for each feature.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %v: tensor<3xi8>) {
  %0 = pfrt.conv_integer %x, %w w_zero_point(%v : tensor<3xi8>) : tensor<1x2x4xui8>, tensor<2x2x3xi8> -> tensor<1x2x2xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C8: what goes with w must be tensor<2xi8>, got tensor<3xi8>

// -----

// Floats of 16 bits are not quantized.
func.func @f(%a: tensor<2x3xf16>, %sa: tensor<f32>, %za: tensor<f16>, %b: tensor<3x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xf16>, tensor<f32>, tensor<f16>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C1: needs int8 or uint8 or float8_e4m3fn or float8_e4m3fnuz or float8_e5m2 or float8_e5m2fnuz, got tensor<2x3xf16>

// -----

// A zero point has its matrix's type.
func.func @f(%a: tensor<2x3xui8>, %sa: tensor<f32>, %za: tensor<ui8>, %b: tensor<3x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xui8>, %sy: tensor<f32>, %zy: tensor<ui8>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C1: needs one element type, got i8, ui8

// -----

// Contracted dimensions are equal.
func.func @f(%a: tensor<2x3xui8>, %sa: tensor<f32>, %za: tensor<ui8>, %b: tensor<4x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<4x2xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C2: contracts 3 with 4 elements

// -----

// A scale for each row, not for each column of a.
func.func @f(%a: tensor<2x3xui8>, %sa: tensor<3xf32>, %za: tensor<ui8>, %b: tensor<3x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xui8>, tensor<3xf32>, tensor<ui8>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C3: tensor<3xf32> does not fit the matrix

// -----

// Scales are floats.
func.func @f(%a: tensor<2x3xui8>, %sa: tensor<f32>, %za: tensor<ui8>, %b: tensor<3x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xi8>, %sy: tensor<f64>, %zy: tensor<ui8>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f64>, tensor<ui8>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C4: needs bfloat16 or float16 or float32, got tensor<f64>

// -----

// The result is quantized.
func.func @f(%a: tensor<2x3xui8>, %sa: tensor<f32>, %za: tensor<ui8>, %b: tensor<3x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<i32>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<i32>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C4: needs int8 or uint8 or float8_e4m3fn or float8_e4m3fnuz or float8_e5m2 or float8_e5m2fnuz, got tensor<i32>

// -----

// The result has one scale.
func.func @f(%a: tensor<2x3xui8>, %sa: tensor<f32>, %za: tensor<ui8>, %b: tensor<3x2xi8>, %sb: tensor<2xf32>, %zb: tensor<2xi8>, %sy: tensor<2xf32>, %zy: tensor<ui8>) {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xi8>, tensor<2xf32>, tensor<2xi8>, tensor<2xf32>, tensor<ui8>) -> tensor<2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_matmul: C5: needs one element, got tensor<2xf32>

// -----

// Batch, channels and an axis at least.
func.func @f(%x: tensor<1x2xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C1: needs at least 3 dimensions, got

// -----

// A window over as many axes as there are.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C2: a window of 2 axes does not slide over

// -----

// Strides of at least one.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b {strides = array<i64: 0>} : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C3: strides must be at least 1, got [0]

// -----

// Padding by name.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b {auto_pad = "FULL"} : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C4: auto_pad is one of

// -----

// The window fits.
func.func @f(%x: tensor<1x2x2xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x2xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C5: a window of 3 elements does not fit into 2

// -----

// Groups divide the features.
func.func @f(%x: tensor<1x6x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b {group = 3 : i64} : (tensor<1x6x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C6: 3 groups do not divide 2 features

// -----

// Groups of as many channels as x has.
func.func @f(%x: tensor<1x3x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x3x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C6: 1 groups of 2 channels, got

// -----

// Scales of f32.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf16>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf16>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C7: needs float32, got tensor<2xf16>

// -----

// A bias of i32.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xf32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xf32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C7: needs int32, got tensor<2xf32>

// -----

// A zero point of w's type.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xui8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xui8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C7: needs one element type, got i8, ui8

// -----

// One scale of x.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<2xf32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<2xf32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C8: needs one element, got tensor<2xf32>

// -----

// A scale for each feature.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<3xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<3xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C8: what goes with w must be tensor<2xf32>, got tensor<3xf32>

// -----

// A bias for each feature.
func.func @f(%x: tensor<1x2x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<2x2x3xi8>, %sw: tensor<2xf32>, %zw: tensor<2xi8>, %sy: tensor<f32>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv %x, %sx, %zx, %w, %sw, %zw, %sy, %zy, %b : (tensor<1x2x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<2xi8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x2x2xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C9: the bias must be tensor<2xi32>, got tensor<3xi32>

// -----

func.func @qlinear_matmul_c6(%a: tensor<2x3xui8>, %sa: tensor<f32>, %za: tensor<ui8>, %b: tensor<3x2xi8>, %sb: tensor<f32>, %zb: tensor<i8>, %sy: tensor<f32>, %zy: tensor<ui8>, %c: tensor<3xi32>) -> tensor<2x2xui8> {
  %0 = pfrt.qlinear_matmul %a, %sa, %za, %b, %sb, %zb, %sy, %zy, %c : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>, tensor<3x2xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<2x2xui8>
  func.return %0 : tensor<2x2xui8>
}
// CHECK: pfrt.qlinear_matmul: C6:

// -----

// No blocks of channels.
func.func @f(%x: tensor<1x1x8x8x4xui8>, %w: tensor<2x3x3x3xi8>) {
  %0 = pfrt.conv_integer %x, %w {layout = "nc4hw4"} : tensor<1x1x8x8x4xui8>, tensor<2x3x3x3xi8> -> tensor<1x1x6x6x4xi32>
  func.return
}
// CHECK: pfrt.conv_integer: C9: layout is nchw or nhwc, not "nc4hw4"

// -----

// No blocks of channels.
func.func @f(%x: tensor<1x1x8x8x4xui8>, %w: tensor<2x3x3x3xi8>, %s: tensor<f32>, %zx: tensor<ui8>, %zw: tensor<i8>) {
  %0 = pfrt.qlinear_conv %x, %s, %zx, %w, %s, %zw, %s, %zx {layout = "nc4hw4"} : (tensor<1x1x8x8x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x3x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x1x6x6x4xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv: C10: layout is nchw or nhwc, not "nc4hw4"

// -----

// Reals are not summed.
func.func @f(%a: tensor<2xf32>, %s: tensor<f32>, %z: tensor<f32>) {
  %0 = pfrt.qlinear_add %a, %s, %z, %a, %s, %z, %s, %z : (tensor<2xf32>, tensor<f32>, tensor<f32>, tensor<2xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<2xf32>
  func.return
}
// CHECK: pfrt.qlinear_add: C1: needs int8 or uint8, got tensor<2xf32>

// -----

// A zero point has its tensor's type.
func.func @f(%a: tensor<2xui8>, %s: tensor<f32>, %z: tensor<i8>) {
  %0 = pfrt.qlinear_add %a, %s, %z, %a, %s, %z, %s, %z : (tensor<2xui8>, tensor<f32>, tensor<i8>, tensor<2xui8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i8>) -> tensor<2xi8>
  func.return
}
// CHECK: pfrt.qlinear_add: C1: needs one element type, got ui8, i8

// -----

// Sums do not broadcast.
func.func @f(%a: tensor<2xui8>, %b: tensor<1xui8>, %s: tensor<f32>, %z: tensor<ui8>) {
  %0 = pfrt.qlinear_add %a, %s, %z, %b, %s, %z, %s, %z : (tensor<2xui8>, tensor<f32>, tensor<ui8>, tensor<1xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<2xui8>
  func.return
}
// CHECK: pfrt.qlinear_add: C2: tensor<2xui8> and tensor<1xui8> differ

// -----

// One scale.
func.func @f(%a: tensor<2xui8>, %s: tensor<2xf32>, %z: tensor<ui8>) {
  %0 = pfrt.qlinear_add %a, %s, %z, %a, %s, %z, %s, %z : (tensor<2xui8>, tensor<2xf32>, tensor<ui8>, tensor<2xui8>, tensor<2xf32>, tensor<ui8>, tensor<2xf32>, tensor<ui8>) -> tensor<2xui8>
  func.return
}
// CHECK: pfrt.qlinear_add: C3: needs one element, got tensor<2xf32>
