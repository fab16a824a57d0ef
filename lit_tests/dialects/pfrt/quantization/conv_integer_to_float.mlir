// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Without zero points, of one spatial axis and a batch that is not known.
func.func @f(%x: tensor<?x2x4xi8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) -> tensor<?x2x2xf32> {
  // CHECK: pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<?x2x4xi8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<?x2x2xf32>
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<?x2x4xi8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<?x2x2xf32>
  func.return %0 : tensor<?x2x2xf32>
}

// -----

// All that may follow the sums, of channels that lie together.
func.func @f(%x: tensor<1x6x5x2xui8>, %w: tensor<3x2x3x3xi8>, %s: tensor<1xf32>, %t: tensor<3xf32>, %z: tensor<ui8>, %v: tensor<3xi8>, %c: tensor<3xf32>, %r: tensor<1x4x3x3xf32>) -> tensor<1x4x3x3xf32> {
  // CHECK: pfrt.conv_integer_to_float %x, %w, %s, %t x_zero_point(%z : tensor<ui8>) w_zero_point(%v : tensor<3xi8>) bias(%c : tensor<3xf32>) plus(%r : tensor<1x4x3x3xf32>) {layout = "nhwc", activation = #pfrt.activation<"relu">} : (tensor<1x6x5x2xui8>, tensor<3x2x3x3xi8>, tensor<1xf32>, tensor<3xf32>) -> tensor<1x4x3x3xf32>
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %t x_zero_point(%z : tensor<ui8>) w_zero_point(%v : tensor<3xi8>) bias(%c : tensor<3xf32>) plus(%r : tensor<1x4x3x3xf32>) {layout = "nhwc", activation = #pfrt.activation<"relu">} : (tensor<1x6x5x2xui8>, tensor<3x2x3x3xi8>, tensor<1xf32>, tensor<3xf32>) -> tensor<1x4x3x3xf32>
  func.return %0 : tensor<1x4x3x3xf32>
}

// -----

// Batch, channels and an axis at least.
func.func @f(%x: tensor<1x2xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<1x2xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C1: needs at least 3 dimensions, got

// -----

// A window over as many axes as there are.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<1x2x4xui8>, tensor<2x2x3x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C2: a window of 2 axes does not slide over

// -----

// Strides of at least one.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s {strides = array<i64: 0>} : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C3: strides must be at least 1, got [0]

// -----

// Padding by name.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s {auto_pad = "FULL"} : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C4: auto_pad is one of

// -----

// The window fits.
func.func @f(%x: tensor<1x2x2xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<1x2x2xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C5: a window of 3 elements does not fit into 2

// -----

// Groups of as many channels as x has.
func.func @f(%x: tensor<1x3x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<1x3x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C6: 1 groups of 2 channels, got

// -----

// Reals are no integers.
func.func @f(%x: tensor<1x2x4xf32>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s : (tensor<1x2x4xf32>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C7: needs int8 or uint8, got tensor<1x2x4xf32>

// -----

// A bias of reals.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>, %c: tensor<2xi32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s bias(%c : tensor<2xi32>) : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C7: needs float32, got tensor<2xi32>

// -----

// Channels of x have no scales of their own.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>, %t: tensor<2xf32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %t, %s : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<2xf32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C8: needs one element, got tensor<2xf32>

// -----

// Features of w have one scale each.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>, %t: tensor<3xf32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %t : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<3xf32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C8: what goes with w must be tensor<2xf32>, got tensor<3xf32>

// -----

// A bias has an element for each feature.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>, %c: tensor<3xf32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s bias(%c : tensor<3xf32>) : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C9: the bias must be tensor<2xf32>, got tensor<3xf32>

// -----

// A residual has the result's shape.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>, %r: tensor<1x2x1xf32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s plus(%r : tensor<1x2x1xf32>) : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C10: the residual is a tensor<1x2x1xf32>

// -----

// An activation has one operand.
func.func @f(%x: tensor<1x2x4xui8>, %w: tensor<2x2x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s {activation = #pfrt.activation<"add">} : (tensor<1x2x4xui8>, tensor<2x2x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C11

// -----

// No blocks of channels.
func.func @f(%x: tensor<1x1x8x8x4xui8>, %w: tensor<2x3x3x3xi8>, %s: tensor<f32>) {
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s {layout = "nc4hw4"} : (tensor<1x1x8x8x4xui8>, tensor<2x3x3x3xi8>, tensor<f32>, tensor<f32>) -> tensor<1x1x6x6x4xf32>
  func.return
}
// CHECK: pfrt.conv_integer_to_float: C12: layout is nchw or nhwc, not "nc4hw4"
