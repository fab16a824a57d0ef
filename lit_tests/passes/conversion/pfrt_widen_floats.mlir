// RUN: pfrt-opt %s -p pfrt-widen-floats --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-widen-floats{regions=true}' --split-input-file | filecheck %s --check-prefix=REGIONS

// A product is computed in f32 and rounded once; a constant is widened once and for all.
func.func @main(%x: tensor<2x3xf16>) -> tensor<2x4xf16> {
  %w = pfrt.constant dense<1.5> : tensor<3x4xf16>
  %y = pfrt.matmul %x, %w as "y" : tensor<2x3xf16>, tensor<3x4xf16> -> tensor<2x4xf16>
  func.return %y : tensor<2x4xf16>
}
// CHECK: [[X:%.*]] = pfrt.cast %x {to = f32}
// CHECK-NEXT: [[W:%.*]] = pfrt.constant dense<1.500000e+00> : tensor<3x4xf32>
// CHECK-NEXT: %y = pfrt.matmul [[X]], [[W]] as "y" : {{.*}} -> tensor<2x4xf32>
// CHECK-NEXT: [[Y:%.*]] = pfrt.cast %y {to = f16}
// CHECK-NEXT: func.return [[Y]]

// -----

// Elementwise ops between others are worth no conversions, but none are needed where values stay f32.
func.func @main(%x: tensor<4x4xbf16>, %b: tensor<4x4xbf16>) -> tensor<4x4xbf16> {
  %a = pfrt.softmax %x : tensor<4x4xbf16> -> tensor<4x4xbf16>
  %c = pfrt.add %a, %b : (tensor<4x4xbf16>, tensor<4x4xbf16>) -> tensor<4x4xbf16>
  %t = pfrt.transpose %c {perm = array<i64: 1, 0>} : tensor<4x4xbf16> -> tensor<4x4xbf16>
  %y = pfrt.softmax %t : tensor<4x4xbf16> -> tensor<4x4xbf16>
  func.return %y : tensor<4x4xbf16>
}
// CHECK: pfrt.cast {{.*}} {to = bf16}
// CHECK: pfrt.add {{.*}} -> tensor<4x4xbf16>
// CHECK: pfrt.transpose {{.*}} -> tensor<4x4xbf16>
// REGIONS: pfrt.softmax
// REGIONS-NEXT: pfrt.cast %b {to = f32}
// REGIONS-NEXT: pfrt.add {{.*}} -> tensor<4x4xf32>
// REGIONS-NEXT: pfrt.transpose {{.*}} -> tensor<4x4xf32>
// REGIONS-NEXT: pfrt.softmax
// REGIONS-NEXT: pfrt.cast {{.*}} {to = bf16}

// -----

// What is only moved stays narrow.
func.func @main(%x: tensor<2x3xf16>) -> tensor<3x2xf16> {
  %y = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<2x3xf16> -> tensor<3x2xf16>
  func.return %y : tensor<3x2xf16>
}
// REGIONS: func.func
// REGIONS-NEXT: pfrt.transpose {{.*}} -> tensor<3x2xf16>

// -----

// Other types stay what they are, and so do the casts of the model.
func.func @main(%x: tensor<2x2xf64>) -> tensor<2x2xf16> {
  %a = pfrt.matmul %x, %x : tensor<2x2xf64>, tensor<2x2xf64> -> tensor<2x2xf64>
  %y = pfrt.cast %a {to = f16} : tensor<2x2xf64> -> tensor<2x2xf16>
  func.return %y : tensor<2x2xf16>
}
// REGIONS: pfrt.matmul {{.*}} -> tensor<2x2xf64>
// REGIONS-NEXT: pfrt.cast {{.*}} tensor<2x2xf64> -> tensor<2x2xf16>

// -----

// Ops that are fused come out of their region, to meet those around.
func.func @main(%x: tensor<4xf16>) -> tensor<4xf16> {
  %f = pfrt.fused(%x) -> (tensor<4xf16>) as "f" {
  ^bb0(%p: tensor<4xf16>):
    %s = pfrt.mul %p, %p : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
    %v = pfrt.tanh %s : tensor<4xf16> -> tensor<4xf16>
    pfrt.yield %v : tensor<4xf16>
  } : (tensor<4xf16>)
  func.return %f : tensor<4xf16>
}
// CHECK: pfrt.fused
// REGIONS: pfrt.cast %x {to = f32}
// REGIONS-NEXT: pfrt.mul
// REGIONS-NEXT: pfrt.tanh {{.*}} as "f" {{.*}} -> tensor<4xf32>
// REGIONS-NEXT: pfrt.cast {{.*}} {to = f16}
