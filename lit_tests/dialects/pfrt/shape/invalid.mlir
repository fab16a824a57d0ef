// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// reshape to what?
// CHECK: pfrt.reshape: C1: needs shape
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.reshape %x : (tensor<2x3xf32>) -> tensor<6xf32>
  func.return
}

// -----

// A shape has numbers of elements.
// CHECK: pfrt.reshape: C1: shape must be a vector of i64 or i32
func.func @f(%x: tensor<2x3xf32>, %s: tensor<2xf32>) {
  %r = pfrt.reshape %x, %s : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<6x1xf32>
  func.return
}

// -----

// Two unknowns.
// CHECK: pfrt.reshape: C2: [-1, -1] is not a shape
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.reshape %x {shape = array<i64: -1, -1>} : (tensor<2x3xf32>) -> tensor<6x1xf32>
  func.return
}

// -----

// With allowzero any number would do for -1.
// CHECK: pfrt.reshape: C2: [0, -1] is not a shape
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.reshape %x {shape = array<i64: 0, -1>, allowzero = true} : (tensor<2x3xf32>) -> tensor<0x1xf32>
  func.return
}

// -----

// Elements are neither lost nor made.
// CHECK: pfrt.reshape: C3: 6 elements do not fill the shape [5]
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.reshape %x {shape = array<i64: 5>} : (tensor<2x3xf32>) -> tensor<5xf32>
  func.return
}

// -----

// Not even with an unknown.
// CHECK: pfrt.reshape: C3: 6 elements do not fill the shape [4, -1]
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.reshape %x {shape = array<i64: 4, -1>} : (tensor<2x3xf32>) -> tensor<4x1xf32>
  func.return
}

// -----

// There is no third dimension to copy.
// CHECK: pfrt.reshape: C3: a 0 in [2, 3, 0] copies a dimension
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.reshape %x {shape = array<i64: 2, 3, 0>} : (tensor<2x3xf32>) -> tensor<2x3x1xf32>
  func.return
}

// -----

// The shape is given twice.
// CHECK: pfrt.reshape: shape is both an operand and a property
func.func @f(%x: tensor<2x3xf32>, %s: tensor<1xi64>) {
  %r = pfrt.reshape %x, %s {shape = array<i64: 6>} : (tensor<2x3xf32>, tensor<1xi64>) -> tensor<6xf32>
  func.return
}

// -----

// flatten beyond the last dimension.
// CHECK: pfrt.flatten: C1: axis 3 is outside
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.flatten %x {axis = 3 : i64} : tensor<2x3xf32> -> tensor<6x1xf32>
  func.return
}

// -----

// Axes are numbers.
// CHECK: pfrt.squeeze: C1: axes must be a vector
func.func @f(%x: tensor<2x3xf32>, %s: tensor<2xf32>) {
  %r = pfrt.squeeze %x, %s : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<f32>
  func.return
}

// -----

// An axis given twice.
// CHECK: pfrt.squeeze: C2: axes [0, -2] repeat a dimension
func.func @f(%x: tensor<1x3xf32>) {
  %r = pfrt.squeeze %x {axes = array<i64: 0, -2>} : (tensor<1x3xf32>) -> tensor<3xf32>
  func.return
}

// -----

// Three elements cannot be squeezed.
// CHECK: pfrt.squeeze: C3: dimension 1 is 3, not 1
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.squeeze %x {axes = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<2xf32>
  func.return
}

// -----

// unsqueeze where?
// CHECK: pfrt.unsqueeze: C1: needs axes
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.unsqueeze %x : (tensor<2x3xf32>) -> tensor<1x2x3xf32>
  func.return
}

// -----

// The result has three dimensions.
// CHECK: pfrt.unsqueeze: C2: axes [3] are not all among the 3 dimensions
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.unsqueeze %x {axes = array<i64: 3>} : (tensor<2x3xf32>) -> tensor<2x3x1xf32>
  func.return
}

// -----

// A permutation has each dimension once.
// CHECK: pfrt.transpose: C1: perm [0, 0] does not permute 2 dimensions
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.transpose %x {perm = array<i64: 0, 0>} : tensor<2x3xf32> -> tensor<2x2xf32>
  func.return
}

// -----

// expand to what?
// CHECK: pfrt.expand: C1: needs shape
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.expand %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// A negative size.
// CHECK: pfrt.expand: C2: shape [-1, 3] has a negative size
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.expand %x {shape = array<i64: -1, 3>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// Two rows are not four.
// CHECK: pfrt.expand: C3: dimensions [2, 4] do not broadcast
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.expand %x {shape = array<i64: 4, 3>} : (tensor<2x3xf32>) -> tensor<4x3xf32>
  func.return
}

// -----

// concat of nothing.
// CHECK: pfrt.concat: C1: needs at least one operand
func.func @f() {
  %r = pfrt.concat {axis = 0 : i64} : () -> tensor<2xf32>
  func.return
}

// -----

// concat does not mix types.
// CHECK: pfrt.concat: C1: needs one element type, got f32, f64
func.func @f(%a: tensor<2xf32>, %b: tensor<2xf64>) {
  %r = pfrt.concat %a, %b {axis = 0 : i64} : (tensor<2xf32>, tensor<2xf64>) -> tensor<4xf32>
  func.return
}

// -----

