// RUN: pfrt-opt %s -p "pfrt-layout{compiled=true}" --split-input-file | filecheck %s

// Between quantization and dequantization bytes stay as they are for all layers; they are turned where
// they are bytes.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x3x3xi8>) -> tensor<1x8x2x2xf32> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %v = pfrt.constant dense<0> : tensor<i8>
  %a = pfrt.quantize_linear %x, %s, %z : (tensor<1x8x4x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<1x8x4x4xui8>
  %b = pfrt.qlinear_conv %a, %s, %z, %w, %s, %v, %s, %z {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<8x8x3x3xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x8x4x4xui8>
  %c = pfrt.qlinear_add %a, %s, %z, %b, %s, %z, %s, %z : (tensor<1x8x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<1x8x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x8x4x4xui8>
  %d = pfrt.max_pool %c {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<1x8x4x4xui8> -> tensor<1x8x2x2xui8>
  %y = pfrt.dequantize_linear %d, %s, %z : (tensor<1x8x2x2xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x8x2x2xf32>
  func.return %y : tensor<1x8x2x2xf32>
}
// CHECK: %a = pfrt.quantize_linear %x
// CHECK-NEXT: [[A:%.*]] = pfrt.transpose %a {perm = array<i64: 0, 2, 3, 1>} : tensor<1x8x4x4xui8>
// CHECK-NEXT: %b = pfrt.qlinear_conv [[A]], {{.*}} {pads = array<i64: 1, 1, 1, 1>, layout = "nhwc"}
// CHECK-NEXT: %c = pfrt.qlinear_add [[A]], %s, %z, %b,
// CHECK-NEXT: [[D:%.*]] = pfrt.max_pool %c {{.*}}layout = "nhwc"
// CHECK-NEXT: %d = pfrt.transpose [[D]] {perm = array<i64: 0, 3, 1, 2>} : tensor<1x2x2x8xui8>
// CHECK-NEXT: %y = pfrt.dequantize_linear %d

// -----

// Scales a channel go with the channels.
func.func @main(%x: tensor<1x8x4x4xui8>, %w: tensor<8x8x1x1xi8>, %t: tensor<8xf32>) -> tensor<1x8x4x4xi32> {
  %m = pfrt.max_pool %x {kernel_shape = array<i64: 1, 1>} : tensor<1x8x4x4xui8> -> tensor<1x8x4x4xui8>
  %a = pfrt.dequantize_linear %m, %t : (tensor<1x8x4x4xui8>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
  %q = pfrt.quantize_linear %a, %t {axis = -3 : i64} : (tensor<1x8x4x4xf32>, tensor<8xf32>) -> tensor<1x8x4x4xui8>
  %y = pfrt.conv_integer %q, %w : tensor<1x8x4x4xui8>, tensor<8x8x1x1xi8> -> tensor<1x8x4x4xi32>
  func.return %y : tensor<1x8x4x4xi32>
}
// CHECK: pfrt.transpose %x
// CHECK-NEXT: %m = pfrt.max_pool
// CHECK-NEXT: %a = pfrt.dequantize_linear %m, %t {axis = 3 : i64{{.*}}tensor<1x4x4x8xf32>
// CHECK-NEXT: %q = pfrt.quantize_linear %a, %t {axis = 3 : i64
// CHECK-NEXT: [[Y:%.*]] = pfrt.conv_integer %q, %w {layout = "nhwc"}
// CHECK-NEXT: %y = pfrt.transpose [[Y]]

// -----

// Data that are measured in a run, residuals and results of reals lie as the bytes between them do.
func.func @main(%x: tensor<1x8x4x4xf32>, %w: tensor<8x8x3x3xi8>, %t: tensor<8xf32>) -> tensor<1x8x4x4xf32> {
  %q, %s, %z = pfrt.dynamic_quantize_linear %x : tensor<1x8x4x4xf32> -> tensor<1x8x4x4xui8>, tensor<f32>, tensor<ui8>
  %y = pfrt.conv_integer_to_float %q, %w, %s, %t x_zero_point(%z : tensor<ui8>) plus(%x : tensor<1x8x4x4xf32>) {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x4x4xui8>, tensor<8x8x3x3xi8>, tensor<f32>, tensor<8xf32>) -> tensor<1x8x4x4xf32>
  func.return %y : tensor<1x8x4x4xf32>
}
// CHECK: [[X:%.*]] = pfrt.transpose %x
// CHECK-NEXT: %q, %s, %z = pfrt.dynamic_quantize_linear [[X]] : tensor<1x4x4x8xf32> -> tensor<1x4x4x8xui8>, tensor<f32>, tensor<ui8>
// CHECK-NEXT: [[Y:%.*]] = pfrt.conv_integer_to_float %q, %w, %s, %t x_zero_point(%z : tensor<ui8>) plus([[X]] : tensor<1x4x4x8xf32>) {{.*}}layout = "nhwc"
// CHECK-NEXT: %y = pfrt.transpose [[Y]]
