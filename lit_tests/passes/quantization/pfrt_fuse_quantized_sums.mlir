// RUN: pfrt-opt %s -p pfrt-fuse-quantized-sums --split-input-file | filecheck %s

// A residual sum; relu is what saturation at the zero point 0 does.
func.func @sum(%x: tensor<1x4xui8>, %w: tensor<1x4xui8>) -> tensor<1x4xui8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %zy = pfrt.constant dense<0> : tensor<ui8>
  %0 = pfrt.dequantize_linear %x, %s, %z : (tensor<1x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4xf32>
  %1 = pfrt.dequantize_linear %w, %s, %zy : (tensor<1x4xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x4xf32>
  %2 = pfrt.add %0, %1 : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %3 = pfrt.relu %2 : tensor<1x4xf32> -> tensor<1x4xf32>
  %y = pfrt.quantize_linear %3, %s, %zy as "y" : (tensor<1x4xf32>, tensor<f32>, tensor<ui8>) -> tensor<1x4xui8>
  func.return %y : tensor<1x4xui8>
}
// CHECK-LABEL: @sum
// CHECK-NOT: pfrt.dequantize_linear
// CHECK: [[Y:%.*]] = pfrt.qlinear_add %x, %s, %z, %w, %s, %zy, %s, %zy as "y" :
// CHECK-NEXT: func.return [[Y]]

// -----

// A region is taken apart; what bounds more than the type does is a clip; absent zero points are 0; the
// other use of a dequantized tensor stays.
func.func @region(%x: tensor<2xi8>, %w: tensor<2xi8>) -> (tensor<2xi8>, tensor<2xf32>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<-100> : tensor<i8>
  %0 = pfrt.dequantize_linear %x, %s : (tensor<2xi8>, tensor<f32>) -> tensor<2xf32>
  %1 = pfrt.dequantize_linear %w, %s : (tensor<2xi8>, tensor<f32>) -> tensor<2xf32>
  %2 = pfrt.fused(%0, %1) -> (tensor<2xf32>) {
  ^bb0(%a: tensor<2xf32>, %b: tensor<2xf32>):
    %c = pfrt.add %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %d = pfrt.relu %c : tensor<2xf32> -> tensor<2xf32>
    pfrt.yield %d : tensor<2xf32>
  } : (tensor<2xf32>, tensor<2xf32>)
  %y = pfrt.quantize_linear %2, %s, %z : (tensor<2xf32>, tensor<f32>, tensor<i8>) -> tensor<2xi8>
  func.return %y, %1 : tensor<2xi8>, tensor<2xf32>
}
// CHECK-LABEL: @region
// CHECK: [[R:%.*]] = pfrt.dequantize_linear %w
// CHECK: [[Q:%.*]] = pfrt.qlinear_add %x, %s, {{%.*}}, %w, %s, {{%.*}}, %s, %z :
// CHECK-NEXT: [[Y:%.*]] = pfrt.clip [[Q]] {min = -100 : i8, max = 127 : i8}
// CHECK-NEXT: func.return [[Y]], [[R]]

// -----

// What broadcasts, and what has a scale a slice, stays.
func.func @stays(%x: tensor<2x3xi8>, %w: tensor<1x3xi8>) -> tensor<2x3xi8> {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %z = pfrt.constant dense<0> : tensor<i8>
  %0 = pfrt.dequantize_linear %x, %s : (tensor<2x3xi8>, tensor<f32>) -> tensor<2x3xf32>
  %1 = pfrt.dequantize_linear %w, %s : (tensor<1x3xi8>, tensor<f32>) -> tensor<1x3xf32>
  %2 = pfrt.add %0, %1 : (tensor<2x3xf32>, tensor<1x3xf32>) -> tensor<2x3xf32>
  %y = pfrt.quantize_linear %2, %s, %z : (tensor<2x3xf32>, tensor<f32>, tensor<i8>) -> tensor<2x3xi8>
  func.return %y : tensor<2x3xi8>
}
// CHECK-LABEL: @stays
// CHECK: pfrt.quantize_linear

// -----

// Of two convolutions the later one takes the sum; one whose weights are not known does not.
func.func @block(%x: tensor<1x2x4x4xui8>, %w: tensor<2x2x1x1xi8>) -> (tensor<1x2x4x4xui8>, tensor<1x2x4x4xui8>) {
  %s = pfrt.constant dense<5.000000e-01> : tensor<f32>
  %t = pfrt.constant dense<2.500000e-01> : tensor<f32>
  %z = pfrt.constant dense<3> : tensor<ui8>
  %zw = pfrt.constant dense<0> : tensor<i8>
  %v = pfrt.constant dense<1> : tensor<2x2x1x1xi8>
  %b = pfrt.constant dense<7> : tensor<2xi32>
  %0 = pfrt.qlinear_conv %x, %s, %z, %v, %s, %zw, %t, %z, %b : (tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x1x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>, tensor<2xi32>) -> tensor<1x2x4x4xui8>
  %1 = pfrt.qlinear_conv %x, %s, %z, %v, %s, %zw, %s, %z : (tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x1x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x2x4x4xui8>
  %2 = pfrt.qlinear_add %0, %t, %z, %1, %s, %z, %s, %z : (tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x2x4x4xui8>
  %3 = pfrt.qlinear_conv %2, %s, %z, %w, %s, %zw, %s, %z : (tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<2x2x1x1xi8>, tensor<f32>, tensor<i8>, tensor<f32>, tensor<ui8>) -> tensor<1x2x4x4xui8>
  %4 = pfrt.qlinear_add %x, %s, %z, %3, %s, %z, %s, %z : (tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<1x2x4x4xui8>, tensor<f32>, tensor<ui8>, tensor<f32>, tensor<ui8>) -> tensor<1x2x4x4xui8>
  func.return %2, %4 : tensor<1x2x4x4xui8>, tensor<1x2x4x4xui8>
}
// CHECK-LABEL: @block
// CHECK: %0 = pfrt.qlinear_conv %x
// CHECK-NEXT: %1 = pfrt.qlinear_conv_add %x, %s, %z, %v, %s, %zw, %s, %z, %0, %t, %z, %s, %z :
// CHECK-NEXT: %2 = pfrt.qlinear_conv %1
// CHECK-NEXT: %3 = pfrt.qlinear_add %x, %s, %z, %2,
