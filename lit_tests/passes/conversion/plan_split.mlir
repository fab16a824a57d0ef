// RUN: pfrt-opt %s -p 'plan-split{threads=2 worth=0}' --split-input-file | filecheck %s

// Calls in a row go along the same axis; what only they need becomes each thread's own.
func.func @rows(%x: memref<4x6xf32>) -> memref<4x6xf32> {
  %a = plan.alloc : memref<4x6xf32>
  plan.call @relu(%x) into(%a) : (memref<4x6xf32>) into(memref<4x6xf32>)
  %r = plan.reshape %a : memref<4x6xf32> -> memref<2x2x6xf32>
  %b = plan.alloc : memref<2x2x6xf32>
  plan.call @neg(%r) into(%b) : (memref<2x2x6xf32>) into(memref<2x2x6xf32>)
  %y = plan.new : memref<4x6xf32>
  %s = plan.reshape %b : memref<2x2x6xf32> -> memref<4x6xf32>
  plan.call @exp(%s) into(%y) : (memref<4x6xf32>) into(memref<4x6xf32>)
  func.return %y : memref<4x6xf32>
}
// CHECK-LABEL: @rows
// CHECK-SAME: plan.blas_threads = 1 : i64
// CHECK-NEXT: %y = plan.new
// CHECK-NEXT: plan.parallel {
// CHECK-NEXT: [[X:%.*]] = plan.part %x[0, 0] : memref<4x6xf32> -> memref<2x6xf32>
// CHECK-NEXT: %a = plan.alloc : memref<2x6xf32>
// CHECK-NEXT: plan.call @relu([[X]]) into(%a)
// CHECK-NEXT: [[R:%.*]] = plan.reshape %a : memref<2x6xf32> -> memref<1x2x6xf32>
// CHECK-NEXT: %b = plan.alloc : memref<1x2x6xf32>
// CHECK-NEXT: plan.call @neg([[R]]) into(%b)
// CHECK: [[Y:%.*]] = plan.part %y[0, 0] : memref<4x6xf32> -> memref<2x6xf32>
// CHECK-NEXT: plan.call @exp({{.*}}) into([[Y]])
// CHECK-NEXT: plan.yield
// CHECK-NEXT: } {
// CHECK-NEXT: plan.part %x[2, 0]
// CHECK: plan.part %y[2, 0]

// -----

// Where a piece needs what another thread makes, threads wait for each other.
func.func @wait(%x: memref<4x6xf32>, %w: memref<6x6xf32>) -> memref<4x6xf32> {
  %a = plan.alloc : memref<4x6xf32>
  plan.call @relu(%x) into(%a) : (memref<4x6xf32>) into(memref<4x6xf32>)
  %s = plan.alloc : memref<1x6xf32>
  %y = plan.new : memref<4x6xf32>
  plan.call @softmax(%a) into(%y) scratch(%s) {params = {axis = 0 : i64}} : (memref<4x6xf32>) into(memref<4x6xf32>) scratch(memref<1x6xf32>)
  func.return %y : memref<4x6xf32>
}
// CHECK-LABEL: @wait
// CHECK: %a = plan.alloc : memref<4x6xf32>
// CHECK: plan.parallel {
// CHECK: plan.part %a[0, 0]
// CHECK: } {
// CHECK: plan.part %a[2, 0]
// CHECK: }
// CHECK: plan.call @softmax(%a) into(%y)

// -----

// Rows of a convolution see rows around them, padding only at the border; scratch is for the piece.
func.func @windows(%w: memref<5x3x3x3xf32>) {
  %x = plan.alloc : memref<1x8x4x3xf32>
  %y = plan.alloc : memref<1x8x4x5xf32>
  %s = plan.alloc : memref<1x10x6x3xf32>
  %t = plan.alloc : memref<1x8x4x3x3x3xf32>
  plan.call @conv_im2col_nhwc(%x, %w) into(%y) scratch(%s, %t) {params = {layout = "nhwc", group = 1 : i64, strides = array<i64>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64>, auto_pad = "NOTSET"}, absent = array<i64: 2, 3>} : (memref<1x8x4x3xf32>, memref<5x3x3x3xf32>) into(memref<1x8x4x5xf32>) scratch(memref<1x10x6x3xf32>, memref<1x8x4x3x3x3xf32>)
  func.return
}
// CHECK-LABEL: @windows
// CHECK: plan.parallel {
// CHECK-NEXT: plan.part %x[0, 0, 0, 0] : memref<1x8x4x3xf32> -> memref<1x5x4x3xf32>
// CHECK: plan.alloc : memref<1x6x6x3xf32>
// CHECK: pads = array<i64: 1, 1, 0, 1>
// CHECK: } {
// CHECK-NEXT: plan.part %x[0, 3, 0, 0] : memref<1x8x4x3xf32> -> memref<1x5x4x3xf32>
// CHECK: pads = array<i64: 0, 1, 1, 1>

