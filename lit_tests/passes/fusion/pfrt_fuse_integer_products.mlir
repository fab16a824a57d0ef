// RUN: pfrt-opt %s -p 'pfrt-fuse-integer-products' --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-fuse-integer-products,pfrt-fuse-bias,pfrt-fuse-residual,pfrt-fuse-activation' --split-input-file | filecheck %s --check-prefix=ALL

// The scale of data is measured, that of weights is a constant; bias, residual and activation follow.
// CHECK-LABEL: @follows
func.func @follows(%x: tensor<?x4xf32>, %w: tensor<4x3xi8>, %r: tensor<?x3xf32>) -> tensor<?x3xf32> {
  // CHECK: %p = pfrt.matmul_integer_to_float %q, %w, %s, %sw a_zero_point(%z : tensor<ui8>) : (tensor<?x4xui8>, tensor<4x3xi8>, tensor<f32>, tensor<3xf32>) -> tensor<?x3xf32>
  // ALL: pfrt.matmul_integer_to_float %q, %w, %s, %sw a_zero_point(%z : tensor<ui8>) bias(%b : tensor<3xf32>) {activation = #pfrt.activation<"relu">}
  %q, %s, %z = pfrt.dynamic_quantize_linear %x : tensor<?x4xf32> -> tensor<?x4xui8>, tensor<f32>, tensor<ui8>
  %sw = pfrt.constant dense<[0.5, 0.25, 1.0]> : tensor<3xf32>
  %b = pfrt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %f = pfrt.mul %sw, %s : (tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  %i = pfrt.matmul_integer %q, %w a_zero_point(%z : tensor<ui8>) : tensor<?x4xui8>, tensor<4x3xi8> -> tensor<?x3xi32>
  %c = pfrt.cast %i {to = f32} : tensor<?x3xi32> -> tensor<?x3xf32>
  %p = pfrt.mul %c, %f : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %y = pfrt.add %p, %b : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  %a = pfrt.relu %y : tensor<?x3xf32> -> tensor<?x3xf32>
  func.return %a : tensor<?x3xf32>
}

// -----

// Scales that were multiplied before, and a residual.
// CHECK-LABEL: @known
func.func @known(%q: tensor<2x4xui8>, %w: tensor<4x3xi8>, %r: tensor<2x3xf32>) -> tensor<2x3xf32> {
  // CHECK: [[ONE:%.*]] = pfrt.constant dense<1.000000e+00> : tensor<f32>
  // CHECK: pfrt.matmul_integer_to_float %q, %w, [[ONE]], %f : (tensor<2x4xui8>, tensor<4x3xi8>, tensor<f32>, tensor<3xf32>) -> tensor<2x3xf32>
  // ALL: pfrt.matmul_integer_to_float {{.*}} plus(%r : tensor<2x3xf32>)
  %f = pfrt.constant dense<[0.5, 0.25, 1.0]> : tensor<3xf32>
  %i = pfrt.matmul_integer %q, %w : tensor<2x4xui8>, tensor<4x3xi8> -> tensor<2x3xi32>
  %c = pfrt.cast %i {to = f32} : tensor<2x3xi32> -> tensor<2x3xf32>
  %p = pfrt.mul %c, %f : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  %y = pfrt.add %r, %p : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}

// -----

// Rows with factors of their own, sums that something else takes, and zero points of rows, stay.
// CHECK-LABEL: @stays
func.func @stays(%q: tensor<3x3xui8>, %w: tensor<3x3xi8>, %f: tensor<3x1xf32>, %g: tensor<f32>, %z: tensor<3xui8>) -> (tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xi32>, tensor<3x3xf32>) {
  // CHECK-NOT: to_float
  %i = pfrt.matmul_integer %q, %w : tensor<3x3xui8>, tensor<3x3xi8> -> tensor<3x3xi32>
  %c = pfrt.cast %i {to = f32} : tensor<3x3xi32> -> tensor<3x3xf32>
  %p = pfrt.mul %c, %f : (tensor<3x3xf32>, tensor<3x1xf32>) -> tensor<3x3xf32>
  %j = pfrt.matmul_integer %q, %w : tensor<3x3xui8>, tensor<3x3xi8> -> tensor<3x3xi32>
  %d = pfrt.cast %j {to = f32} : tensor<3x3xi32> -> tensor<3x3xf32>
  %e = pfrt.mul %d, %g : (tensor<3x3xf32>, tensor<f32>) -> tensor<3x3xf32>
  %k = pfrt.matmul_integer %q, %w a_zero_point(%z : tensor<3xui8>) : tensor<3x3xui8>, tensor<3x3xi8> -> tensor<3x3xi32>
  %l = pfrt.cast %k {to = f32} : tensor<3x3xi32> -> tensor<3x3xf32>
  %m = pfrt.mul %l, %g : (tensor<3x3xf32>, tensor<f32>) -> tensor<3x3xf32>
  func.return %p, %e, %j, %m : tensor<3x3xf32>, tensor<3x3xf32>, tensor<3x3xi32>, tensor<3x3xf32>
}

// -----

// Of a convolution, as quantizers write it: factors and a bias of one element a feature.
// CHECK-LABEL: @convolution
func.func @convolution(%x: tensor<?x2x4xf32>, %w: tensor<3x2x3xi8>, %r: tensor<?x3x4xf32>) -> tensor<?x3x4xf32> {
  // CHECK: [[SW:%.*]] = pfrt.constant dense<[5.000000e-01, 2.500000e-01, 1.000000e+00]> : tensor<3xf32>
  // CHECK: pfrt.conv_integer_to_float %q, %w, %s, [[SW]] x_zero_point(%z : tensor<ui8>) {pads = array<i64: 1, 1>} : (tensor<?x2x4xui8>, tensor<3x2x3xi8>, tensor<f32>, tensor<3xf32>) -> tensor<?x3x4xf32>
  // ALL: [[B:%.*]] = pfrt.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>
  // ALL: pfrt.conv_integer_to_float {{.*}} bias([[B]] : tensor<3xf32>) {{.*}}relu
  %q, %s, %z = pfrt.dynamic_quantize_linear %x : tensor<?x2x4xf32> -> tensor<?x2x4xui8>, tensor<f32>, tensor<ui8>
  %sw = pfrt.constant dense<[[[0.5]], [[0.25]], [[1.0]]]> : tensor<3x1x1xf32>
  %b = pfrt.constant dense<[[[1.0], [2.0], [3.0]]]> : tensor<1x3x1xf32>
  %t = pfrt.constant dense<[[0.5], [0.25], [1.0]]> : tensor<3x1xf32>
  %v = pfrt.constant dense<0> : tensor<i8>
  %f = pfrt.mul %s, %t : (tensor<f32>, tensor<3x1xf32>) -> tensor<3x1xf32>
  %i = pfrt.conv_integer %q, %w x_zero_point(%z : tensor<ui8>) w_zero_point(%v : tensor<i8>) {pads = array<i64: 1, 1>} : tensor<?x2x4xui8>, tensor<3x2x3xi8> -> tensor<?x3x4xi32>
  %c = pfrt.cast %i {to = f32} : tensor<?x3x4xi32> -> tensor<?x3x4xf32>
  %p = pfrt.mul %c, %f : (tensor<?x3x4xf32>, tensor<3x1xf32>) -> tensor<?x3x4xf32>
  %y = pfrt.add %p, %b : (tensor<?x3x4xf32>, tensor<1x3x1xf32>) -> tensor<?x3x4xf32>
  %a = pfrt.relu %y : tensor<?x3x4xf32> -> tensor<?x3x4xf32>
  func.return %a : tensor<?x3x4xf32>
}

// -----

// Factors of positions, and those of features that come with a run, stay.
// CHECK-LABEL: @positions
func.func @positions(%q: tensor<1x3x3xui8>, %w: tensor<3x3x1xi8>, %g: tensor<3x1xf32>) -> (tensor<1x3x3xf32>, tensor<1x3x3xf32>) {
  // CHECK-NOT: to_float
  %f = pfrt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %i = pfrt.conv_integer %q, %w : tensor<1x3x3xui8>, tensor<3x3x1xi8> -> tensor<1x3x3xi32>
  %c = pfrt.cast %i {to = f32} : tensor<1x3x3xi32> -> tensor<1x3x3xf32>
  %p = pfrt.mul %c, %f : (tensor<1x3x3xf32>, tensor<3xf32>) -> tensor<1x3x3xf32>
  %j = pfrt.conv_integer %q, %w : tensor<1x3x3xui8>, tensor<3x3x1xi8> -> tensor<1x3x3xi32>
  %d = pfrt.cast %j {to = f32} : tensor<1x3x3xi32> -> tensor<1x3x3xf32>
  %e = pfrt.mul %d, %g : (tensor<1x3x3xf32>, tensor<3x1xf32>) -> tensor<1x3x3xf32>
  func.return %p, %e : tensor<1x3x3xf32>, tensor<1x3x3xf32>
}
