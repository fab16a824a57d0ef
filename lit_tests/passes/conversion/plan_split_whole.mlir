// RUN: pfrt-opt %s -p 'plan-split{threads=4 limit=true}' --split-input-file --verify-diagnostics | filecheck %s

// What takes less than handing it over is not cut; BLAS has the threads.
func.func @small(%x: memref<4x6xf32>) -> memref<4x6xf32> {
  %y = plan.new : memref<4x6xf32>
  plan.call @relu(%x) into(%y) : (memref<4x6xf32>) into(memref<4x6xf32>)
  func.return %y : memref<4x6xf32>
}
// CHECK-LABEL: @small
// CHECK-SAME: plan.blas_threads = 4 : i64
// CHECK-NOT: plan.parallel

// -----

// With fewer images than threads, there are as many pieces as images.
func.func @few(%x: memref<3x1048576xf32>) -> memref<3x1048576xf32> {
  %y = plan.new : memref<3x1048576xf32>
  plan.call @exp(%x) into(%y) : (memref<3x1048576xf32>) into(memref<3x1048576xf32>)
  func.return %y : memref<3x1048576xf32>
}
// CHECK-LABEL: @few
// CHECK-COUNT-3: plan.call @exp
// CHECK-NOT: plan.call

// -----

// Buffers must not have their places yet.
func.func @placed(%x: memref<16xf32>) {
  %arena = plan.arena : memref<64xi8>
  %y = plan.view %arena[0] : memref<64xi8> -> memref<16xf32>
  plan.call @relu(%x) into(%y) : (memref<16xf32>) into(memref<16xf32>)
  func.return
}
// CHECK: plan-split: plan.view: buffers lie in an arena already: plan-split comes before

// -----

// Nor more than have enough to do.
func.func @enough(%x: memref<16x8192xf32>) -> memref<16x8192xf32> {
  %y = plan.new : memref<16x8192xf32>
  plan.call @exp(%x) into(%y) : (memref<16x8192xf32>) into(memref<16x8192xf32>)
  func.return %y : memref<16x8192xf32>
}
// CHECK-LABEL: @enough
// CHECK-COUNT-2: plan.call @exp
// CHECK-NOT: plan.call
