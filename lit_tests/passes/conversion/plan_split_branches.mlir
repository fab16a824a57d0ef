// RUN: pfrt-opt %s -p 'plan-split{threads=2 worth=0 branches=true}' --split-input-file | filecheck %s

// Calls between two through which everything goes are dealt out, with the buffers that only they use.
func.func @branches(%x: memref<6xf32>) -> memref<6xf32> {
  %a = plan.alloc : memref<6xf32>
  plan.call @selu(%x) into(%a) : (memref<6xf32>) into(memref<6xf32>)
  %s = plan.alloc : memref<1xf32>
  %b = plan.alloc : memref<6xf32>
  plan.call @softmax(%a) into(%b) scratch(%s) {params = {axis = 0 : i64}} : (memref<6xf32>) into(memref<6xf32>) scratch(memref<1xf32>)
  %c = plan.alloc : memref<6xf32>
  %t = plan.alloc : memref<1xf32>
  plan.call @softmax(%a) into(%c) scratch(%t) {params = {axis = 0 : i64}} : (memref<6xf32>) into(memref<6xf32>) scratch(memref<1xf32>)
  %d = plan.alloc : memref<6xf32>
  %u = plan.alloc : memref<1xf32>
  plan.call @softmax(%c) into(%d) scratch(%u) {params = {axis = 0 : i64}} : (memref<6xf32>) into(memref<6xf32>) scratch(memref<1xf32>)
  %y = plan.new : memref<6xf32>
  plan.call @join(%b, %d) into(%y) : (memref<6xf32>, memref<6xf32>) into(memref<6xf32>)
  func.return %y : memref<6xf32>
}
// CHECK-LABEL: @branches
// CHECK: %b = plan.alloc
// CHECK-NEXT: %d = plan.alloc
// CHECK-NEXT: plan.parallel {
// CHECK-NEXT: %c = plan.alloc
// CHECK: plan.call @softmax(%a) into(%c)
// CHECK-NEXT: plan.call @softmax(%c) into(%d)
// CHECK-NEXT: plan.yield
// CHECK-NEXT: } {
// CHECK-NEXT: %s = plan.alloc
// CHECK-NEXT: plan.call @softmax(%a) into(%b) scratch(%s)
// CHECK: plan.call @join(%b, %d)

// -----

// One branch beside nothing stays, as does what is needed on both sides.
func.func @residual(%x: memref<6xf32>) -> memref<6xf32> {
  %a = plan.alloc : memref<6xf32>
  %s = plan.alloc : memref<1xf32>
  plan.call @softmax(%x) into(%a) scratch(%s) {params = {axis = 0 : i64}} : (memref<6xf32>) into(memref<6xf32>) scratch(memref<1xf32>)
  %b = plan.alloc : memref<6xf32>
  plan.call @softmax(%a) into(%b) scratch(%s) {params = {axis = 0 : i64}} : (memref<6xf32>) into(memref<6xf32>) scratch(memref<1xf32>)
  %y = plan.new : memref<6xf32>
  plan.call @join(%a, %b) into(%y) : (memref<6xf32>, memref<6xf32>) into(memref<6xf32>)
  func.return %y : memref<6xf32>
}
// CHECK-LABEL: @residual
// CHECK-NOT: plan.parallel
