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
// CHECK: pfrt.split
