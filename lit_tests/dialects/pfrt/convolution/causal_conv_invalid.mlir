// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// All are floats of one type.
func.func @f(%x: tensor<2x4x8xf32>, %w: tensor<4x1x3xf16>) {
  %0, %1 = pfrt.causal_conv_with_state %x, %w : tensor<2x4x8xf32>, tensor<4x1x3xf16> -> tensor<2x4x8xf32>, tensor<2x4x2xf32>
  func.return
}
// CHECK: pfrt.causal_conv_with_state: C1: needs one element type, got f32, f16

// -----

// A window of nothing.
func.func @f(%x: tensor<2x4x8xf32>, %w: tensor<4x1x0xf32>) {
  %0, %1 = pfrt.causal_conv_with_state %x, %w : tensor<2x4x8xf32>, tensor<4x1x0xf32> -> tensor<2x4x8xf32>, tensor<2x4x0xf32>
  func.return
}
// CHECK: pfrt.causal_conv_with_state: C2: the window is empty

// -----

// A window for each channel.
func.func @f(%x: tensor<2x4x8xf32>, %w: tensor<2x2x3xf32>) {
  %0, %1 = pfrt.causal_conv_with_state %x, %w : tensor<2x4x8xf32>, tensor<2x2x3xf32> -> tensor<2x4x8xf32>, tensor<2x4x2xf32>
  func.return
}
// CHECK: pfrt.causal_conv_with_state: C2: the window must be tensor<4x1x3xf32>, got tensor<2x2x3xf32>

// -----

// A state that is as long as the window.
func.func @f(%x: tensor<2x4x8xf32>, %w: tensor<4x1x3xf32>, %s: tensor<2x4x3xf32>) {
  %0, %1 = pfrt.causal_conv_with_state %x, %w state(%s : tensor<2x4x3xf32>) : tensor<2x4x8xf32>, tensor<4x1x3xf32> -> tensor<2x4x8xf32>, tensor<2x4x2xf32>
  func.return
}
// CHECK: pfrt.causal_conv_with_state: C2: the state must be tensor<2x4x2xf32>, got tensor<2x4x3xf32>

// -----

// An activation that it does not have.
func.func @f(%x: tensor<2x4x8xf32>, %w: tensor<4x1x3xf32>) {
  %0, %1 = pfrt.causal_conv_with_state %x, %w {activation = "relu"} : tensor<2x4x8xf32>, tensor<4x1x3xf32> -> tensor<2x4x8xf32>, tensor<2x4x2xf32>
  func.return
}
// CHECK: pfrt.causal_conv_with_state: C3: unknown activation "relu"
