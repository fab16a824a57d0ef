// RUN: pfrt-opt %s -p pfrt-fold-constants --split-input-file | filecheck %s

// What depends on values is known with them: their number becomes part of the type.
// CHECK: @non_zero
func.func @non_zero() -> tensor<1x?xi64> {
  %x = pfrt.constant dense<[0, 3, 0, 1]> : tensor<4xi64>
  // CHECK-NEXT: pfrt.constant dense<{{\[}}[1, 3]]> : tensor<1x2xi64>
  %0 = pfrt.non_zero %x : tensor<4xi64> -> tensor<1x?xi64>
  func.return %0 : tensor<1x?xi64>
}

// -----

// Each result is a constant of its own, and keeps its name.
// CHECK: @top_k
func.func @top_k() -> (tensor<?xi32>, tensor<?xi64>) {
  %x = pfrt.constant dense<[5, 7, 5]> : tensor<3xi32>
  %k = pfrt.constant dense<2> : tensor<1xi64>
  // CHECK-NEXT: pfrt.constant dense<[7, 5]> as "best" : tensor<2xi32>
  // CHECK-NEXT: pfrt.constant dense<[1, 0]> : tensor<2xi64>
  %0, %1 = pfrt.top_k %x, %k as "best", "" : (tensor<3xi32>, tensor<1xi64>) -> (tensor<?xi32>, tensor<?xi64>)
  func.return %0, %1 : tensor<?xi32>, tensor<?xi64>
}

// -----

// The depth alone is known: the type of the result with it.
// CHECK: @one_hot
func.func @one_hot(%i: tensor<4xi64>, %v: tensor<2xf32>) -> tensor<4x?xf32> {
  %d = pfrt.constant dense<3> : tensor<1xi32>
  // CHECK-NEXT: pfrt.one_hot %i values %v {depth = 3 : i64} : (tensor<4xi64>, tensor<2xf32>) -> tensor<4x3xf32>
  %0 = pfrt.one_hot %i depth %d values %v : (tensor<4xi64>, tensor<1xi32>, tensor<2xf32>) -> tensor<4x?xf32>
  func.return %0 : tensor<4x?xf32>
}
