// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Images.
func.func @f(%x: tensor<1x2xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C1:

// -----

// Weights have the dimensions of x.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C2:

// -----

// Strides are positive.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b {strides = array<i64: 0, 1>} : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C3:

// -----

// Padding has a mode.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b {auto_pad = "WIDE"} : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C4:

// -----

// The window fits.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x9x9xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x9x9xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C5:

// -----

// Groups divide.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b {group = 2 : i64} : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C6:

// -----

// A residual of bytes.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xf32>, %zr: tensor<f32>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xf32>, tensor<f32>, tensor<f32>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C7: needs int8 or uint8

// -----

// A zero point of bytes.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<i16>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<i16>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C7: needs int8 or uint8

// -----

// One scale.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<2xf32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<2xf32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C8: needs one element

// -----

// A scale for each feature.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<2xf32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<2xf32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C8: what goes with w

// -----

// A bias for each feature.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<2xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C9: the bias

// -----

// A residual of the shape of the result.
func.func @f(%x: tensor<1x2x8x8xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x1x1xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b : (tensor<1x2x8x8xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x1x1xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C9: the residual

// -----

// No blocks of channels.
func.func @f(%x: tensor<1x1x8x8x4xui8>, %sx: tensor<f32>, %zx: tensor<ui8>, %w: tensor<3x2x3x3xi8>, %sw: tensor<f32>, %zw: tensor<i8>, %s: tensor<f32>, %zt: tensor<ui8>, %r: tensor<1x3x6x6xui8>, %zr: tensor<ui8>, %zy: tensor<ui8>, %b: tensor<3xi32>) {
  %0 = pfrt.qlinear_conv_add %x, %sx, %zx, %w, %sw, %zw, %s, %zt, %r, %s, %zr, %s, %zy, %b {layout = "nc4hw4"} : (tensor<1x1x8x8x4xui8>, tensor<f32>, tensor<ui8>, tensor<3x2x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1x3x6x6xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>, tensor<3xi32>) -> tensor<1x3x6x6xui8>
  func.return
}
// CHECK: pfrt.qlinear_conv_add: C10: layout is nchw or nhwc, not "nc4hw4"
