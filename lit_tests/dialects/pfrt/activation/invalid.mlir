// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// leaky_relu needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.leaky_relu %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.leaky_relu: C1: needs floats, got tensor<4xi32>

// -----

// sigmoid needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.sigmoid %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.sigmoid: C1: needs floats, got tensor<4xi32>

// -----

// tanh needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.tanh %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.tanh: C1: needs floats, got tensor<4xi32>

// -----

// elu needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.elu %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.elu: C1: needs floats, got tensor<4xi32>

// -----

// selu needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.selu %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.selu: C1: needs floats, got tensor<4xi32>

// -----

// celu needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.celu %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.celu: C1: needs floats, got tensor<4xi32>

// -----

// hard_sigmoid needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.hard_sigmoid %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.hard_sigmoid: C1: needs floats, got tensor<4xi32>

// -----

// hard_swish needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.hard_swish %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.hard_swish: C1: needs floats, got tensor<4xi32>

// -----

// softplus needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.softplus %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.softplus: C1: needs floats, got tensor<4xi32>

// -----

// softsign needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.softsign %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.softsign: C1: needs floats, got tensor<4xi32>

// -----

// thresholded_relu needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.thresholded_relu %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.thresholded_relu: C1: needs floats, got tensor<4xi32>

// -----

// gelu needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.gelu %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.gelu: C1: needs floats, got tensor<4xi32>

// -----

// mish needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.mish %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.mish: C1: needs floats, got tensor<4xi32>

// -----

// swish needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.swish %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.swish: C1: needs floats, got tensor<4xi32>

// -----

// erf needs floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.erf %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.erf: C1: needs floats, got tensor<4xi32>

// -----

// An approximation has a name that is known.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.gelu %x {approximate = "erf"} : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.gelu: C2: approximate is "none" or "tanh", not "erf"

// -----

// Data and slope have one element type.
func.func @f(%x: tensor<4xf32>, %s: tensor<4xf64>) {
  %y = pfrt.prelu %x, %s : tensor<4xf32>, tensor<4xf64> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.prelu: C1: needs one element type, got f32, f64

// -----

// The slope broadcasts to the data, not the other way.
func.func @f(%x: tensor<4xf32>, %s: tensor<2x4xf32>) {
  %y = pfrt.prelu %x, %s : tensor<4xf32>, tensor<2x4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.prelu: C2: a slope tensor<2x4xf32> does not broadcast to tensor<4xf32>

// -----

// Properties bound what they can be compared with.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.clip %x {min = 0.000000e+00 : f32} : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.clip: C2: 0.000000e+00 : f32 cannot bound tensor<4xi32>

// -----

// The result has the operand's shape.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.relu %x : tensor<4xf32> -> tensor<5xf32>
  func.return
}
// CHECK: pfrt.relu: result 0 is declared tensor<5xf32>, but its operands give tensor<4xf32>

// -----

// A bound is of the data's element type.
func.func @f(%x: tensor<4xf32>, %m: tensor<f64>) {
  %y = pfrt.clip %x min(%m : tensor<f64>) : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.clip: C1: needs one element type, got f32, f64

// -----

// A bound is a scalar.
func.func @f(%x: tensor<4xf32>, %m: tensor<4xf32>) {
  %y = pfrt.clip %x max(%m : tensor<4xf32>) : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.clip: C1: max must be tensor<f32>, got tensor<4xf32>

// -----

// A bound is given once.
func.func @f(%x: tensor<4xf32>, %m: tensor<f32>) {
  %y = pfrt.clip %x min(%m : tensor<f32>) {min = 0.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.clip: min is both an operand and a property

// -----

// Numbers are at least as wide as NumPy's.
%x = "test.op"() : () -> tensor<4xi4>
%y = pfrt.relu %x : tensor<4xi4> -> tensor<4xi4>
// CHECK: pfrt.relu: C1: is not defined on tensor<4xi4>

// -----

// Gates are of the type of what they gate.
func.func @f(%g: tensor<4xf32>, %x: tensor<4xf16>) {
  %y = pfrt.swiglu %g, %x : (tensor<4xf32>, tensor<4xf16>) -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.swiglu: C1: needs one element type, got f32, f16

// -----

// Gates do not broadcast.
func.func @f(%g: tensor<1x4xf32>, %x: tensor<3x4xf32>) {
  %y = pfrt.swiglu %g, %x : (tensor<1x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return
}
// CHECK: pfrt.swiglu: C2: x must be tensor<1x4xf32>, got tensor<3x4xf32>

// -----

// Truths do not shrink.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.shrink %x : tensor<4xi1> -> tensor<4xi1>
  func.return
}
// CHECK: pfrt.shrink: C1: is not defined on tensor<4xi1>
