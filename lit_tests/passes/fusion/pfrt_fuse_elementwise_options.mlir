// RUN: pfrt-opt %s -p 'pfrt-fuse-elementwise{max-ops=2 reductions=false}' --split-input-file | filecheck %s

// A region holds no more than `max_ops` ops.
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %1 = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
  %2 = pfrt.tanh %1 : tensor<4xf32> -> tensor<4xf32>
  %3 = pfrt.neg %2 : tensor<4xf32> -> tensor<4xf32>
  %4 = pfrt.sqrt %3 : tensor<4xf32> -> tensor<4xf32>
  func.return %4 : tensor<4xf32>
}
// CHECK:      pfrt.fused
// CHECK:      pfrt.exp
// CHECK-NEXT: pfrt.tanh
// CHECK-NEXT: pfrt.yield
// CHECK:      pfrt.fused
// CHECK:      pfrt.neg
// CHECK-NEXT: pfrt.sqrt
// CHECK-NEXT: pfrt.yield

// -----

// A reduction is an op like any other outside.
func.func @main(%a: tensor<4xf32>) -> tensor<1xf32> {
  %1 = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
  %2 = pfrt.reduce_max %1 {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return %2 : tensor<1xf32>
}
// CHECK-NOT: pfrt.fused
