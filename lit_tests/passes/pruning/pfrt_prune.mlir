// RUN: pfrt-opt %s -p 'pfrt-prune{sparsity=0.5}' --split-input-file | filecheck %s

// Half of the weights go, the smallest first; of equal ones the first.
func.func @magnitude(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = pfrt.constant dense<[[1.0, -0.5], [0.5, -3.0]]> as "fc.weight" : tensor<2x2xf32>
  %y = pfrt.matmul %x, %w : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
// CHECK-LABEL: @magnitude
// CHECK: pfrt.constant dense<{{\[\[}}1.000000e+00, 0.000000e+00], [0.000000e+00, -3.000000e+00]]> as "fc.weight" {pfrt.pruned = {criterion = "magnitude", granularity = "unstructured", mask = dense<144> : tensor<1xui8>}}

// -----

// A layer that is fed has no weights to prune, nor do integers, nor the left factor.
func.func @not(%x: tensor<2x2xf32>, %w: tensor<2x2xf32>, %i: tensor<1x2xi32>) -> (tensor<2x2xf32>, tensor<1x2xi32>, tensor<2x2xf32>) {
  %c = pfrt.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xi32>
  %l = pfrt.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = pfrt.matmul %x, %w : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %z = pfrt.matmul %i, %c : tensor<1x2xi32>, tensor<2x2xi32> -> tensor<1x2xi32>
  %v = pfrt.matmul %l, %x : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  func.return %y, %z, %v : tensor<2x2xf32>, tensor<1x2xi32>, tensor<2x2xf32>
}
// CHECK-LABEL: @not
// CHECK-NOT: pfrt.pruned

// -----

// Weights that two layers use in the same way are pruned once; in different ways, not at all.
func.func @shared(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %w = pfrt.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %v = pfrt.constant dense<[[5.0, 6.0], [7.0, 8.0]]> : tensor<2x2xf32>
  %a = pfrt.matmul %x, %w : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %b = pfrt.matmul %a, %w : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %c = pfrt.matmul %x, %v : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %d = pfrt.gemm %c, %v {trans_b = true} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %b, %d : tensor<1x2xf32>, tensor<1x2xf32>
}
// CHECK-LABEL: @shared
// CHECK: dense<{{\[\[}}0.000000e+00, 0.000000e+00], [3.000000e+00, 4.000000e+00]]> {pfrt.pruned
// CHECK: dense<{{\[\[}}5.000000e+00, 6.000000e+00], [7.000000e+00, 8.000000e+00]]> :
