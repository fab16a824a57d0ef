// RUN: pfrt-opt %s -p pfrt-recognize-normalization,pfrt-canonicalize --split-input-file | filecheck %s

// Layer normalization as TorchScript exports it.
func.func @layer(%x: tensor<?x?x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x?x8xf32> {
  %two = pfrt.constant dense<2.0> : tensor<f32>
  %eps = pfrt.constant dense<1.0e-05> : tensor<f32>
  %m = pfrt.reduce_mean %x {axes = array<i64: -1>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %d = pfrt.sub %x, %m : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %p = pfrt.pow %d, %two : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %v = pfrt.reduce_mean %p {axes = array<i64: 2>} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %a = pfrt.add %v, %eps : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %s = pfrt.sqrt %a : tensor<?x?x1xf32> -> tensor<?x?x1xf32>
  %n = pfrt.div %d, %s : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %t = pfrt.mul %n, %w : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %y = pfrt.add %t, %b : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  func.return %y : tensor<?x?x8xf32>
}
// CHECK-LABEL: @layer
// CHECK-NEXT: pfrt.layer_normalization %x, %w, %b {axis = 2 : i64}
// CHECK-NEXT: func.return

// -----

// A factor that varies along another axis is no scale: it stays behind a normalization without one.
func.func @other_axis(%x: tensor<4x8xf32>, %w: tensor<4x1xf32>) -> tensor<4x8xf32> {
  %eps = pfrt.constant dense<1.0e-05> : tensor<f32>
  %m = pfrt.reduce_mean %x {axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %d = pfrt.sub %x, %m : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %p = pfrt.mul %d, %d : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %v = pfrt.reduce_mean %p {axes = array<i64: 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  %a = pfrt.add %v, %eps : (tensor<4x1xf32>, tensor<f32>) -> tensor<4x1xf32>
  %s = pfrt.sqrt %a : tensor<4x1xf32> -> tensor<4x1xf32>
  %n = pfrt.div %d, %s : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %y = pfrt.mul %n, %w : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  func.return %y : tensor<4x8xf32>
}
// CHECK-LABEL: @other_axis
// CHECK: %n = pfrt.layer_normalization %x, %{{.*}} {axis = 1 : i64}
// CHECK-NEXT: pfrt.mul %n, %w

// -----

// Statistics along axes that are not the last ones are another normalization.
func.func @first_axis(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %eps = pfrt.constant dense<1.0e-05> : tensor<f32>
  %p = pfrt.mul %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %v = pfrt.reduce_mean %p {axes = array<i64: 0>} : (tensor<4x8xf32>) -> tensor<1x8xf32>
  %a = pfrt.add %v, %eps : (tensor<1x8xf32>, tensor<f32>) -> tensor<1x8xf32>
  %s = pfrt.sqrt %a : tensor<1x8xf32> -> tensor<1x8xf32>
  %y = pfrt.div %x, %s : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  func.return %y : tensor<4x8xf32>
}
// CHECK-LABEL: @first_axis
// CHECK-NOT: rms_normalization

// -----

// The root mean square of f16, computed in f32 as language models do.
func.func @rms(%x: tensor<?x8xf16>, %w: tensor<8xf16>) -> tensor<?x8xf16> {
  %two = pfrt.constant dense<2.0> : tensor<f32>
  %eps = pfrt.constant dense<1.0e-06> : tensor<f32>
  %c = pfrt.cast %x {to = f32} : tensor<?x8xf16> -> tensor<?x8xf32>
  %p = pfrt.pow %c, %two : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %v = pfrt.reduce_mean %p {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %a = pfrt.add %v, %eps : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
  %s = pfrt.sqrt %a : tensor<?x1xf32> -> tensor<?x1xf32>
  %r = pfrt.reciprocal %s : tensor<?x1xf32> -> tensor<?x1xf32>
  %n = pfrt.mul %c, %r : (tensor<?x8xf32>, tensor<?x1xf32>) -> tensor<?x8xf32>
  %h = pfrt.cast %n {to = f16} : tensor<?x8xf32> -> tensor<?x8xf16>
  %y = pfrt.mul %w, %h : (tensor<8xf16>, tensor<?x8xf16>) -> tensor<?x8xf16>
  func.return %y : tensor<?x8xf16>
}
// CHECK-LABEL: @rms
// CHECK-NEXT: pfrt.rms_normalization %x, %w {axis = 1 : i64
// CHECK-NEXT: func.return