// -----

// A vector is multiplied with some of the columns each.
func.func @columns(%x: memref<1x6xf32>) -> memref<1x128xf32> {
  %w = plan.constant {value = dense<1.0> : tensor<6x128xf32>} : memref<6x128xf32>
  %y = plan.new : memref<1x128xf32>
  plan.call @matmul(%x, %w) into(%y) {absent = array<i64: 2, 3>} : (memref<1x6xf32>, memref<6x128xf32>) into(memref<1x128xf32>)
  func.return %y : memref<1x128xf32>
}
// CHECK-LABEL: @columns
// CHECK: [[W:%.*]] = plan.part %w[0, 0] : memref<6x128xf32> -> memref<6x64xf32>
// CHECK: plan.call @matmul(%x, [[W]])
// CHECK: plan.part %w[0, 64]

// -----

// Heads of attention lie side by side in a row.
func.func @heads(%q: memref<1x4x16xf32>) {
  %y = plan.alloc : memref<1x4x16xf32>
  %s = plan.alloc : memref<16x4xf32>
  %t = plan.alloc : memref<16xf32>
  plan.call @attention(%q, %q, %q) into(%y) scratch(%s, %t) {params = {broadcast_mask = false, is_causal = false, kv_num_heads = 4 : i64, left_window_size = -1 : i64, present = false, q_num_heads = 4 : i64, right_window_size = -1 : i64, softcap = 0.0 : f32}, absent = array<i64: 3, 4, 5, 6>} : (memref<1x4x16xf32>, memref<1x4x16xf32>, memref<1x4x16xf32>) into(memref<1x4x16xf32>) scratch(memref<16x4xf32>, memref<16xf32>)
  func.return
}
// CHECK-LABEL: @heads
// CHECK: plan.parallel {
// CHECK: plan.part %q[0, 0, 0] : memref<1x4x16xf32> -> memref<1x4x8xf32>
// CHECK: kv_num_heads = 2 : i64
// CHECK: } {
// CHECK: plan.part %q[0, 0, 8]

// -----

// Rows that only a run tells are divided by the call itself.
func.func @unknown_rows(%x: memref<?x6xf32>) -> memref<?x128xf32> {
  %w = plan.constant {value = dense<1.0> : tensor<6x128xf32>} : memref<6x128xf32>
  %y = plan.call @matmul(%x, %w) {absent = array<i64: 2, 3>} : (memref<?x6xf32>, memref<6x128xf32>) -> memref<?x128xf32>
  func.return %y : memref<?x128xf32>
}
// CHECK-LABEL: @unknown_rows
// CHECK-SAME: plan.blas_threads = 1
// CHECK: plan.call @matmul(%x, %w) {{.*}}plan.shares = 2 : i64

// -----

// A convolution beside it is left to the threads of BLAS.
func.func @undivided(%x: memref<?x6xf32>, %i: memref<?x3x8x8xf32>, %k: memref<5x3x3x3xf32>) -> (memref<?x128xf32>, memref<?x5x6x6xf32>) {
  %w = plan.constant {value = dense<1.0> : tensor<6x128xf32>} : memref<6x128xf32>
  %y = plan.call @matmul(%x, %w) {absent = array<i64: 2, 3>} : (memref<?x6xf32>, memref<6x128xf32>) -> memref<?x128xf32>
  %z = plan.call @conv(%i, %k) {params = {group = 1 : i64}, absent = array<i64: 2, 3>} : (memref<?x3x8x8xf32>, memref<5x3x3x3xf32>) -> memref<?x5x6x6xf32>
  func.return %y, %z : memref<?x128xf32>, memref<?x5x6x6xf32>
}
// CHECK-LABEL: @undivided
// CHECK-NOT: plan.shares
