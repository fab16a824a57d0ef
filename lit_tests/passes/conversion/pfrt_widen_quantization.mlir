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

// -----

// Convolutions of which reals are made are of f32: scales and biases are those of features.
// CHECK-LABEL: @reals
func.func @reals(%x: tensor<?x2x4xui8>, %r: tensor<?x2x4xf32>) -> tensor<?x2x4xf32> {
  // CHECK: [[X:%.*]] = pfrt.cast %x
  // CHECK: [[D:%.*]] = pfrt.sub [[X]]
  // CHECK: [[W:%.*]] = pfrt.constant dense<{{\[\[\[}}-2.000000e+00], [3.000000e+00]], {{\[\[}}2.000000e+00], [1.000000e+00]]]> : tensor<2x2x1xf32>
  // CHECK: [[P:%.*]] = pfrt.conv [[D]], [[W]]
  // CHECK: [[T:%.*]] = pfrt.constant dense<{{.*}}> : tensor<2x1xf32>
  // CHECK: [[F:%.*]] = pfrt.mul %s, [[T]]
  // CHECK: [[S:%.*]] = pfrt.mul [[P]], [[F]]
  // CHECK: [[C:%.*]] = pfrt.constant dense<{{.*}}> : tensor<2x1xf32>
  // CHECK: [[B:%.*]] = pfrt.add [[S]], [[C]]
  // CHECK: [[A:%.*]] = pfrt.add [[B]], %r
  // CHECK: %y = pfrt.relu [[A]]
  %w = pfrt.constant dense<[[[-2], [3]], [[2], [1]]]> : tensor<2x2x1xi8>
  %s = pfrt.constant dense<0.5> : tensor<f32>
  %z = pfrt.constant dense<9> : tensor<ui8>
  %sw = pfrt.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %b = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = pfrt.conv_integer_to_float %x, %w, %s, %sw x_zero_point(%z : tensor<ui8>) bias(%b : tensor<2xf32>) plus(%r : tensor<?x2x4xf32>) {activation = #pfrt.activation<"relu">} : (tensor<?x2x4xui8>, tensor<2x2x1xi8>, tensor<f32>, tensor<2xf32>) -> tensor<?x2x4xf32>
  func.return %y : tensor<?x2x4xf32>
}

// -----

// Groups whose sums f32 may not hold stay integers.
// CHECK-LABEL: @groups
func.func @groups(%x: tensor<1x1040x1xui8>) -> tensor<1x2x1xf32> {
  // CHECK: pfrt.conv_integer_to_float
  %w = pfrt.constant dense<127> : tensor<2x520x1xi8>
  %s = pfrt.constant dense<0.5> : tensor<f32>
  %y = pfrt.conv_integer_to_float %x, %w, %s, %s {group = 2 : i64} : (tensor<1x1040x1xui8>, tensor<2x520x1xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x1xf32>
  func.return %y : tensor<1x2x1xf32>
}

// -----

// A sum of two quantized tensors that is quantized again takes two products, as all pairs of integers agree.
// CHECK-LABEL: @sum
func.func @sum(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<?xui8> {
  // CHECK: [[A:%.*]] = pfrt.clip
  // CHECK: [[B:%.*]] = pfrt.clip
  // CHECK-NOT: pfrt.div
  // CHECK: [[P:%.*]] = pfrt.mul [[A]], %{{.*}}
  // CHECK-NEXT: [[S:%.*]] = pfrt.add [[P]], [[B]]
  // CHECK: [[M:%.*]] = pfrt.mul [[S]], %{{.*}}
  // CHECK-NEXT: pfrt.round [[M]]
  %z = pfrt.constant dense<0> : tensor<ui8>
  %sa = pfrt.constant dense<0.3> : tensor<f32>
  %sb = pfrt.constant dense<0.7> : tensor<f32>
  %sy = pfrt.constant dense<0.9> : tensor<f32>
  %qa = pfrt.quantize_linear %a, %sa, %z : (tensor<?xf32>, tensor<f32>, tensor<ui8>) -> tensor<?xui8>
  %qb = pfrt.quantize_linear %b, %sb, %z : (tensor<?xf32>, tensor<f32>, tensor<ui8>) -> tensor<?xui8>
  %ra = pfrt.dequantize_linear %qa, %sa, %z : (tensor<?xui8>, tensor<f32>, tensor<ui8>) -> tensor<?xf32>
  %rb = pfrt.dequantize_linear %qb, %sb, %z : (tensor<?xui8>, tensor<f32>, tensor<ui8>) -> tensor<?xf32>
  %s = pfrt.add %ra, %rb : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %y = pfrt.quantize_linear %s, %sy, %z : (tensor<?xf32>, tensor<f32>, tensor<ui8>) -> tensor<?xui8>
  func.return %y : tensor<?xui8>
}

// -----

// Maxima of windows are taken of the sums, and rounded afterwards.
// CHECK-LABEL: @maxima
func.func @maxima(%x: tensor<1x1x4x4xui8>) -> tensor<1x1x2x2xui8> {
  // CHECK: [[C:%.*]] = pfrt.conv
  // CHECK-NOT: pfrt.round
  // CHECK: [[P:%.*]] = pfrt.max_pool [[C]]
  // CHECK: [[M:%.*]] = pfrt.mul [[P]]
  // CHECK: pfrt.round [[M]]
  %z = pfrt.constant dense<0> : tensor<ui8>
  %s = pfrt.constant dense<0.3> : tensor<f32>
  %w = pfrt.constant dense<5> : tensor<1x1x1x1xi8>
  %zw = pfrt.constant dense<0> : tensor<i8>
  %y = pfrt.qlinear_conv %x, %s, %z, %w, %s, %zw, %s, %z : (tensor<1x1x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<1x1x1x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x1x4x4xui8>
  %p = pfrt.max_pool %y {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<1x1x4x4xui8> -> tensor<1x1x2x2xui8>
  func.return %p : tensor<1x1x2x2xui8>
}

// -----

// What is laid out for machine code stays so.
// CHECK-LABEL: @last
func.func @last(%x: tensor<1x8x4x3xui8>) -> tensor<1x8x4x4xui8> {
  // CHECK: pfrt.qlinear_conv
  %w = pfrt.constant dense<3> : tensor<4x3x1x1xi8>
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %v = pfrt.constant dense<0> : tensor<i8>
  %y = pfrt.qlinear_conv %x, %s, %z, %w, %s, %v, %s, %z {layout = "nhwc"} : (tensor<1x8x4x3xui8>, tensor<f32>, tensor<ui8>, tensor<4x3x1x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x8x4x4xui8>
  func.return %y : tensor<1x8x4x4xui8>
}
