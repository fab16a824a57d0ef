// RUN: pfrt-opt %s -p 'pfrt-widen-quantization{unknown=true}' --split-input-file | filecheck %s

// Convolutions of images of known sizes are left to machine code; others are of f32, by whatever zero point.
// CHECK-LABEL: @main
func.func @main(%x: tensor<1x2x4x4xui8>, %y: tensor<?x2x4x4xui8>, %u: tensor<1x2x4xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> (tensor<1x2x4x4xf32>, tensor<?x2x4x4xf32>, tensor<1x2x4xf32>) {
  // CHECK: %a = pfrt.conv_integer_to_float %x
  // CHECK: [[Y:%.*]] = pfrt.cast %y
  // CHECK: [[Z:%.*]] = pfrt.cast %z
  // CHECK: [[D:%.*]] = pfrt.sub [[Y]], [[Z]]
  // CHECK: pfrt.conv [[D]]
  // CHECK: pfrt.cast %u
  // CHECK: pfrt.conv {{.*}} -> tensor<1x2x4xf32>
  // CHECK-NOT: pfrt.conv_integer_to_float
  %w = pfrt.constant dense<3> : tensor<2x2x1x1xi8>
  %v = pfrt.constant dense<3> : tensor<2x2x1xi8>
  %a = pfrt.conv_integer_to_float %x, %w, %s, %s x_zero_point(%z : tensor<ui8>) : (tensor<1x2x4x4xui8>, tensor<2x2x1x1xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x4x4xf32>
  %b = pfrt.conv_integer_to_float %y, %w, %s, %s x_zero_point(%z : tensor<ui8>) : (tensor<?x2x4x4xui8>, tensor<2x2x1x1xi8>, tensor<f32>, tensor<f32>) -> tensor<?x2x4x4xf32>
  %c = pfrt.conv_integer_to_float %u, %v, %s, %s : (tensor<1x2x4xui8>, tensor<2x2x1xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x4xf32>
  func.return %a, %b, %c : tensor<1x2x4x4xf32>, tensor<?x2x4x4xf32>, tensor<1x2x4xf32>
}
