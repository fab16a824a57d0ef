// RUN: pfrt-opt %s -p 'pfrt-fold-constants{fold-shape-ops=false exclude=Abs}' --split-input-file | filecheck %s

// Shapes of static tensors stay computed when they are to.
func.func @shape(%x: tensor<2x3xf32>) -> tensor<2xi64> {
  %s = pfrt.shape %x : tensor<2x3xf32> -> tensor<2xi64>
  func.return %s : tensor<2xi64>
}
// CHECK-LABEL: @shape
// CHECK-NEXT: pfrt.shape

// -----

// An op type can be excluded too, by the name that ONNX gives it.
func.func @excluded() -> tensor<2xf32> {
  %c = pfrt.constant dense<[-1.0, 2.0]> : tensor<2xf32>
  %a = pfrt.abs %c : tensor<2xf32> -> tensor<2xf32>
  func.return %a : tensor<2xf32>
}
// CHECK-LABEL: @excluded
// CHECK-NEXT: pfrt.constant
// CHECK-NEXT: pfrt.abs
