// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// A plan before allocation: constants, buffers, views of them, calls with scratch.
func.func @before(%x: memref<1x4xf32>) -> memref<1x4xf32> {
  %w = plan.constant {value = dense<[1, 2, 3, 4]> : tensor<4xi64>} : memref<4xi64>
  %b = plan.alloc : memref<1x4xf32>
  %s = plan.alloc : memref<1x1xf32>
  plan.call @softmax(%x) into(%b) scratch(%s) {params = {axis = -1 : i64}} : (memref<1x4xf32>) into(memref<1x4xf32>) scratch(memref<1x1xf32>)
  %r = plan.reshape %b : memref<1x4xf32> -> memref<4x1xf32>
  %y = plan.new : memref<1x4xf32>
  plan.call @copy(%b) into(%y) : (memref<1x4xf32>) into(memref<1x4xf32>)
  func.return %y : memref<1x4xf32>
}
// CHECK-LABEL: func.func @before
// CHECK-NEXT: %w = plan.constant {value = dense<[1, 2, 3, 4]> : tensor<4xi64>} : memref<4xi64>
// CHECK-NEXT: %b = plan.alloc : memref<1x4xf32>
// CHECK-NEXT: %s = plan.alloc : memref<1x1xf32>
// CHECK-NEXT: plan.call @softmax(%x) into(%b) scratch(%s) {params = {axis = -1 : i64}} : (memref<1x4xf32>) into(memref<1x4xf32>) scratch(memref<1x1xf32>)
// CHECK-NEXT: %r = plan.reshape %b : memref<1x4xf32> -> memref<4x1xf32>
// CHECK-NEXT: %y = plan.new : memref<1x4xf32>
// CHECK-NEXT: plan.call @copy(%b) into(%y) : (memref<1x4xf32>) into(memref<1x4xf32>)

// -----

// A plan after allocation.
func.func @after() {
  %arena = plan.arena : memref<192xi8>
  %b = plan.view %arena[64] : memref<192xi8> -> memref<32xf32>
  func.return
}
// CHECK-LABEL: func.func @after
// CHECK-NEXT: %arena = plan.arena : memref<192xi8>
// CHECK-NEXT: %b = plan.view %arena[64] : memref<192xi8> -> memref<32xf32>

// -----

// Results whose shape is known at run time are owned by the call; an absent input is listed.
func.func @owned(%x: memref<?xf32>, %hi: memref<f32>) -> memref<*xf32> {
  %n = plan.call @clip(%x, %hi) {absent = array<i64: 1>} : (memref<?xf32>, memref<f32>) -> memref<*xf32>
  func.return %n : memref<*xf32>
}
// CHECK-LABEL: func.func @owned
// CHECK-NEXT: %n = plan.call @clip(%x, %hi) {absent = array<i64: 1>} : (memref<?xf32>, memref<f32>) -> memref<*xf32>

// -----

// A call without results: a check.
func.func @check(%x: memref<4xf32>) {
  plan.call @check_expect_eq(%x, %x) : (memref<4xf32>, memref<4xf32>)
  func.return
}
// CHECK-LABEL: func.func @check
// CHECK-NEXT: plan.call @check_expect_eq(%x, %x) : (memref<4xf32>, memref<4xf32>)

// -----

// Control flow.
func.func @control(%c: memref<i1>, %m: memref<i64>, %x: memref<4xf32>) -> (memref<4xf32>, memref<4xf32>) {
  %y = plan.if %c -> (memref<4xf32>) {
    %a = plan.call @neg(%x) : (memref<4xf32>) -> memref<4xf32>
    plan.yield %a : memref<4xf32>
  } else {
    %a = plan.call @abs(%x) : (memref<4xf32>) -> memref<4xf32>
    plan.yield %a : memref<4xf32>
  } : memref<i1>
  %z = plan.loop trip(%m) while(%c) carry(%y) -> (memref<4xf32>) {
  ^bb0(%i: memref<i64>, %again: memref<i1>, %v: memref<4xf32>):
    plan.yield %again, %v : memref<i1>, memref<4xf32>
  } : trip memref<i64> while memref<i1> carry(memref<4xf32>)
  func.return %y, %z : memref<4xf32>, memref<4xf32>
}
// CHECK-LABEL: func.func @control
// CHECK-NEXT: %y = plan.if %c -> (memref<4xf32>) {
// CHECK: } else {
// CHECK: } : memref<i1>
// CHECK-NEXT: %z = plan.loop trip(%m) while(%c) carry(%y) -> (memref<4xf32>) {
// CHECK-NEXT: ^{{.*}}(%i: memref<i64>, %again: memref<i1>, %v: memref<4xf32>):
// CHECK-NEXT: plan.yield %again, %v : memref<i1>, memref<4xf32>
// CHECK-NEXT: } : trip memref<i64> while memref<i1> carry(memref<4xf32>)

// -----

// A part of a buffer.
func.func @part(%x: memref<2x6xf32>) {
  %p = plan.part %x[0, 4] : memref<2x6xf32> -> memref<2x2xf32>
  func.return
}
// CHECK-LABEL: @part
// CHECK-NEXT: %p = plan.part %x[0, 4] : memref<2x6xf32> -> memref<2x2xf32>

// -----

// Regions that run at the same time.
func.func @parallel(%x: memref<8x4xf32>) {
  %y = plan.alloc : memref<8x4xf32>
  plan.parallel {
    %0 = plan.part %y[0, 0] : memref<8x4xf32> -> memref<4x4xf32>
    plan.call @fill() into(%0) : () into(memref<4x4xf32>)
    plan.yield
  } {
    %0 = plan.part %y[4, 0] : memref<8x4xf32> -> memref<4x4xf32>
    plan.call @fill() into(%0) : () into(memref<4x4xf32>)
    plan.yield
  }
  func.return
}
// CHECK-LABEL: @parallel
// CHECK: plan.parallel {
// CHECK-NEXT: plan.part %y[0, 0]
// CHECK-NEXT: plan.call
// CHECK-NEXT: plan.yield
// CHECK-NEXT: } {
// CHECK-NEXT: plan.part %y[4, 0]
