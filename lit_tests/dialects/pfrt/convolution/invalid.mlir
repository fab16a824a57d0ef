// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// There is a spatial axis.
func.func @f(%x: tensor<1x1xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w : (tensor<1x1xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// Weights have as many dimensions as the data.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3x3xf32>) {
  %y = pfrt.conv %x, %w : (tensor<1x1x5xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C2: a window of 2 axes does not slide over tensor<1x1x5xf32>

// -----

// Weights have a spatial axis.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x3xf32>) {
  %y = pfrt.conv %x, %w : (tensor<1x1x5xf32>, tensor<1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C2: needs at least 3 dimensions, got tensor<1x3xf32>

// -----

// One stride a spatial axis.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {strides = array<i64: 1, 1>} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C2: strides needs 1 entries, got 2

// -----

// Two pads a spatial axis.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {pads = array<i64: 1>} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C2: pads needs 2 entries, got 1

// -----

// Windows move on.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {strides = array<i64: 0>} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C3: strides must be at least 1, got [0]

// -----

// Padding does not cut off.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {pads = array<i64: -1, 0>} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C3: pads must be at least 0, got [-1, 0]

// -----

// Weights are not empty.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x0xf32>) {
  %y = pfrt.conv %x, %w : (tensor<1x1x5xf32>, tensor<1x1x0xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C3: window must be at least 1, got [0]

// -----

// auto_pad has four values.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {auto_pad = "SAME"} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C4: auto_pad is one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, not "SAME"

// -----

// The window fits.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {dilations = array<i64: 4>, pads = array<i64: 1, 0>} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C5: a window of 9 elements does not fit into 6 (5 and padding 1 + 0)

// -----

// Convolutions are of floats.
func.func @f(%x: tensor<1x1x5xi32>, %w: tensor<1x1x3xi32>) {
  %y = pfrt.conv %x, %w : (tensor<1x1x5xi32>, tensor<1x1x3xi32>) -> tensor<1x1x3xi32>
  func.return
}
// CHECK: pfrt.conv: C6: needs floats, got tensor<1x1x5xi32>

// -----

// Of one type.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf16>) {
  %y = pfrt.conv %x, %w : (tensor<1x1x5xf32>, tensor<1x1x3xf16>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C6: needs one element type, got f32, f16

// -----

// There is a group.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {group = 0 : i64} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: C7: group must be at least 1, got 0

// -----

// Groups divide the features.
func.func @f(%x: tensor<1x2x5xf32>, %w: tensor<3x1x3xf32>) {
  %y = pfrt.conv %x, %w {group = 2 : i64} : (tensor<1x2x5xf32>, tensor<3x1x3xf32>) -> tensor<1x3x3xf32>
  func.return
}
// CHECK: pfrt.conv: C7: 2 groups do not divide 3 features

// -----

// Channels fit the groups.
func.func @f(%x: tensor<1x3x5xf32>, %w: tensor<2x1x3xf32>) {
  %y = pfrt.conv %x, %w {group = 2 : i64} : (tensor<1x3x5xf32>, tensor<2x1x3xf32>) -> tensor<1x2x3xf32>
  func.return
}
// CHECK: pfrt.conv: C7: 2 groups of 1 channels, got tensor<1x3x5xf32>

// -----

// A bias for each feature.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<2x1x3xf32>, %b: tensor<3xf32>) {
  %y = pfrt.conv %x, %w, %b : (tensor<1x1x5xf32>, tensor<2x1x3xf32>, tensor<3xf32>) -> tensor<1x2x3xf32>
  func.return
}
// CHECK: pfrt.conv: C8: the bias must be tensor<2xf32>, got tensor<3xf32>

// -----

// The result's size is that of the windows.
func.func @f(%x: tensor<1x1x5xf32>, %w: tensor<1x1x3xf32>) {
  %y = pfrt.conv %x, %w {strides = array<i64: 2>} : (tensor<1x1x5xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.conv: result 0 is declared tensor<1x1x3xf32>, but its operands give tensor<1x1x2xf32>

// -----

// A residual has the result's shape.
%x, %w, %r = "test.op"() : () -> (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>, tensor<1x3x4x1xf32>)
%y = pfrt.conv %x, %w plus %r : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>) plus tensor<1x3x4x1xf32> -> tensor<1x3x4x4xf32>
// CHECK: pfrt.conv: C9: the residual is a tensor<1x3x4x1xf32>, the result a tensor<1x3x4x4xf32>

// -----

// An activation has only properties that its op has.
%x, %w = "test.op"() : () -> (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>)
%y = pfrt.conv %x, %w {activation = #pfrt.activation<"relu", {alpha = 1.000000e+00 : f32}>} : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x4x4xf32>
// CHECK: pfrt.conv: C10: the activation:

// -----

// An activation has all properties that its op has, what they are usually too.
%x, %w = "test.op"() : () -> (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>)
%y = pfrt.conv %x, %w {activation = #pfrt.activation<"leaky_relu">} : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x4x4xf32>
// CHECK: pfrt.conv: C10: the activation: pfrt.leaky_relu needs "alpha"

// -----

// An activation keeps the type.
%x, %w = "test.op"() : () -> (tensor<1x2x4x4xf32>, tensor<2x3x1x1xf32>)
%y = pfrt.conv_transpose %x, %w {activation = #pfrt.activation<"is_nan">} : (tensor<1x2x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x3x4x4xf32>
// CHECK: pfrt.conv_transpose: C10: the activation:

// -----

// What is read may lie as nchw only where the result is nhwc.
%x, %w = "test.op"() : () -> (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>)
%y = pfrt.conv %x, %w {x_layout = "nchw"} : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x4x4xf32>
// CHECK: pfrt.conv: C12: x_layout is nchw, layout nchw
