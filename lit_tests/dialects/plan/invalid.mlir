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

// -----

// One region has nothing to run beside.
plan.parallel {
  plan.yield
}
// CHECK: plan.parallel: C1: has 1 regions

// -----

// Nothing leaves regions that run at the same time.
%a = plan.new : memref<4xf32>
plan.parallel {
  plan.yield
} {
  plan.yield %a : memref<4xf32>
}
// CHECK: plan.parallel: C1: a region does not end with plan.yield alone

// -----

// They write apart from each other.
%a = plan.alloc : memref<8x4xf32>
plan.parallel {
  %0 = plan.part %a[0, 0] : memref<8x4xf32> -> memref<4x4xf32>
  plan.call @fill() into(%0) : () into(memref<4x4xf32>)
  plan.yield
} {
  %1 = plan.part %a[3, 0] : memref<8x4xf32> -> memref<4x4xf32>
  plan.call @fill() into(%1) : () into(memref<4x4xf32>)
  plan.yield
}
// CHECK: plan.parallel: C2: region 0 writes what region 1 uses of a

// -----

// Nor does one read what another one writes, under whatever shape; columns of the same rows are apart.
%a = plan.alloc : memref<8x4xf32>
%b = plan.alloc : memref<16xf32>
%r = plan.reshape %a : memref<8x4xf32> -> memref<32xf32>
plan.parallel {
  %0 = plan.part %a[0, 0] : memref<8x4xf32> -> memref<8x2xf32>
  plan.call @fill() into(%0) : () into(memref<8x2xf32>)
  plan.yield
} {
  %1 = plan.part %a[0, 2] : memref<8x4xf32> -> memref<8x2xf32>
  plan.call @fill() into(%1) : () into(memref<8x2xf32>)
  plan.yield
} {
  %2 = plan.part %r[8] : memref<32xf32> -> memref<16xf32>
  plan.call @neg(%2) into(%b) : (memref<16xf32>) into(memref<16xf32>)
  plan.yield
}
// CHECK: plan.parallel: C2: region 0 writes what region 2 uses of a

// -----

// Buffers of an arena lie apart too, of which regions name their own.
%arena = plan.arena : memref<256xi8>
plan.parallel {
  %a = plan.view %arena[0] : memref<256xi8> -> memref<32xf32>
  plan.call @fill() into(%a) : () into(memref<32xf32>)
  plan.yield
} {
  %b = plan.view %arena[64] : memref<256xi8> -> memref<4xi64>
  plan.call @fill() into(%b) : () into(memref<4xi64>)
  plan.yield
}
// CHECK: plan.parallel: C2: region 0 writes what region 1 uses of a

// -----

// What fills buffers is cut by the plan, not by the call.
func.func @shares(%x: memref<4xf32>) {
  %y = plan.alloc : memref<4xf32>
  plan.call @relu(%x) into(%y) {plan.shares = 2 : i64} : (memref<4xf32>) into(memref<4xf32>)
  func.return
}
// CHECK: plan.call: C3: plan.shares is at least 1, of a call with owned results
