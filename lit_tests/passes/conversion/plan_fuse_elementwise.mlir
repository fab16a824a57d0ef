// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=avx2},plan-fuse-elementwise' --split-input-file | filecheck %s

// Calls that feed each other become one, and what was between them has no buffer.
func.func @chain(%a: memref<2x8xf32>, %b: memref<8xf32>) -> memref<2x8xf32> {
  %s = plan.alloc : memref<2x8xf32>
  plan.call @mul(%a, %b) into(%s) : (memref<2x8xf32>, memref<8xf32>) into(memref<2x8xf32>)
  %y = plan.new : memref<2x8xf32>
  plan.call @clip(%s) into(%y) {params = {max = 6.0 : f32, min = 0.0 : f32}} : (memref<2x8xf32>) into(memref<2x8xf32>)
  func.return %y : memref<2x8xf32>
}
// CHECK-LABEL: @chain
// CHECK-NOT: plan.alloc
// CHECK: plan.call @fused(%a, %b) into(%y) {plan.schedule = {cpu = "avx2"
// CHECK-SAME: params = {body = [{op = "mul", of = array<i64: 0, 1>}, {op = "clip", of = array<i64: 2>, params = {max = 6.000000e+00 : f32, min = 0.000000e+00 : f32}}], results = array<i64: 3>}

// -----

// A value that something else reads afterwards is a further result.
func.func @shared(%a: memref<8xf32>) -> (memref<8xf32>, memref<8xf32>) {
  %s = plan.new : memref<8xf32>
  plan.call @exp(%a) into(%s) : (memref<8xf32>) into(memref<8xf32>)
  %y = plan.new : memref<8xf32>
  plan.call @add(%s, %s) into(%y) : (memref<8xf32>, memref<8xf32>) into(memref<8xf32>)
  func.return %s, %y : memref<8xf32>, memref<8xf32>
}
// CHECK-LABEL: @shared
// CHECK: plan.call @fused(%a) into(%y, %s)
// CHECK-SAME: results = array<i64: 2, 1>

// -----

// What is read between two calls, or has another shape, is computed by itself.
func.func @apart(%a: memref<2x8xf32>, %b: memref<8xf32>) -> (memref<2x8xf32>, memref<8x2xf32>) {
  %s = plan.alloc : memref<2x8xf32>
  plan.call @exp(%a) into(%s) : (memref<2x8xf32>) into(memref<2x8xf32>)
  %t = plan.new : memref<8x2xf32>
  plan.call @transpose(%s) into(%t) {params = {perm = array<i64: 1, 0>}} : (memref<2x8xf32>) into(memref<8x2xf32>)
  %h = plan.alloc : memref<8xf32>
  plan.call @neg(%b) into(%h) : (memref<8xf32>) into(memref<8xf32>)
  %y = plan.new : memref<2x8xf32>
  plan.call @add(%s, %h) into(%y) : (memref<2x8xf32>, memref<8xf32>) into(memref<2x8xf32>)
  func.return %y, %t : memref<2x8xf32>, memref<8x2xf32>
}
// CHECK-LABEL: @apart
// CHECK-NOT: @fused

// -----

// Nor is what there is no code for.
func.func @others(%a: memref<8xf32>, %b: memref<8xf32>) -> memref<8xf32> {
  %s = plan.alloc : memref<8xf32>
  plan.call @pow(%a, %b) into(%s) : (memref<8xf32>, memref<8xf32>) into(memref<8xf32>)
  %y = plan.new : memref<8xf32>
  plan.call @exp(%s) into(%y) : (memref<8xf32>) into(memref<8xf32>)
  func.return %y : memref<8xf32>
}
// CHECK-LABEL: @others
// CHECK: plan.call @pow(%a, %b) into(%s) :
// CHECK-NOT: @fused

// -----

// Nor what reads a buffer that is written again before the other call.
func.func @overwritten(%x: memref<8xf32>) -> memref<8xf32> {
  %b = plan.alloc : memref<8xf32>
  plan.call @copy(%x) into(%b) : (memref<8xf32>) into(memref<8xf32>)
  %s = plan.alloc : memref<8xf32>
  plan.call @exp(%b) into(%s) : (memref<8xf32>) into(memref<8xf32>)
  plan.call @neg(%x) into(%b) : (memref<8xf32>) into(memref<8xf32>)
  %y = plan.new : memref<8xf32>
  plan.call @add(%s, %b) into(%y) : (memref<8xf32>, memref<8xf32>) into(memref<8xf32>)
  func.return %y : memref<8xf32>
}
// CHECK-LABEL: @overwritten
// CHECK: plan.call @exp(%b) into(%s)
// CHECK-NEXT: plan.call @neg
// CHECK-NOT: @fused
