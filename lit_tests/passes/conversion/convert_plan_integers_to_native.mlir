// RUN: pfrt-opt %s -p 'convert-plan-integers-to-native{cpu=avx512vnni threads=2}' --split-input-file | filecheck %s

// A product of integers with constant weights, and what quantizes for it, get a schedule.
// CHECK-LABEL: @dynamic
// CHECK: plan.call @dynamic_quantize_linear{{.*}}plan.schedule = {cpu = "avx512vnni"
// CHECK: plan.call @matmul_integer{{.*}}plan.schedule = {cpu = "avx512vnni", lanes = 16 : i64, {{.*}}shares = 2 : i64}
func.func @dynamic(%x: memref<3x5xf32>, %q: memref<3x5xui8>, %s: memref<f32>, %z: memref<ui8>, %y: memref<3x4xi32>) {
  %w = plan.constant {value = dense<1> : tensor<5x4xi8>} : memref<5x4xi8>
  plan.call @dynamic_quantize_linear(%x) into(%q, %s, %z) : (memref<3x5xf32>) into(memref<3x5xui8>, memref<f32>, memref<ui8>)
  plan.call @matmul_integer(%q, %w, %z) into(%y) {absent = array<i64: 3>} : (memref<3x5xui8>, memref<5x4xi8>, memref<ui8>) into(memref<3x4xi32>)
  func.return
}

// -----

// Weights that come with a run cannot be packed.
// CHECK-LABEL: @late
// CHECK-NOT: plan.schedule
func.func @late(%x: memref<3x5xui8>, %w: memref<5x4xi8>, %y: memref<3x4xi32>) {
  plan.call @matmul_integer(%x, %w) into(%y) {absent = array<i64: 2, 3>} : (memref<3x5xui8>, memref<5x4xi8>) into(memref<3x4xi32>)
  func.return
}

// -----

// Convolutions that make reals of their sums, whose channels lie together.
// CHECK-LABEL: @reals
// CHECK: plan.call @conv_integer_to_float_nhwc{{.*}}plan.schedule = {cpu = "avx512vnni"
func.func @reals(%x: memref<1x4x4x2xui8>, %s: memref<f32>, %y: memref<1x4x4x3xf32>) {
  %w = plan.constant {value = dense<1> : tensor<3x2x1x1xi8>} : memref<3x2x1x1xi8>
  plan.call @conv_integer_to_float_nhwc(%x, %w, %s, %s) into(%y) {absent = array<i64: 4, 5, 6, 7>} : (memref<1x4x4x2xui8>, memref<3x2x1x1xi8>, memref<f32>, memref<f32>) into(memref<1x4x4x3xf32>)
  func.return
}