// concat along a dimension that is not there.
// CHECK: pfrt.concat: C2: axis 2 is outside
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.concat %x, %x {axis = 2 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// The other dimensions agree.
// CHECK: pfrt.concat: C3: the operands' dimensions 0 differ: [2, 4]
func.func @f(%a: tensor<2x3xf32>, %b: tensor<4x3xf32>) {
  %r = pfrt.concat %a, %b {axis = 1 : i64} : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<2x6xf32>
  func.return
}

// -----

// A matrix and a vector do not concatenate.
// CHECK: pfrt.concat: C3: the operands' ranks differ
func.func @f(%a: tensor<2x3xf32>, %b: tensor<3xf32>) {
  %r = pfrt.concat %a, %b {axis = 0 : i64} : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<3x3xf32>
  func.return
}

// -----

// split into what?
// CHECK: pfrt.split: C1: needs split
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.split %x : (tensor<4xf32>) -> (tensor<4xf32>)
  func.return
}

// -----

// Either sizes or a number.
// CHECK: pfrt.split: C1: split and num_outputs are both given
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.split %x {num_outputs = 1 : i64, split = array<i64: 4>} : (tensor<4xf32>) -> (tensor<4xf32>)
  func.return
}

// -----

// split along a dimension that is not there.
// CHECK: pfrt.split: C2: axis 1 is outside
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.split %x {axis = 1 : i64, num_outputs = 1 : i64} : (tensor<4xf32>) -> (tensor<4xf32>)
  func.return
}

// -----

// Two parts and one result.
// CHECK: pfrt.split: C3: 1 results do not suit
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.split %x {num_outputs = 2 : i64} : (tensor<4xf32>) -> (tensor<2xf32>)
  func.return
}

// -----

// The parts are less than the whole.
// CHECK: pfrt.split: C4: the parts [1, 2] do not add up
func.func @f(%x: tensor<4xf32>) {
  %a, %b = pfrt.split %x {split = array<i64: 1, 2>} : (tensor<4xf32>) -> (tensor<1xf32>, tensor<2xf32>)
  func.return
}

// -----

// A number of shape for each axis, and axes that exist.
// CHECK: pfrt.center_crop_pad: C2: 1 numbers of shape for 2 axes
func.func @f(%x: tensor<5x4xf32>) {
  %a = pfrt.center_crop_pad %x {shape = array<i64: 4>} : (tensor<5x4xf32>) -> tensor<?x?xf32>
  func.return
}

// -----

// A shape is a vector of integers.
// CHECK: pfrt.center_crop_pad: C1: shape must be a vector of i64 or i32, got tensor<2xf32>
func.func @f(%x: tensor<5x4xf32>, %s: tensor<2xf32>) {
  %a = pfrt.center_crop_pad %x, %s : (tensor<5x4xf32>, tensor<2xf32>) -> tensor<?x?xf32>
  func.return
}

// -----

// Nothing has less than no elements.
// CHECK: pfrt.center_crop_pad: C3: [-1] is not a shape
func.func @f(%x: tensor<5x4xf32>) {
  %a = pfrt.center_crop_pad %x {axes = array<i64: 0>, shape = array<i64: -1>} : (tensor<5x4xf32>) -> tensor<?x4xf32>
  func.return
}

// -----

// A slice has an end.
// CHECK: pfrt.slice: C1: needs ends
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.slice %x {starts = array<i64: 0>} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// Two starts and one end.
// CHECK: pfrt.slice: C2: lengths differ: [1, 2]
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.slice %x {starts = array<i64: 0, 0>, ends = array<i64: 1>} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// Three axes of two.
// CHECK: pfrt.slice: C3: axes [0, 1, 2] are not all among the 2 dimensions
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.slice %x {starts = array<i64: 0, 0, 0>, ends = array<i64: 1, 1, 1>} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// A step that never ends.
// CHECK: pfrt.slice: C4: steps [0] contain a zero
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.slice %x {starts = array<i64: 0>, ends = array<i64: 1>, steps = array<i64: 0>} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// pad by what?
// CHECK: pfrt.pad: C1: needs pads
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.pad %x : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// Two pads for each axis.
// CHECK: pfrt.pad: C2: 2 pads for 2 axes
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.pad %x {pads = array<i64: 1, 1>} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// A mode that is not there.
// CHECK: pfrt.pad: C3: unknown mode "mirror"
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.pad %x {pads = array<i64: 0, 0, 0, 0>, mode = "mirror"} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// More is removed than there is.
// CHECK: pfrt.pad: C4: removes more than the 2 of axis 0
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.pad %x {pads = array<i64: 4, 0, -3, 0>} : tensor<2x3xf32> -> tensor<3x3xf32>
  func.return
}

// -----

// The fill has the element type of x.
// CHECK: pfrt.pad: C5: constant_value cannot be tensor<i64>
func.func @f(%x: tensor<2x3xf32>, %v: tensor<i64>) {
  %r = pfrt.pad %x value(%v : tensor<i64>) {pads = array<i64: 0, 0, 0, 0>} : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return
}

// -----

// Indices are integers.
// CHECK: pfrt.gather: C1: indices must be i64 or i32
func.func @f(%x: tensor<2x3xf32>, %i: tensor<2xf32>) {
  %r = pfrt.gather %x, %i : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// gather from a dimension that is not there.
// CHECK: pfrt.gather: C2: axis 2 is outside
func.func @f(%x: tensor<2x3xf32>, %i: tensor<2xi64>) {
  %r = pfrt.gather %x, %i {axis = 2 : i64} : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  func.return
}

// -----

// tile how often?
// CHECK: pfrt.tile: C1: needs repeats
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.tile %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// A number for each dimension.
// CHECK: pfrt.tile: C2: 1 repeats for 2 dimensions
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.tile %x {repeats = array<i64: 2>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}

// -----

// Less than not at all.
// CHECK: pfrt.tile: C2: repeats [1, -1] contain a negative
func.func @f(%x: tensor<2x3xf32>) {
  %r = pfrt.tile %x {repeats = array<i64: 1, -1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return
}
