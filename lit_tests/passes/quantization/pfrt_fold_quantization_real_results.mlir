// RUN: pfrt-opt %s -p pfrt-fold-quantization --split-input-file | filecheck %s

// A gemm whose sums nobody rounds: weights are turned, a scale a column, zeros left out, the bias as it is.
func.func @gemm(%x: tensor<?x3xui8>) -> tensor<?x2xf32> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<10> : tensor<ui8>
  %w = pfrt.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi8>
  %sw = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %zw = pfrt.constant dense<0> : tensor<2xi8>
  %c = pfrt.constant dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf32>
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<?x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<?x3xf32>
  %1 = pfrt.dequantize_linear %w, %sw, %zw {axis = 0 : i64} : (tensor<2x3xi8>, tensor<2xf32>, tensor<2xi8>) -> tensor<2x3xf32>
  %2 = pfrt.gemm %0, %1, %c {trans_b = true} : (tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %y = pfrt.relu %2 as "y" : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
// CHECK-LABEL: @gemm
// CHECK-NOT: pfrt.dequantize_linear
// CHECK: [[W:%.*]] = pfrt.constant dense<{{\[\[}}1, 4], [2, 5], [3, 6]]> : tensor<3x2xi8>
// CHECK-NEXT: [[P:%.*]] = pfrt.matmul_integer_to_float %x, [[W]], %s, %sw a_zero_point(%z : tensor<ui8>) bias(%c : tensor<2xf32>) :
// CHECK-NEXT: pfrt.relu [[P]] as "y"

// -----

// A matmul with all that can follow it, and one zero point in the place of equal ones.
func.func @matmul(%x: tensor<2x4x3xi8>, %r: tensor<2x4x2xf32>) -> tensor<2x4x2xf32> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<0> : tensor<i8>
  %w = pfrt.constant dense<7> : tensor<3x2xui8>
  %sw = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %zw = pfrt.constant dense<128> : tensor<2xui8>
  %c = pfrt.constant dense<[1.000000e+00, -2.000000e+00]> : tensor<2xf32>
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<2x4x3xi8>, tensor<f32>, tensor<i8>) -> tensor<2x4x3xf32>
  %1 = pfrt.dequantize_linear %w, %sw, %zw {axis = 1 : i64} : (tensor<3x2xui8>, tensor<2xf32>, tensor<2xui8>) -> tensor<3x2xf32>
  %y = pfrt.matmul %0, %1 bias %c plus %r {activation = #pfrt.activation<"relu">} : tensor<2x4x3xf32>, tensor<3x2xf32> bias tensor<2xf32> plus tensor<2x4x2xf32> -> tensor<2x4x2xf32>
  func.return %y : tensor<2x4x2xf32>
}
// CHECK-LABEL: @matmul
// CHECK: [[Z:%.*]] = pfrt.constant dense<128> : tensor<ui8>
// CHECK: pfrt.matmul_integer_to_float %x, %w, %s, %sw b_zero_point([[Z]] : tensor<ui8>) bias(%c : tensor<2xf32>) plus(%r : tensor<2x4x2xf32>) {{.*}}relu

// -----

// What is added to all columns alike becomes a vector; what is of the result's shape a residual.
func.func @addends(%x: tensor<2x3xui8>, %r: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %w = pfrt.constant dense<7> : tensor<3x2xi8>
  %c = pfrt.constant dense<3.000000e+00> : tensor<f32>
  %0 = pfrt.dequantize_linear %x, %s : (tensor<2x3xui8>, tensor<f32>) -> tensor<2x3xf32>
  %1 = pfrt.dequantize_linear %w, %s : (tensor<3x2xi8>, tensor<f32>) -> tensor<3x2xf32>
  %y = pfrt.gemm %0, %1, %c : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %u = pfrt.gemm %0, %1, %r : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %y, %u : tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-LABEL: @addends
// CHECK: [[C:%.*]] = pfrt.constant dense<3.000000e+00> : tensor<2xf32>
// CHECK-NEXT: pfrt.matmul_integer_to_float %x, %w, %s, %s bias([[C]] : tensor<2xf32>)
// CHECK-NEXT: pfrt.matmul_integer_to_float %x, %w, %s, %s plus(%r : tensor<2x2xf32>)

// -----

// Floats stay where a factor is not quantized, or no constant, where a row has a scale of its own, or
// where what is added is neither a bias nor a residual.
func.func @kept(%a: tensor<2x3xui8>, %b: tensor<3x4xui8>, %f: tensor<2x3xf32>, %r: tensor<2x1xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %t = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %w = pfrt.constant dense<7> : tensor<3x4xi8>
  %0 = pfrt.dequantize_linear %a, %s : (tensor<2x3xui8>, tensor<f32>) -> tensor<2x3xf32>
  %1 = pfrt.dequantize_linear %b, %s : (tensor<3x4xui8>, tensor<f32>) -> tensor<3x4xf32>
  %2 = pfrt.dequantize_linear %w, %s : (tensor<3x4xi8>, tensor<f32>) -> tensor<3x4xf32>
  %3 = pfrt.dequantize_linear %a, %t {axis = 0 : i64} : (tensor<2x3xui8>, tensor<2xf32>) -> tensor<2x3xf32>
  %4 = pfrt.matmul %f, %2 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  %5 = pfrt.matmul %0, %1 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  %6 = pfrt.matmul %3, %2 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  %7 = pfrt.gemm %0, %2, %r : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  func.return %4, %5, %6, %7 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
// CHECK-LABEL: @kept
// CHECK-NOT: integer_to_float
// CHECK: func.return
