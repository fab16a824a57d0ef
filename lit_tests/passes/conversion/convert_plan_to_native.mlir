// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=avx512 worth=0}' --split-input-file | filecheck %s

// A product with constant weights is compiled, by a tile that fills the registers.
func.func @constant(%x: memref<8x40xf32>) -> memref<8x33xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x33xf32>} : memref<40x33xf32>
  %y = plan.new : memref<8x33xf32>
  plan.call @matmul(%x, %w) into(%y) : (memref<8x40xf32>, memref<40x33xf32>) into(memref<8x33xf32>)
  func.return %y : memref<8x33xf32>
}
// CHECK-LABEL: @constant
// CHECK: plan.call @matmul(%x, %w) into(%y) {plan.schedule = {cpu = "avx512", lanes = 16 : i64, rows = 12 : i64, vectors = 2 : i64

// -----

// A part of constant weights is constant too.
func.func @part(%x: memref<8x40xf32>) -> memref<8x32xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x64xf32>} : memref<40x64xf32>
  %p = plan.part %w[0, 32] : memref<40x64xf32> -> memref<40x32xf32>
  %y = plan.new : memref<8x32xf32>
  plan.call @matmul(%x, %p) into(%y) : (memref<8x40xf32>, memref<40x32xf32>) into(memref<8x32xf32>)
  func.return %y : memref<8x32xf32>
}
// CHECK-LABEL: @part
// CHECK: plan.schedule

// -----

// What holds something else, or is computed otherwise, stays as it is.
func.func @others(%x: memref<8x8xf32>, %d: memref<8x8xf64>) -> (memref<8x8xf32>, memref<8x8xf64>) {
  %w = plan.constant {value = dense<0.5> : tensor<8x8xf64>} : memref<8x8xf64>
  %y = plan.new : memref<8x8xf32>
  plan.call @sin(%x) into(%y) : (memref<8x8xf32>) into(memref<8x8xf32>)
  %z = plan.new : memref<8x8xf64>
  plan.call @matmul(%d, %w) into(%z) : (memref<8x8xf64>, memref<8x8xf64>) into(memref<8x8xf64>)
  func.return %y, %z : memref<8x8xf32>, memref<8x8xf64>
}
// CHECK-LABEL: @others
// CHECK-NOT: plan.schedule

// -----

// A schedule that is there is kept.
func.func @chosen(%x: memref<8x40xf32>) -> memref<8x33xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x33xf32>} : memref<40x33xf32>
  %y = plan.new : memref<8x33xf32>
  plan.call @gemm(%x, %w) into(%y) {plan.schedule = {cpu = "generic"}} : (memref<8x40xf32>, memref<40x33xf32>) into(memref<8x33xf32>)
  func.return %y : memref<8x33xf32>
}
// CHECK-LABEL: @chosen
// CHECK: plan.schedule = {cpu = "generic"}

// -----

// What needs no weights is compiled too: functions of elements and rows, windows, copies, attention.
func.func @elements(%x: memref<8x8xf32>) -> memref<8x8xf32> {
  %y = plan.new : memref<8x8xf32>
  plan.call @gelu(%x) into(%y) {params = {approximate = "none"}} : (memref<8x8xf32>) into(memref<8x8xf32>)
  func.return %y : memref<8x8xf32>
}
// CHECK-LABEL: @elements
// CHECK: plan.call @gelu(%x) into(%y) {plan.schedule
// CHECK-SAME: shares = 1 : i64

// -----

// A product of what is known in a run only is compiled, of several matrices too.
func.func @batches(%x: memref<3x8x4xf32>, %w: memref<4x6xf32>) -> memref<3x8x6xf32> {
  %y = plan.new : memref<3x8x6xf32>
  plan.call @matmul(%x, %w) into(%y) : (memref<3x8x4xf32>, memref<4x6xf32>) into(memref<3x8x6xf32>)
  func.return %y : memref<3x8x6xf32>
}
// CHECK-LABEL: @batches
// CHECK: plan.call @matmul(%x, %w) into(%y) {plan.schedule

// -----

// Calls that make their results are compiled for whatever sizes these have in a run; those of integers,
// and those that there is no rule for, are not.
func.func @unknown(%x: memref<?x8xf32>, %i: memref<?xi64>) -> (memref<?x8xf32>, memref<?xi64>, memref<?x8xf32>) {
  %a = plan.call @softmax(%x) {params = {axis = 1 : i64}} : (memref<?x8xf32>) -> memref<?x8xf32>
  %b = plan.call @add(%i, %i) : (memref<?xi64>, memref<?xi64>) -> memref<?xi64>
  %c = plan.call @cum_sum(%a, %i) : (memref<?x8xf32>, memref<?xi64>) -> memref<?x8xf32>
  func.return %a, %b, %c : memref<?x8xf32>, memref<?xi64>, memref<?x8xf32>
}
// CHECK-LABEL: @unknown
// CHECK: plan.call @softmax(%x) {plan.schedule
// CHECK-NOT: plan.schedule
