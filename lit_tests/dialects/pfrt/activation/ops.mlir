// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// Unknown dimensions stay unknown, and the model's name of a value is carried.
func.func @relu(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: pfrt.relu %x as "/Relu_output_0" : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = pfrt.relu %x as "/Relu_output_0" : tensor<?x8xf32> -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// -----

// A slope that is not the default is printed.
func.func @leaky_relu(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.leaky_relu %x {alpha = 1.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.leaky_relu %x {alpha = 1.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// No properties.
func.func @sigmoid(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// An unknown rank stays unknown.
func.func @tanh(%x: tensor<*xf16>) -> tensor<*xf16> {
  // CHECK: pfrt.tanh %x : tensor<*xf16> -> tensor<*xf16>
  %y = pfrt.tanh %x : tensor<*xf16> -> tensor<*xf16>
  func.return %y : tensor<*xf16>
}

// -----

// One coefficient.
func.func @elu(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.elu %x {alpha = 5.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.elu %x {alpha = 5.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// Of two coefficients, the default one is left out.
func.func @selu(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.selu %x {gamma = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.selu %x {gamma = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// One coefficient.
func.func @celu(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.celu %x {alpha = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.celu %x {alpha = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// Of two coefficients, the default one is left out.
func.func @hard_sigmoid(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.hard_sigmoid %x {beta = 6.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.hard_sigmoid %x {beta = 6.000000e-01 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// No properties.
func.func @hard_swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.hard_swish %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.hard_swish %x : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// No properties.
func.func @softplus(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.softplus %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.softplus %x : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// No properties.
func.func @softsign(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.softsign %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.softsign %x : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// The threshold.
func.func @thresholded_relu(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.thresholded_relu %x {alpha = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.thresholded_relu %x {alpha = 2.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// The approximation is named.
func.func @gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.gelu %x {approximate = "tanh"} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.gelu %x {approximate = "tanh"} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// No properties.
func.func @mish(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.mish %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.mish %x : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// One coefficient.
func.func @swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.swish %x {alpha = 1.702000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.swish %x {alpha = 1.702000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// Half precision of another kind.
func.func @erf(%x: tensor<4xbf16>) -> tensor<4xbf16> {
  // CHECK: pfrt.erf %x : tensor<4xbf16> -> tensor<4xbf16>
  %y = pfrt.erf %x : tensor<4xbf16> -> tensor<4xbf16>
  func.return %y : tensor<4xbf16>
}

// -----

// The slope is an operand that broadcasts.
func.func @prelu(%x: tensor<1x8x4xf32>, %s: tensor<8x1xf32>) -> tensor<1x8x4xf32> {
  // CHECK: pfrt.prelu %x, %s : tensor<1x8x4xf32>, tensor<8x1xf32> -> tensor<1x8x4xf32>
  %y = pfrt.prelu %x, %s : tensor<1x8x4xf32>, tensor<8x1xf32> -> tensor<1x8x4xf32>
  func.return %y : tensor<1x8x4xf32>
}

// -----

// Both bounds are properties.
func.func @clip(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.clip %x {max = 6.000000e+00 : f32, min = 0.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.clip %x {max = 6.000000e+00 : f32, min = 0.000000e+00 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// One bound is an operand, the other a property.
func.func @clip(%x: tensor<4xi32>, %m: tensor<i32>) -> tensor<4xi32> {
  // CHECK: pfrt.clip %x min(%m : tensor<i32>) {max = 6 : i64} : tensor<4xi32> -> tensor<4xi32>
  %y = pfrt.clip %x min(%m : tensor<i32>) {max = 6 : i64} : tensor<4xi32> -> tensor<4xi32>
  func.return %y : tensor<4xi32>
}

// -----

// Both bounds are operands.
func.func @clip(%x: tensor<4xf32>, %a: tensor<f32>, %b: tensor<f32>) -> tensor<4xf32> {
  // CHECK: pfrt.clip %x min(%a : tensor<f32>) max(%b : tensor<f32>) : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.clip %x min(%a : tensor<f32>) max(%b : tensor<f32>) : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}

// -----

// What is gated and its gates; each knows something of the shape.
func.func @swiglu(%g: tensor<?x4xf16>, %x: tensor<3x?xf16>) -> tensor<3x4xf16> {
  // CHECK: pfrt.swiglu %g, %x {alpha = 1.702000e+00 : f32} : (tensor<?x4xf16>, tensor<3x?xf16>) -> tensor<3x4xf16>
  %y = pfrt.swiglu %g, %x {alpha = 1.702000e+00 : f32} : (tensor<?x4xf16>, tensor<3x?xf16>) -> tensor<3x4xf16>
  func.return %y : tensor<3x4xf16>
}

// -----

// Integers shrink too.
func.func @shrink(%x: tensor<?x4xui8>) -> tensor<?x4xui8> {
  // CHECK: pfrt.shrink %x {bias = 1.500000e+00 : f32} : tensor<?x4xui8> -> tensor<?x4xui8>
  %y = pfrt.shrink %x {bias = 1.500000e+00 : f32} : tensor<?x4xui8> -> tensor<?x4xui8>
  func.return %y : tensor<?x4xui8>
}

// -----

// An op that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<4xf32>) {
  %y = pfrt.gelu %x : tensor<4xf32> -> tensor<4xf32>
  func.return
}
