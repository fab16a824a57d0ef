// RUN: pfrt-opt %s -p pfrt-merge-projections,pfrt-canonicalize --split-input-file | filecheck %s

// Queries, keys and values of one input become one product; the parts keep their names.
func.func @three(%x: tensor<?x5x2xf32>) -> (tensor<?x5x1xf32>, tensor<?x5x2xf32>, tensor<?x5x1xf32>) {
  %wq = pfrt.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %wk = pfrt.constant dense<[[3.0, 4.0], [5.0, 6.0]]> : tensor<2x2xf32>
  %wv = pfrt.constant dense<[[7.0], [8.0]]> : tensor<2x1xf32>
  %bq = pfrt.constant dense<[1.0]> : tensor<1xf32>
  %bk = pfrt.constant dense<[2.0, 3.0]> : tensor<2xf32>
  %bv = pfrt.constant dense<[4.0]> : tensor<1xf32>
  %q = pfrt.matmul %x, %wq bias %bq as "q" : tensor<?x5x2xf32>, tensor<2x1xf32> bias tensor<1xf32> -> tensor<?x5x1xf32>
  %k = pfrt.matmul %x, %wk bias %bk as "k" : tensor<?x5x2xf32>, tensor<2x2xf32> bias tensor<2xf32> -> tensor<?x5x2xf32>
  %v = pfrt.matmul %x, %wv bias %bv as "v" : tensor<?x5x2xf32>, tensor<2x1xf32> bias tensor<1xf32> -> tensor<?x5x1xf32>
  func.return %q, %k, %v : tensor<?x5x1xf32>, tensor<?x5x2xf32>, tensor<?x5x1xf32>
}
// CHECK-LABEL: @three
// CHECK: dense<{{\[}}[1.0{{.*}}, 3.0{{.*}}, 4.0{{.*}}, 7.0{{.*}}], [2.0{{.*}}]]> : tensor<2x4xf32>
// CHECK: %[[Y:.*]] = pfrt.matmul %x, %{{.*}} bias
// CHECK-NEXT: pfrt.split %[[Y]] as "q", "k", "v" {axis = 2 : i64, split = array<i64: 1, 2, 1>}
// CHECK-NEXT: func.return

// -----

// Two products would not become fewer ops.
func.func @two(%x: tensor<5x2xf32>) -> (tensor<5x1xf32>, tensor<5x1xf32>) {
  %wq = pfrt.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %wk = pfrt.constant dense<[[3.0], [4.0]]> : tensor<2x1xf32>
  %q = pfrt.matmul %x, %wq : tensor<5x2xf32>, tensor<2x1xf32> -> tensor<5x1xf32>
  %k = pfrt.matmul %x, %wk : tensor<5x2xf32>, tensor<2x1xf32> -> tensor<5x1xf32>
  func.return %q, %k : tensor<5x1xf32>, tensor<5x1xf32>
}
// CHECK-LABEL: @two
// CHECK-NOT: pfrt.split

// -----

// Weights that are used twice would be there twice.
func.func @shared(%x: tensor<5x2xf32>) -> (tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>) {
  %w = pfrt.constant dense<[[1.0, 3.0], [2.0, 4.0]]> : tensor<2x2xf32>
  %u = pfrt.constant dense<[[5.0, 3.0], [2.0, 4.0]]> : tensor<2x2xf32>
  %q = pfrt.matmul %x, %w : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %k = pfrt.matmul %x, %u : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %v = pfrt.matmul %x, %w : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  func.return %q, %k, %v : tensor<5x2xf32>, tensor<5x2xf32>, tensor<5x2xf32>
}
// CHECK-LABEL: @shared
// CHECK-NOT: pfrt.split
