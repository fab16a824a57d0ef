// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file --print-debuginfo | filecheck %s

// An unused op is removed.
func.func @dead(%x: tensor<4xf32>) -> tensor<4xf32> {
  %d = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// CHECK-LABEL: @dead
// CHECK-NEXT: func.return %x

// -----

// What only unused ops use goes with them, however often they use it.
func.func @dead_chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.mul %a, %a : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %c = pfrt.add %b, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %x : tensor<4xf32>
}
// CHECK-LABEL: @dead_chain
// CHECK-NEXT: func.return %x

// -----

// A region loses what nothing in it uses, and with it what only that used outside.
func.func @dead_in_region(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %r = pfrt.if %c -> (tensor<4xf32>) {
    %d = pfrt.neg %a : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %x : tensor<4xf32>
  } else {
    pfrt.yield %x : tensor<4xf32>
  } : tensor<i1>
  func.return %r : tensor<4xf32>
}
// CHECK-LABEL: @dead_in_region
// CHECK-NEXT: pfrt.if
// CHECK-NEXT: pfrt.yield %x

// -----

// A block that nothing leads to is removed, here so that a branch can go.
func.func @unreachable(%x: tensor<4xf32>) -> tensor<4xf32> {
  %d = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  "cf.br"() [^end] : () -> ()
^never:
  %n = pfrt.neg %x : tensor<4xf32> -> tensor<4xf32>
  "cf.br"() [^end] : () -> ()
^end:
  func.return %x : tensor<4xf32>
}
// CHECK-LABEL: @unreachable
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
