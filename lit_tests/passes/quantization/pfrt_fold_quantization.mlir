// RUN: pfrt-opt %s -p pfrt-fold-quantization --split-input-file | filecheck %s

// A convolution with a bias in the scale of its sums; relu is what saturation at the zero point 0 does.
func.func @conv(%x: tensor<1x2x4x4xui8>) -> tensor<1x1x3x3xui8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %w = pfrt.constant dense<1> : tensor<1x2x2x2xi8>
  %sw = pfrt.constant dense<2.500000e-01> : tensor<1xf32>
  %zw = pfrt.constant dense<0> : tensor<1xi8>
  %b = pfrt.constant dense<7> : tensor<1xi32>
  %sb = pfrt.constant dense<1.250000e-01> : tensor<1xf32>
  %zy = pfrt.constant dense<0> : tensor<ui8>
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x2x4x4xf32>
  %1 = pfrt.dequantize_linear %w, %sw, %zw {axis = 0 : i64} : (tensor<1x2x2x2xi8>, tensor<1xf32>, tensor<1xi8>) -> tensor<1x2x2x2xf32>
  %2 = pfrt.dequantize_linear %b, %sb {axis = 0 : i64} : (tensor<1xi32>, tensor<1xf32>) -> tensor<1xf32>
  %3 = pfrt.conv %0, %1, %2 : (tensor<1x2x4x4xf32>, tensor<1x2x2x2xf32>, tensor<1xf32>) -> tensor<1x1x3x3xf32>
  %4 = pfrt.relu %3 : tensor<1x1x3x3xf32> -> tensor<1x1x3x3xf32>
  %y = pfrt.quantize_linear %4, %s, %zy as "y" : (tensor<1x1x3x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<1x1x3x3xui8>
  func.return %y : tensor<1x1x3x3xui8>
}
// CHECK-LABEL: @conv
// CHECK-NOT: pfrt.dequantize_linear
// CHECK: [[B:%y.*]] = pfrt.constant dense<7> : tensor<1xi32>
// CHECK-NEXT: [[Y:%.*]] = pfrt.qlinear_conv %x, %s, %z, %w, %sw, %zw, %s, %zy, [[B]] as "y" :
// CHECK-NEXT: func.return [[Y]]

// -----

// A gemm with a bias of reals, bounded to [0, 6]: round(6 / 0.5) + 10 and 10 are bounds of integers.
func.func @gemm(%x: tensor<?x3xui8>) -> tensor<?x2xui8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<10> : tensor<ui8>
  %w = pfrt.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi8>
  %c = pfrt.constant dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf32>
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<?x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x3xf32>
  %1 = pfrt.dequantize_linear %w, %s : (tensor<2x3xi8>, tensor<f32>) -> tensor<2x3xf32>
  %2 = pfrt.gemm %0, %1, %c {trans_b = true} : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %3 = pfrt.clip %2 {min = 0.000000e+00 : f32, max = 6.000000e+00 : f32} : tensor<?x2xf32> -> tensor<?x2xf32>
  %y = pfrt.quantize_linear %3, %s, %z : (tensor<?x2xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x2xui8>
  func.return %y : tensor<?x2xui8>
}
// CHECK-LABEL: @gemm
// CHECK: pfrt.constant dense<{{\[\[}}1, 4], [2, 5], [3, 6]]> : tensor<3x2xi8>
// CHECK: pfrt.constant dense<[4, -8]> : tensor<2xi32>
// CHECK: [[P:%.*]] = pfrt.qlinear_matmul %x,
// CHECK-NEXT: pfrt.clip [[P]] {min = 10 : ui8, max = 22 : ui8} : tensor<?x2xui8>

// -----

