// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// top_k(x, constant [k]) -> top_k(x) {k}; the axis counts from the front.
// CHECK: @top_k
func.func @top_k(%x: tensor<?x8xf32>) -> tensor<?x3xf32> {
  %k = pfrt.constant dense<3> : tensor<1xi64>
  %0, %1 = pfrt.top_k %x, %k as "best", "" : (tensor<?x8xf32>, tensor<1xi64>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
  // CHECK-NEXT: pfrt.top_k %x as "best", "" {axis = 1 : i64, k = 3 : i64}
  func.return %0 : tensor<?x3xf32>
}

// -----

// one_hot(i, constant depth, v) -> one_hot(i, v) {depth}; a depth that is a float is truncated.
// CHECK: @one_hot
func.func @one_hot(%i: tensor<4xi64>, %v: tensor<2xf32>) -> tensor<4x3xf32> {
  %d = pfrt.constant dense<3.500000e+00> : tensor<f32>
  %0 = pfrt.one_hot %i depth %d values %v : (tensor<4xi64>, tensor<f32>, tensor<2xf32>) -> tensor<4x3xf32>
  // CHECK-NEXT: pfrt.one_hot %i values %v {depth = 3 : i64}
  func.return %0 : tensor<4x3xf32>
}

// -----

// trilu(x, constant [k]) -> trilu(x) {k}
// CHECK: @trilu
func.func @trilu(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %k = pfrt.constant dense<-1> : tensor<1xi64>
  %0 = pfrt.trilu %x, %k : (tensor<4x4xf32>, tensor<1xi64>) -> tensor<4x4xf32>
  // CHECK-NEXT: pfrt.trilu %x {k = -1 : i64}
  func.return %0 : tensor<4x4xf32>
}

// -----

// cum_sum(x, constant axis) -> cum_sum(x) {axis}, counted from the front.
// CHECK: @cum_sum
func.func @cum_sum(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = pfrt.constant dense<-1> : tensor<i32>
  %0 = pfrt.cum_sum %x, %a {reverse = true} : (tensor<4x4xf32>, tensor<i32>) -> tensor<4x4xf32>
  // CHECK-NEXT: pfrt.cum_sum %x {reverse = true, axis = 1 : i64}
  func.return %0 : tensor<4x4xf32>
}

// -----

// The other axes count from the front too.
// CHECK: @axes
func.func @axes(%x: tensor<4x4xf32>, %i: tensor<4x1xi64>, %c: tensor<4xi1>) -> (tensor<4x1xf32>, tensor<4x?xf32>, tensor<4x?xf32>, tensor<4x4xf32>) {
  // CHECK-NEXT: pfrt.gather_elements %x, %i {axis = 1 : i64}
  %0 = pfrt.gather_elements %x, %i {axis = -1 : i64} : (tensor<4x4xf32>, tensor<4x1xi64>) -> tensor<4x1xf32>
  // CHECK-NEXT: pfrt.compress %x, %c {axis = 1 : i64}
  %1 = pfrt.compress %x, %c {axis = -1 : i64} : (tensor<4x4xf32>, tensor<4xi1>) -> tensor<4x?xf32>
  // CHECK-NEXT: pfrt.unique %x {axis = 1 : i64}
  %2, %3, %4, %5 = pfrt.unique %x {axis = -1 : i64} : tensor<4x4xf32> -> tensor<4x?xf32>, tensor<?xi64>, tensor<4xi64>, tensor<?xi64>
  // CHECK-NEXT: pfrt.scatter_elements %x, %i, %0 {axis = 1 : i64}
  %6 = pfrt.scatter_elements %x, %i, %0 {axis = -1 : i64} : (tensor<4x4xf32>, tensor<4x1xi64>, tensor<4x1xf32>) -> tensor<4x4xf32>
  func.return %0, %1, %2, %6 : tensor<4x1xf32>, tensor<4x?xf32>, tensor<4x?xf32>, tensor<4x4xf32>
}
