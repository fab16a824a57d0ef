// RUN: pfrt-opt %s -p "pfrt-layout{compiled=true}" --split-input-file | filecheck %s

// Between convolutions a transposed one of known sizes and weights is compiled as they are: nothing is turned.
func.func @between(%x: tensor<1x32x16x16xf32>) -> tensor<1x32x32x32xf32> {
  %w = pfrt.constant dense<0.5> : tensor<32x32x3x3xf32>
  %v = pfrt.constant dense<0.5> : tensor<32x32x2x2xf32>
  %a = pfrt.conv %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x32x16x16xf32>, tensor<32x32x3x3xf32>) -> tensor<1x32x16x16xf32>
  %t = pfrt.conv_transpose %a, %v {strides = array<i64: 2, 2>} : (tensor<1x32x16x16xf32>, tensor<32x32x2x2xf32>) -> tensor<1x32x32x32xf32>
  %y = pfrt.conv %t, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x32x32x32xf32>, tensor<32x32x3x3xf32>) -> tensor<1x32x32x32xf32>
  func.return %y : tensor<1x32x32x32xf32>
}
// CHECK-LABEL: @between
// CHECK: pfrt.conv {{.*}}layout = "nhwc"
// CHECK-NEXT: pfrt.conv_transpose {{.*}}layout = "nhwc"
// CHECK-NEXT: pfrt.conv {{.*}}layout = "nhwc"

// -----

// In groups, with taps that lie apart, or without a tap for some results it is not compiled, and stays.
func.func @others(%x: tensor<1x32x64x64xf32>) -> (tensor<1x32x128x128xf32>, tensor<1x32x129x129xf32>, tensor<1x32x127x127xf32>) {
  %v = pfrt.constant dense<0.5> : tensor<32x16x2x2xf32>
  %w = pfrt.constant dense<0.5> : tensor<32x32x2x2xf32>
  %u = pfrt.constant dense<0.5> : tensor<32x32x1x1xf32>
  %a = pfrt.conv_transpose %x, %v {group = 2 : i64, strides = array<i64: 2, 2>} : (tensor<1x32x64x64xf32>, tensor<32x16x2x2xf32>) -> tensor<1x32x128x128xf32>
  %b = pfrt.conv_transpose %x, %w {dilations = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<1x32x64x64xf32>, tensor<32x32x2x2xf32>) -> tensor<1x32x129x129xf32>
  %c = pfrt.conv_transpose %x, %u {strides = array<i64: 2, 2>} : (tensor<1x32x64x64xf32>, tensor<32x32x1x1xf32>) -> tensor<1x32x127x127xf32>
  func.return %a, %b, %c : tensor<1x32x128x128xf32>, tensor<1x32x129x129xf32>, tensor<1x32x127x127xf32>
}
// CHECK-LABEL: @others
// CHECK-NOT: nhwc
