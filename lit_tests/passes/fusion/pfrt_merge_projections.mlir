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

// -----

// Products of integers: each column keeps its scale and zero point.
// CHECK-LABEL: @integers
func.func @integers(%q: tensor<5x2xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> (tensor<5x1xf32>, tensor<5x2xf32>, tensor<5x1xf32>) {
  // CHECK: [[W:%.*]] = pfrt.constant dense<{{\[\[}}1, 3, 4, 7], [2, 5, 6, 8]]> : tensor<2x4xi8>
  // CHECK: [[S:%.*]] = pfrt.constant dense<[5.000000e-01, 2.500000e-01, 1.000000e+00, 2.000000e+00]> : tensor<4xf32>
  // CHECK: [[Z:%.*]] = pfrt.constant dense<[0, 3, 3, 0]> : tensor<4xi8>
  // CHECK: [[Y:%.*]] = pfrt.matmul_integer_to_float %q, [[W]], %s, [[S]] a_zero_point(%z : tensor<ui8>) b_zero_point([[Z]] : tensor<4xi8>) :
  // CHECK: %a, %b, %c = pfrt.split [[Y]]
  %u = pfrt.constant dense<[[1], [2]]> : tensor<2x1xi8>
  %v = pfrt.constant dense<[[3, 4], [5, 6]]> : tensor<2x2xi8>
  %w = pfrt.constant dense<[[7], [8]]> : tensor<2x1xi8>
  %su = pfrt.constant dense<0.5> : tensor<f32>
  %sv = pfrt.constant dense<[0.25, 1.0]> : tensor<2xf32>
  %sw = pfrt.constant dense<[2.0]> : tensor<1xf32>
  %zv = pfrt.constant dense<3> : tensor<i8>
  %a = pfrt.matmul_integer_to_float %q, %u, %s, %su a_zero_point(%z : tensor<ui8>) : (tensor<5x2xui8>, tensor<2x1xi8>, tensor<f32>, tensor<f32>) -> tensor<5x1xf32>
  %b = pfrt.matmul_integer_to_float %q, %v, %s, %sv a_zero_point(%z : tensor<ui8>) b_zero_point(%zv : tensor<i8>) : (tensor<5x2xui8>, tensor<2x2xi8>, tensor<f32>, tensor<2xf32>) -> tensor<5x2xf32>
  %c = pfrt.matmul_integer_to_float %q, %w, %s, %sw a_zero_point(%z : tensor<ui8>) : (tensor<5x2xui8>, tensor<2x1xi8>, tensor<f32>, tensor<1xf32>) -> tensor<5x1xf32>
  func.return %a, %b, %c : tensor<5x1xf32>, tensor<5x2xf32>, tensor<5x1xf32>
}
