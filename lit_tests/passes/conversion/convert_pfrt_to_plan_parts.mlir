// RUN: pfrt-opt %s -p convert-pfrt-to-plan --split-input-file | filecheck %s

// Attention takes what a split gives as parts of one buffer, whose rows lie apart.
func.func @main(%x: tensor<1x4x24xf32>) -> tensor<1x4x8xf32> {
  %a = pfrt.neg %x : tensor<1x4x24xf32> -> tensor<1x4x24xf32>
  %q, %k, %v = pfrt.split %a {axis = 2 : i64, num_outputs = 3 : i64} : (tensor<1x4x24xf32>) -> (tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>)
  %y = pfrt.attention %q, %k, %v {q_num_heads = 2 : i64, kv_num_heads = 2 : i64} : tensor<1x4x8xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32> -> tensor<1x4x8xf32>
  func.return %y : tensor<1x4x8xf32>
}
// CHECK: %q = plan.part %a[0, 0, 0] : memref<1x4x24xf32> -> memref<1x4x8xf32>
// CHECK-NEXT: %k = plan.part %a[0, 0, 8]
// CHECK-NEXT: %v = plan.part %a[0, 0, 16]
// CHECK: plan.call @attention(%q, %k, %v) into(%y) scratch({{.*}}, {{.*}})

// -----

// An algorithm that goes over elements as if they lay together gets a copy.
func.func @main(%x: tensor<2x6xf32>) -> tensor<2x2xf32> {
  %a = pfrt.slice %x {starts = array<i64: 4>, ends = array<i64: 6>, axes = array<i64: 1>} : tensor<2x6xf32> -> tensor<2x2xf32>
  %y = pfrt.relu %a : tensor<2x2xf32> -> tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}
// CHECK: [[PART:%.*]] = plan.part %x[0, 4] : memref<2x6xf32> -> memref<2x2xf32>
// CHECK-NEXT: %a = plan.alloc
// CHECK-NEXT: plan.call @copy([[PART]]) into(%a)
// CHECK: plan.call @relu(%a)

// -----

// A part that lies together needs none, but one that leaves does.
func.func @main(%x: tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %a, %b = pfrt.split %x {num_outputs = 2 : i64} : (tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>)
  %y = pfrt.relu %a : tensor<2x3xf32> -> tensor<2x3xf32>
  func.return %y, %b : tensor<2x3xf32>, tensor<2x3xf32>
}
// CHECK: %a = plan.part %x[0, 0]
// CHECK-NEXT: %b = plan.part %x[2, 0]
// CHECK: plan.call @relu(%a)
// CHECK: plan.call @copy(%b) into([[B:%.*]]) :
// CHECK: func.return %y, [[B]]

// -----

// A slice that takes steps is copied by its algorithm.
func.func @main(%x: tensor<6xf32>) -> tensor<3xf32> {
  %y = pfrt.slice %x {starts = array<i64: 0>, ends = array<i64: 6>, steps = array<i64: 2>} : tensor<6xf32> -> tensor<3xf32>
  func.return %y : tensor<3xf32>
}
// CHECK-NOT: plan.part
// CHECK: plan.call @slice(%x) into(%y)
