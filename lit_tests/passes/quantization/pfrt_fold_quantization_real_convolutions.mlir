// RUN: pfrt-opt %s -p pfrt-fold-quantization --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-fold-quantization,pfrt-fuse-residual,pfrt-fuse-activation' --split-input-file | filecheck %s --check-prefix=ALL

// A convolution to which a residual is added before anything is rounded: the bias as it is, no zero points of 0.
// CHECK-LABEL: @block
// ALL-LABEL: @block
func.func @block(%x: tensor<?x2x4x4xui8>, %r: tensor<?x2x4x4xf32>) -> tensor<?x2x4x4xi8> {
  // CHECK-NOT: pfrt.dequantize_linear
  // CHECK: [[P:%.*]] = pfrt.conv_integer_to_float %x, %w, %s, %sw x_zero_point(%z : tensor<ui8>) bias(%c : tensor<2xf32>) {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x2x4x4xui8>, tensor<2x2x3x3xi8>, tensor<f32>, tensor<2xf32>) -> tensor<?x2x4x4xf32>
  // CHECK-NEXT: pfrt.add [[P]], %r
  // ALL: [[Y:%.*]] = pfrt.relu
  // ALL-NEXT: pfrt.quantize_linear [[Y]]
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<10> : tensor<ui8>
  %v = pfrt.constant dense<0> : tensor<i8>
  %w = pfrt.constant dense<3> : tensor<2x2x3x3xi8>
  %sw = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %zw = pfrt.constant dense<0> : tensor<2xi8>
  %c = pfrt.constant dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf32>
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<?x2x4x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x2x4x4xf32>
  %1 = pfrt.dequantize_linear %w, %sw, %zw {axis = 0 : i64} : (tensor<2x2x3x3xi8>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x2x3x3xf32>
  %2 = pfrt.conv %0, %1, %c {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x2x4x4xf32>, tensor<2x2x3x3xf32>, tensor<2xf32>) -> tensor<?x2x4x4xf32>
  %3 = pfrt.add %2, %r : (tensor<?x2x4x4xf32>, tensor<?x2x4x4xf32>) -> tensor<?x2x4x4xf32>
  %4 = pfrt.relu %3 : tensor<?x2x4x4xf32> -> tensor<?x2x4x4xf32>
  %y = pfrt.quantize_linear %4, %s, %v : (tensor<?x2x4x4xf32>, tensor<f32>, tensor<i8>) -> tensor<?x2x4x4xi8>
  func.return %y : tensor<?x2x4x4xi8>
}

// -----

// What follows the sum goes with it, and groups, and a residual that was there before.
// CHECK-LABEL: @whole
// ALL-LABEL: @whole
func.func @whole(%x: tensor<1x2x4xi8>, %r: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  // CHECK: [[Z:%.*]] = pfrt.constant dense<128> : tensor<ui8>
  // CHECK: pfrt.conv_integer_to_float %x, %w, %s, %sw w_zero_point([[Z]] : tensor<ui8>) plus(%r : tensor<1x2x4xf32>) {group = 2 : i64, {{.*}}relu
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %w = pfrt.constant dense<7> : tensor<2x1x1xui8>
  %sw = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %zw = pfrt.constant dense<128> : tensor<2xui8>
  %0 = pfrt.dequantize_linear %x, %s : (tensor<1x2x4xi8>, tensor<f32>) -> tensor<1x2x4xf32>
  %1 = pfrt.dequantize_linear %w, %sw, %zw {axis = 0 : i64} : (tensor<2x1x1xui8>, tensor<2xf32>, tensor<2xui8>) -> tensor<2x1x1xf32>
  %y = pfrt.conv %0, %1 plus %r {group = 2 : i64, activation = #pfrt.activation<"relu">} : (tensor<1x2x4xf32>, tensor<2x1x1xf32>) plus tensor<1x2x4xf32> -> tensor<1x2x4xf32>
  func.return %y : tensor<1x2x4xf32>
}

// -----

// Weights that are fed, sums that i32 may not hold, and scales of channels of weights stay reals.
// CHECK-LABEL: @stays
// ALL-LABEL: @stays
func.func @stays(%x: tensor<1x2x4xi8>, %w: tensor<2x2x1xi8>, %u: tensor<1x33026x1xui8>) -> (tensor<1x2x4xf32>, tensor<1x1x1xf32>, tensor<1x2x4xf32>) {
  // CHECK-NOT: to_float
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %t = pfrt.constant dense<5.000000e-01> : tensor<2xf32>
  %v = pfrt.constant dense<1> : tensor<1x33026x1xi8>
  %k = pfrt.constant dense<1> : tensor<2x2x1xi8>
  %0 = pfrt.dequantize_linear %x, %s : (tensor<1x2x4xi8>, tensor<f32>) -> tensor<1x2x4xf32>
  %1 = pfrt.dequantize_linear %w, %s : (tensor<2x2x1xi8>, tensor<f32>) -> tensor<2x2x1xf32>
  %a = pfrt.conv %0, %1 : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  %2 = pfrt.dequantize_linear %u, %s : (tensor<1x33026x1xui8>, tensor<f32>) -> tensor<1x33026x1xf32>
  %3 = pfrt.dequantize_linear %v, %s : (tensor<1x33026x1xi8>, tensor<f32>) -> tensor<1x33026x1xf32>
  %b = pfrt.conv %2, %3 : (tensor<1x33026x1xf32>, tensor<1x33026x1xf32>) -> tensor<1x1x1xf32>
  %4 = pfrt.dequantize_linear %k, %t {axis = 1 : i64} : (tensor<2x2x1xi8>, tensor<2xf32>) -> tensor<2x2x1xf32>
  %c = pfrt.conv %0, %4 : (tensor<1x2x4xf32>, tensor<2x2x1xf32>) -> tensor<1x2x4xf32>
  func.return %a, %b, %c : tensor<1x2x4xf32>, tensor<1x1x1xf32>, tensor<1x2x4xf32>
}
