// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A buffer that the plan places has a static shape.
%b = plan.alloc : memref<?xf32>
// CHECK: plan.alloc: C1: needs a static shape, got memref<?xf32>

// -----

// So has one that leaves the plan.
%b = plan.new : memref<?xf32>
// CHECK: plan.new: C1: needs a static shape, got memref<?xf32>

// -----

// Views are aligned.
%arena = plan.arena : memref<192xi8>
%b = plan.view %arena[32] : memref<192xi8> -> memref<8xf32>
// CHECK: plan.view: C2: offset 32 is not a multiple of 64

// -----

// Views lie in the arena.
%arena = plan.arena : memref<192xi8>
%b = plan.view %arena[128] : memref<192xi8> -> memref<17xf32>
// CHECK: plan.view: C3: bytes 128..196 lie outside the arena of 192

// -----

// A reshape keeps the number of elements.
%b = plan.alloc : memref<4xf32>
%r = plan.reshape %b : memref<4xf32> -> memref<5xf32>
// CHECK: plan.reshape: C2: memref<4xf32> and memref<5xf32> hold different elements

// -----

// A call does not fill buffers of unknown size.
%x, %y = "test.op"() : () -> (memref<4xf32>, memref<?xf32>)
plan.call @copy(%x) into(%y) : (memref<4xf32>) into(memref<?xf32>)
// CHECK: plan.call: C1: needs a static shape, got memref<?xf32>

// -----

// A call fills buffers or owns its results.
%x, %y = "test.op"() : () -> (memref<4xf32>, memref<4xf32>)
%z = plan.call @copy(%x) into(%y) : (memref<4xf32>) into(memref<4xf32>) -> memref<4xf32>
// CHECK: plan.call: C2: has both `into` buffers and owned results

// -----

// So has a part.
%b = "test.op"() : () -> memref<?x4xf32>
%p = plan.part %b[0, 0] : memref<?x4xf32> -> memref<1x4xf32>
// CHECK: plan.part: C1: needs a static shape, got memref<?x4xf32>

// -----

// A part has as many dimensions as its buffer.
%b = plan.alloc : memref<2x4xf32>
%p = plan.part %b[0, 0] : memref<2x4xf32> -> memref<4xf32>
// CHECK: plan.part: C2: memref<4xf32> at [0, 0] of memref<2x4xf32>

// -----

// A part lies in its buffer.
%b = plan.alloc : memref<2x4xf32>
%p = plan.part %b[0, 3] : memref<2x4xf32> -> memref<2x2xf32>
// CHECK: plan.part: C3: 3..5 of a dimension of 4
