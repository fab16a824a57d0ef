// RUN: pfrt-opt %s -p plan-allocate --split-input-file | filecheck %s

// Buffers that are in use together lie apart, aligned to 64 bytes; later ones reuse the space.
func.func @reuse(%x: memref<20xf32>) {
  %a = plan.alloc : memref<20xf32>
  plan.call @selu(%x) into(%a) : (memref<20xf32>) into(memref<20xf32>)
  %b = plan.alloc : memref<20xf32>
  plan.call @selu(%a) into(%b) : (memref<20xf32>) into(memref<20xf32>)
  %c = plan.alloc : memref<20xf32>
  plan.call @selu(%b) into(%c) : (memref<20xf32>) into(memref<20xf32>)
  func.return
}
// CHECK-LABEL: @reuse
// CHECK-NEXT: %arena = plan.arena : memref<256xi8>
// CHECK-NEXT: %a = plan.view %arena[0]
// CHECK: %b = plan.view %arena[128]
// CHECK: %c = plan.view %arena[0]

// -----

// An elementwise result takes the place of an input that dies.
func.func @in_place(%x: memref<16xf32>) {
  %a = plan.alloc : memref<16xf32>
  plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
  %b = plan.alloc : memref<16xf32>
  plan.call @add(%x, %a) into(%b) : (memref<16xf32>, memref<16xf32>) into(memref<16xf32>)
  func.return
}
// CHECK-LABEL: @in_place
// CHECK-NEXT: plan.arena : memref<64xi8>
// CHECK: %b = plan.view %arena[0]

// -----

// Not of one that is needed later, under whatever shape.
func.func @needed(%x: memref<16xf32>) {
  %a = plan.alloc : memref<16xf32>
  %r = plan.reshape %a : memref<16xf32> -> memref<4x4xf32>
  plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
  %b = plan.alloc : memref<16xf32>
  plan.call @relu(%a) into(%b) : (memref<16xf32>) into(memref<16xf32>)
  plan.call @check_expect_eq(%r, %r) : (memref<4x4xf32>, memref<4x4xf32>)
  func.return
}
// CHECK-LABEL: @needed
// CHECK-NEXT: plan.arena : memref<128xi8>

// -----

// Nor of one that is read at two positions, or has another size.
func.func @twice(%x: memref<16xf32>) {
  %a = plan.alloc : memref<16xf32>
  plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
  %b = plan.alloc : memref<16xf32>
  plan.call @mul(%a, %a) into(%b) : (memref<16xf32>, memref<16xf32>) into(memref<16xf32>)
  %c = plan.alloc : memref<2x16xf32>
  plan.call @add(%b, %b) into(%c) : (memref<16xf32>, memref<16xf32>) into(memref<2x16xf32>)
  func.return
}
// CHECK-LABEL: @twice
// CHECK: %a = plan.view %arena[0]
// CHECK: %b = plan.view %arena[128]
// CHECK: %c = plan.view %arena[0]

// -----

// What a loop reads lives as long as the loop: nothing inside may take its place.
func.func @loop(%m: memref<i64>, %x: memref<16xf32>) {
  %a = plan.alloc : memref<16xf32>
  plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
  plan.loop trip(%m) -> () {
  ^bb0(%i: memref<i64>, %go: memref<i1>):
    %b = plan.alloc : memref<16xf32>
    plan.call @relu(%a) into(%b) : (memref<16xf32>) into(memref<16xf32>)
    %c = plan.alloc : memref<16xf32>
    plan.call @relu(%b) into(%c) : (memref<16xf32>) into(memref<16xf32>)
    %d = plan.new : memref<i1>
    plan.yield %d : memref<i1>
  } : trip memref<i64>
  func.return
}
// CHECK-LABEL: @loop
// CHECK-NEXT: plan.arena : memref<128xi8>
// CHECK: %a = plan.view %arena[0]
// CHECK: %b = plan.view %arena[64]
// CHECK: %c = plan.view %arena[64]

// -----

// The branches of an if share memory.
func.func @branches(%c: memref<i1>, %x: memref<16xf32>) {
  plan.if %c -> () {
    %a = plan.alloc : memref<16xf32>
    plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
    plan.yield
  } else {
    %b = plan.alloc : memref<16xf32>
    plan.call @selu(%x) into(%b) : (memref<16xf32>) into(memref<16xf32>)
    plan.yield
  } : memref<i1>
  func.return
}
// CHECK-LABEL: @branches
// CHECK-NEXT: plan.arena : memref<64xi8>

// -----

// Scratch is in use during its call, with the call's inputs and results.
func.func @scratch(%x: memref<4x16xf32>) {
  %a = plan.alloc : memref<4x16xf32>
  %s = plan.alloc : memref<4x1xf32>
  plan.call @softmax(%x) into(%a) scratch(%s) : (memref<4x16xf32>) into(memref<4x16xf32>) scratch(memref<4x1xf32>)
  func.return
}
// CHECK-LABEL: @scratch
// CHECK-NEXT: plan.arena : memref<320xi8>

