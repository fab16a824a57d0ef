// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file --print-debuginfo | filecheck %s

// An unused op is removed.
func.func @dead(%x: tensor<4xf32>) -> tensor<4xf32> {
  %d = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// CHECK-LABEL: @dead
// CHECK-NEXT: func.return %x

// -----

// Names and locations go from the replaced op to its replacement.
func.func @carries(%x: tensor<1x8xf32>) -> tensor<8xf32> {
  %s = pfrt.constant dense<[8]> : tensor<1xi64>
  %y = pfrt.reshape %x, %s as "flat" : (tensor<1x8xf32>, tensor<1xi64>) -> tensor<8xf32> loc("node"("m.onnx":3:0))
  func.return %y : tensor<8xf32>
}
// CHECK-LABEL: @carries
// CHECK-NEXT: pfrt.reshape %x as "flat" {shape = array<i64: 8>} : {{.*}} loc("node"("m.onnx":3:0))

// -----

// A check is kept, though nothing uses it.
func.func @check(%x: tensor<4xf32>) {
  check.expect_eq %x, %x : tensor<4xf32>
  func.return
}
// CHECK-LABEL: @check
// CHECK-NEXT: check.expect_eq %x, %x

// -----

// Plan IR has no canonical forms: nothing happens to it.
func.func @plan(%x: memref<4xf32>) {
  %b = plan.alloc : memref<4xf32>
  plan.call @relu(%x) into(%b) : (memref<4xf32>) into(memref<4xf32>)
  func.return
}
// CHECK-LABEL: @plan
// CHECK-NEXT: %b = plan.alloc
// CHECK-NEXT: plan.call @relu(%x) into(%b)
