// RUN: pfrt-opt %s -p pfrt-recognize-softmax,pfrt-canonicalize --split-input-file | filecheck %s

// exp(x - max) over its sum, along one axis.
func.func @softmax(%x: tensor<?x10xf32>) -> tensor<?x10xf32> {
  %m = pfrt.reduce_max %x {axes = array<i64: 1>} : (tensor<?x10xf32>) -> tensor<?x1xf32>
  %s = pfrt.sub %x, %m : (tensor<?x10xf32>, tensor<?x1xf32>) -> tensor<?x10xf32>
  %e = pfrt.exp %s : tensor<?x10xf32> -> tensor<?x10xf32>
  %t = pfrt.reduce_sum %e {axes = array<i64: -1>} : (tensor<?x10xf32>) -> tensor<?x1xf32>
  %y = pfrt.div %e, %t : (tensor<?x10xf32>, tensor<?x1xf32>) -> tensor<?x10xf32>
  func.return %y : tensor<?x10xf32>
}
// CHECK-LABEL: @softmax
// CHECK-NEXT: pfrt.softmax %x {axis = 1 : i64}
// CHECK-NEXT: func.return

// -----

// The maximum along one axis and the sum along another are no softmax.
func.func @two_axes(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %m = pfrt.reduce_max %x {axes = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4x1xf32>
  %s = pfrt.sub %x, %m : (tensor<4x4xf32>, tensor<4x1xf32>) -> tensor<4x4xf32>
  %e = pfrt.exp %s : tensor<4x4xf32> -> tensor<4x4xf32>
  %t = pfrt.reduce_sum %e {axes = array<i64: 0>} : (tensor<4x4xf32>) -> tensor<1x4xf32>
  %y = pfrt.div %e, %t : (tensor<4x4xf32>, tensor<1x4xf32>) -> tensor<4x4xf32>
  func.return %y : tensor<4x4xf32>
}
// CHECK-LABEL: @two_axes
// CHECK-NOT: pfrt.softmax

// -----

// The logarithm, from a softmax and from sums of exponentials.
func.func @logarithm(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %p = pfrt.softmax %x : tensor<4x8xf32> -> tensor<4x8xf32>
  %y = pfrt.log %p : tensor<4x8xf32> -> tensor<4x8xf32>
  %l = pfrt.reduce_log_sum_exp %x {axes = array<i64: 0>} : (tensor<4x8xf32>) -> tensor<1x8xf32>
  %z = pfrt.sub %x, %l : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  func.return %y, %z : tensor<4x8xf32>, tensor<4x8xf32>
}
// CHECK-LABEL: @logarithm
// CHECK-NEXT: pfrt.log_softmax %x {axis = 1 : i64}
// CHECK-NEXT: pfrt.log_softmax %x {axis = 0 : i64}
// CHECK-NEXT: func.return
