// RUN: pfrt-opt %s -p pfrt-widen-quantization --split-input-file | filecheck %s

// Sums that stay below 2^24 are of f32; between two products no integers of 8 bits are made.
func.func @chain(%x: tensor<1x1x4x4xui8>) -> tensor<1x1x2x2xui8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %w = pfrt.constant dense<1> : tensor<1x1x2x2xi8>
  %zw = pfrt.constant dense<0> : tensor<i8>
  %b = pfrt.constant dense<7> : tensor<1xi32>
  %0 = pfrt.qlinear_conv %x, %s, %z, %w, %s, %zw, %s, %z, %b : (tensor<1x1x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<1x1x2x2xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<1xi32>) -> tensor<1x1x3x3xui8>
  %y = pfrt.qlinear_conv %0, %s, %z, %w, %s, %zw, %s, %z as "y" : (tensor<1x1x3x3xui8>, tensor<f32>, tensor<ui8>, tensor<1x1x2x2xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x1x2x2xui8>
  func.return %y : tensor<1x1x2x2xui8>
}
// CHECK-LABEL: @chain
// CHECK: [[C:%.*]] = pfrt.sub {{.*}} -> tensor<1x1x4x4xf32>
// CHECK: pfrt.conv [[C]], {{.*}} : (tensor<1x1x4x4xf32>, tensor<1x1x2x2xf32>, tensor<1xf32>)
// CHECK: pfrt.mul
// CHECK: pfrt.round
// CHECK: [[D:%.*]] = pfrt.clip {{.*}} {min = -3.000000e+00 : f32, max = 2.520000e+02 : f32}
// CHECK-NOT: pfrt.cast
// CHECK: pfrt.conv [[D]],
// CHECK: pfrt.cast {{.*}} as "y" {to = ui8}

// -----

// A sum that can be larger than 2^24 is made of two halves, which cannot, and of which one add rounds.
func.func @halves(%x: tensor<2x1000xui8>) -> tensor<2x1xui8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %v = pfrt.constant dense<127> : tensor<1000x1xi8>
  %zw = pfrt.constant dense<0> : tensor<i8>
  %y = pfrt.qlinear_matmul %x, %s, %z, %v, %s, %zw, %s, %z : (tensor<2x1000xui8>, tensor<f32>, tensor<ui8>, tensor<1000x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<2x1xui8>
  func.return %y : tensor<2x1xui8>
}
// CHECK-LABEL: @halves
// CHECK: [[A:%\d+]] = pfrt.matmul {{.*}} : tensor<2x500xf32>, tensor<500x1xf32>
// CHECK: [[B:%\d+]] = pfrt.matmul {{.*}} : tensor<2x500xf32>, tensor<500x1xf32>
// CHECK: pfrt.add [[A]], [[B]]

// -----

// Where halves can be as large too, or weights are not known, it is left to the kernel of integers.
func.func @deep(%x: tensor<2x2000xui8>, %w: tensor<2000x1xi8>) -> (tensor<2x1xui8>, tensor<2x1xui8>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %v = pfrt.constant dense<127> : tensor<2000x1xi8>
  %zw = pfrt.constant dense<0> : tensor<i8>
  %y = pfrt.qlinear_matmul %x, %s, %z, %v, %s, %zw, %s, %z : (tensor<2x2000xui8>, tensor<f32>, tensor<ui8>, tensor<2000x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<2x1xui8>
  %u = pfrt.qlinear_matmul %x, %s, %z, %w, %s, %zw, %s, %z : (tensor<2x2000xui8>, tensor<f32>, tensor<ui8>, tensor<2000x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<2x1xui8>
  func.return %y, %u : tensor<2x1xui8>, tensor<2x1xui8>
}
// CHECK-LABEL: @deep
// CHECK: pfrt.qlinear_matmul
// CHECK: pfrt.qlinear_matmul

// -----

// What is quantized is moved, bounded and dequantized in f32.
func.func @moved(%x: tensor<2x3xf32>) -> (tensor<3x2xf32>, tensor<2x3xi8>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<i8>
  %q = pfrt.quantize_linear %x, %s, %z : (tensor<2x3xf32>, tensor<f32>, tensor<i8>) -> tensor<2x3xi8>
  %c = pfrt.clip %q {min = 3 : i8} : tensor<2x3xi8> -> tensor<2x3xi8>
  %t = pfrt.transpose %c {perm = array<i64: 1, 0>} : tensor<2x3xi8> -> tensor<3x2xi8>
  %y = pfrt.dequantize_linear %t, %s, %z : (tensor<3x2xi8>, tensor<f32>, tensor<i8>) -> tensor<3x2xf32>
  func.return %y, %q : tensor<3x2xf32>, tensor<2x3xi8>
}
// CHECK-LABEL: @moved
// CHECK: [[Q:%\d+]] = pfrt.clip {{.*}} {min = -1.310000e+02 : f32, max = 1.240000e+02 : f32}
// CHECK: pfrt.cast {{.*}} -> tensor<2x3xi8>
// CHECK: [[C:%\d+]] = pfrt.clip [[Q]] {min = 0.000000e+00 : f32}
// CHECK: [[T:%\d+]] = pfrt.transpose [[C]] {{.*}} -> tensor<3x2xf32>
// CHECK: pfrt.mul [[T]],

// -----

// Data quantized by their own range stay f32, as do the products that make reals of them.
// CHECK-LABEL: @dynamic
func.func @dynamic(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // CHECK: [[D:%.*]] = pfrt.div %x, %s
  // CHECK: [[R:%.*]] = pfrt.round [[D]]
  // CHECK: [[C:%.*]] = pfrt.min [[R]]
  // CHECK: [[W:%.*]] = pfrt.constant dense<{{\[\[}}-3.000000e+00, 2.000000e+00], [1.000000e+00, 0.000000e+00]]> : tensor<2x2xf32>
  // CHECK: [[P:%.*]] = pfrt.matmul [[C]], [[W]]
  // CHECK: [[F:%.*]] = pfrt.mul %s, %sw
  // CHECK: [[S:%.*]] = pfrt.mul [[P]], [[F]]
  // CHECK: [[B:%.*]] = pfrt.add [[S]], %b
  // CHECK: %y = pfrt.relu [[B]]
  %q, %s, %z = pfrt.dynamic_quantize_linear %x : tensor<?x2xf32> -> tensor<?x2xui8>, tensor<f32>, tensor<ui8>
  %w = pfrt.constant dense<[[-2, 3], [2, 1]]> : tensor<2x2xi8>
  %zw = pfrt.constant dense<1> : tensor<i8>
  %sw = pfrt.constant dense<0.5> : tensor<f32>
  %b = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = pfrt.matmul_integer_to_float %q, %w, %s, %sw a_zero_point(%z : tensor<ui8>) b_zero_point(%zw : tensor<i8>) bias(%b : tensor<2xf32>) {activation = #pfrt.activation<"relu">} : (tensor<?x2xui8>, tensor<2x2xi8>, tensor<f32>, tensor<f32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