// -----

// Unused buffers disappear, empty ones take no room; without buffers there is no arena.
func.func @empty(%x: memref<0xf32>) {
  %a = plan.alloc : memref<0xf32>
  plan.call @relu(%x) into(%a) : (memref<0xf32>) into(memref<0xf32>)
  %b = plan.alloc : memref<16xf32>
  func.return
}
func.func @none() {
  func.return
}
// CHECK-LABEL: @empty
// CHECK-NEXT: plan.arena : memref<0xi8>
// CHECK-NEXT: %a = plan.view %arena[0] : memref<0xi8> -> memref<0xf32>
// CHECK-NEXT: plan.call
// CHECK-NEXT: func.return
// CHECK-LABEL: @none
// CHECK-NEXT: func.return

// -----

// A buffer lives as long as parts of it are read, and nothing takes the place of a part.
func.func @parts(%x: memref<2x16xf32>) {
  %a = plan.alloc : memref<2x16xf32>
  plan.call @selu(%x) into(%a) : (memref<2x16xf32>) into(memref<2x16xf32>)
  %p = plan.part %a[0, 8] : memref<2x16xf32> -> memref<2x8xf32>
  %b = plan.alloc : memref<2x8xf32>
  plan.call @add(%p, %p) into(%b) : (memref<2x8xf32>, memref<2x8xf32>) into(memref<2x8xf32>)
  %c = plan.alloc : memref<2x8xf32>
  plan.call @add(%p, %b) into(%c) : (memref<2x8xf32>, memref<2x8xf32>) into(memref<2x8xf32>)
  func.return
}
// CHECK-LABEL: @parts
// CHECK: %a = plan.view %arena[0]
// CHECK: %b = plan.view %arena[128]
// CHECK: %c = plan.view %arena[128]

// -----

// Regions that run at the same time share no memory, though each reuses its own.
func.func @parallel(%x: memref<16xf32>) {
  plan.parallel {
    %a = plan.alloc : memref<16xf32>
    plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
    %b = plan.alloc : memref<16xf32>
    plan.call @selu(%a) into(%b) : (memref<16xf32>) into(memref<16xf32>)
    %c = plan.alloc : memref<16xf32>
    plan.call @selu(%b) into(%c) : (memref<16xf32>) into(memref<16xf32>)
    plan.yield
  } {
    %d = plan.alloc : memref<16xf32>
    plan.call @selu(%x) into(%d) : (memref<16xf32>) into(memref<16xf32>)
    plan.yield
  }
  %e = plan.alloc : memref<48xf32>
  plan.call @fill() into(%e) : () into(memref<48xf32>)
  func.return
}
// CHECK-LABEL: @parallel
// CHECK-NEXT: plan.arena : memref<192xi8>
// CHECK: %a = plan.view %arena[0]
// CHECK: %b = plan.view %arena[64]
// CHECK: %c = plan.view %arena[0]
// CHECK: %d = plan.view %arena[128]
// CHECK: %e = plan.view %arena[0]

// -----

// What both need from outside lives as long as they run.
func.func @outside(%x: memref<16xf32>) {
  %a = plan.alloc : memref<16xf32>
  plan.call @selu(%x) into(%a) : (memref<16xf32>) into(memref<16xf32>)
  %b = plan.alloc : memref<16xf32>
  plan.parallel {
    plan.call @relu(%a) into(%b) : (memref<16xf32>) into(memref<16xf32>)
    plan.yield
  } {
    %c = plan.alloc : memref<16xf32>
    plan.call @relu(%a) into(%c) : (memref<16xf32>) into(memref<16xf32>)
    plan.yield
  }
  func.return
}
// CHECK-LABEL: @outside
// CHECK-NEXT: plan.arena : memref<192xi8>
// CHECK: %a = plan.view %arena[0]
// CHECK: %b = plan.view %arena[64]
// CHECK: %c = plan.view %arena[128]

// -----

// A buffer that nothing touches goes with its parts and reshapes.
func.func @untouched(%x: memref<16xf32>) {
  %a = plan.alloc : memref<16xf32>
  %b = plan.reshape %a : memref<16xf32> -> memref<4x4xf32>
  %c = plan.part %b[1, 0] : memref<4x4xf32> -> memref<2x4xf32>
  %d = plan.alloc : memref<16xf32>
  plan.call @relu(%x) into(%d) : (memref<16xf32>) into(memref<16xf32>)
  func.return
}
// CHECK-LABEL: @untouched
// CHECK-NEXT: plan.arena : memref<64xi8>
// CHECK-NEXT: %d = plan.view %arena[0]
// CHECK-NEXT: plan.call @relu