// Two activations are multiplied too; a scale for each row of the first is not one for all sums.
func.func @matmul(%a: tensor<2x3xui8>, %b: tensor<3x4xui8>) -> (tensor<2x4xui8>, tensor<2x4xui8>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %r = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %z = pfrt.constant dense<10> : tensor<ui8>
  %0 = pfrt.dequantize_linear %a, %s, %z : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x3xf32>
  %1 = pfrt.dequantize_linear %b, %s, %z : (tensor<3x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<3x4xf32>
  %2 = pfrt.matmul %0, %1 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  %y = pfrt.quantize_linear %2, %s, %z : (tensor<2x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x4xui8>
  %3 = pfrt.dequantize_linear %a, %r {axis = 0 : i64} : (tensor<2x3xui8>, tensor<2xf32>) -> tensor<2x3xf32>
  %4 = pfrt.matmul %3, %1 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  %u = pfrt.quantize_linear %4, %s, %z : (tensor<2x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x4xui8>
  func.return %y, %u : tensor<2x4xui8>, tensor<2x4xui8>
}
// CHECK-LABEL: @matmul
// CHECK: pfrt.qlinear_matmul %a, {{.*}}, %b
// CHECK: pfrt.matmul

// -----

// What moves elements of one scale moves integers; what is quantized as it was is nothing.
func.func @moves(%a: tensor<2x3xui8>, %b: tensor<2x3xui8>) -> tensor<12xui8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<10> : tensor<ui8>
  %0 = pfrt.dequantize_linear %a, %s, %z : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x3xf32>
  %1 = pfrt.dequantize_linear %b, %s, %z : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x3xf32>
  %2 = pfrt.concat %0, %1 {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
  %3 = pfrt.quantize_linear %2, %s, %z : (tensor<4x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  %4 = pfrt.dequantize_linear %3, %s, %z : (tensor<4x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x3xf32>
  %5 = pfrt.quantize_linear %4, %s, %z : (tensor<4x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<4x3xui8>
  %6 = pfrt.dequantize_linear %5, %s, %z : (tensor<4x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x3xf32>
  %7 = pfrt.reshape %6 {shape = array<i64: 12>} : (tensor<4x3xf32>) -> tensor<12xf32>
  %8 = pfrt.quantize_linear %7, %s, %z : (tensor<12xf32>, tensor<f32>, tensor<ui8>) -> tensor<12xui8>
  func.return %8 : tensor<12xui8>
}
// CHECK-LABEL: @moves
// CHECK: [[C:%.*]] = pfrt.concat %a, %b {axis = 0 : i64} : (tensor<2x3xui8>, tensor<2x3xui8>) -> tensor<4x3xui8>
// CHECK-NEXT: pfrt.reshape [[C]]
// CHECK-NEXT: func.return

// -----

// A product that has another use stays one of reals, and so does a movement between two scales.
func.func @kept(%a: tensor<2x3xui8>) -> (tensor<2x3xui8>, tensor<2x3xf32>, tensor<6xui8>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %t = pfrt.constant dense<2.500000e-01> : tensor<f32>
  %z = pfrt.constant dense<10> : tensor<ui8>
  %w = pfrt.constant dense<1> : tensor<3x3xi8>
  %0 = pfrt.dequantize_linear %a, %s, %z : (tensor<2x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x3xf32>
  %1 = pfrt.dequantize_linear %w, %s : (tensor<3x3xi8>, tensor<f32>) -> tensor<3x3xf32>
  %2 = pfrt.matmul %0, %1 : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  %y = pfrt.quantize_linear %2, %s, %z : (tensor<2x3xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x3xui8>
  %3 = pfrt.reshape %0 {shape = array<i64: 6>} : (tensor<2x3xf32>) -> tensor<6xf32>
  %u = pfrt.quantize_linear %3, %t, %z : (tensor<6xf32>, tensor<f32>, tensor<ui8>) -> tensor<6xui8>
  func.return %y, %2, %u : tensor<2x3xui8>, tensor<2x3xf32>, tensor<6xui8>
}
// CHECK-LABEL: @kept
// CHECK: pfrt.matmul
// CHECK: pfrt.reshape {{.*}} -> tensor<6xf32>
