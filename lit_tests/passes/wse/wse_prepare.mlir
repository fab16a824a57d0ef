// RUN: pfrt-opt %s --split-input-file -p wse-prepare | filecheck %s

// An activation that the wafer has not is an op of its own.
func.func @main(%x: tensor<1x8xf32>, %w: tensor<8x4xf32>) -> tensor<1x4xf32> {
  %y = pfrt.matmul %x, %w as "y" {activation = #pfrt.activation<"sin">} : tensor<1x8xf32>, tensor<8x4xf32> -> tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}
// CHECK: [[A:%.+]] = pfrt.matmul %x, %w : tensor
// CHECK-NEXT: [[B:%.+]] = pfrt.sin [[A]] as "y"
// CHECK-NEXT: func.return [[B]]

// -----

// One that it has stays.
func.func @main(%x: tensor<1x8xf32>, %w: tensor<8x4xf32>) -> tensor<1x4xf32> {
  %y = pfrt.matmul %x, %w {activation = #pfrt.activation<"relu">} : tensor<1x8xf32>, tensor<8x4xf32> -> tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}
// CHECK: pfrt.matmul %x, %w {activation = #pfrt.activation<"relu">}

// -----

// A fused region is inlined.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %y = pfrt.fused(%x) -> (tensor<1x8xf32>) {
  ^bb0(%e: tensor<1x8xf32>):
    %a = pfrt.relu %e : tensor<1x8xf32> -> tensor<1x8xf32>
    %b = pfrt.neg %a : tensor<1x8xf32> -> tensor<1x8xf32>
    pfrt.yield %b : tensor<1x8xf32>
  } : (tensor<1x8xf32>)
  func.return %y : tensor<1x8xf32>
}
// CHECK-NOT: pfrt.fused
// CHECK: pfrt.relu %x
// CHECK-NEXT: pfrt.neg

// -----

// A product that is split, and the one that is added to it, are products with parts of their weights.
func.func @main(%x: tensor<1x2xf32>, %h: tensor<1x2xf32>) -> (tensor<1x1xf32>, tensor<1x2xf32>) {
  %w = pfrt.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %c = pfrt.constant dense<[7.0, 8.0, 9.0]> : tensor<3xf32>
  %a = pfrt.gemm %x, %w, %c {trans_b = true} : (tensor<1x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> tensor<1x3xf32>
  %b = pfrt.gemm %h, %w plus %a {trans_b = true} : (tensor<1x2xf32>, tensor<3x2xf32>) plus tensor<1x3xf32> -> tensor<1x3xf32>
  %s, %t = pfrt.split %b {split = array<i64: 1, 2>, axis = 1 : i64} : (tensor<1x3xf32>) -> (tensor<1x1xf32>, tensor<1x2xf32>)
  func.return %s, %t : tensor<1x1xf32>, tensor<1x2xf32>
}
// CHECK-DAG: pfrt.constant dense<[8.000000e+00, 9.000000e+00]>
// CHECK-DAG: pfrt.constant dense<{{\[\[}}3.000000e+00, 4.000000e+00], [5.000000e+00, 6.000000e+00]]>
// CHECK: pfrt.gemm %h
// CHECK: pfrt.gemm %h
// CHECK-NEXT: func.return

// -----

// The whole of a product that is needed besides is not computed twice.
func.func @main(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x1xf32>, tensor<1x1xf32>) {
  %w = pfrt.constant dense<1.0> : tensor<2x2xf32>
  %a = pfrt.gemm %x, %w : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %s, %t = pfrt.split %a {split = array<i64: 1, 1>, axis = 1 : i64} : (tensor<1x2xf32>) -> (tensor<1x1xf32>, tensor<1x1xf32>)
  func.return %a, %s, %t : tensor<1x2xf32>, tensor<1x1xf32>, tensor<1x1xf32>
}
// CHECK: [[A:%.+]] = pfrt.gemm
// CHECK-NOT: pfrt.gemm
// CHECK: pfrt.slice [[A]]

// -----

// Parts of what is no product are slices.
func.func @main(%x: tensor<1x8xf32>) -> (tensor<1x3xf32>, tensor<1x5xf32>) {
  %s, %t = pfrt.split %x {split = array<i64: 3, 5>, axis = 1 : i64} : (tensor<1x8xf32>) -> (tensor<1x3xf32>, tensor<1x5xf32>)
  func.return %s, %t : tensor<1x3xf32>, tensor<1x5xf32>
}
// CHECK-NOT: pfrt.split
// CHECK: pfrt.slice %x {axes = array<i64: 1>, starts = array<i64: 0>, ends = array<i64: 3>}
// CHECK: pfrt.slice %x {axes = array<i64: 1>, starts = array<i64: 3>, ends = array<i64: 8>}

// -----

// Two steps of a recurrent network: the second one's products take the state, moved, and add to the input's.
func.func @main(%x: tensor<2x1x2xf32>) -> tensor<1x1x1xf32> {
  %w = pfrt.constant dense<1.0> : tensor<1x3x2xf32>
  %r = pfrt.constant dense<2.0> : tensor<1x3x1xf32>
  %y, %h = pfrt.gru %x, %w, %r : tensor<2x1x2xf32>, tensor<1x3x2xf32>, tensor<1x3x1xf32> -> tensor<2x1x1x1xf32>, tensor<1x1x1xf32>
  func.return %h : tensor<1x1x1xf32>
}
// CHECK-NOT: pfrt.gru
// CHECK: [[X:%.+]] = pfrt.reshape %x
// CHECK-COUNT-3: pfrt.gemm [[X]]
// CHECK: pfrt.slice
// CHECK: [[H:%.+]] = pfrt.identity {{.*}}{wse.move}
// CHECK: pfrt.gemm [[H]], {{.*}} plus
// CHECK: pfrt.tanh
// CHECK-NOT: pfrt.concat

// -----

// One whose weights are not known stays.
func.func @main(%x: tensor<2x1x2xf32>, %w: tensor<1x3x2xf32>, %r: tensor<1x3x1xf32>) -> tensor<1x1x1xf32> {
  %y, %h = pfrt.gru %x, %w, %r : tensor<2x1x2xf32>, tensor<1x3x2xf32>, tensor<1x3x1xf32> -> tensor<2x1x1x1xf32>, tensor<1x1x1xf32>
  func.return %h : tensor<1x1x1xf32>
}
// CHECK: pfrt.gru
