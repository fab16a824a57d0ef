// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// Constant axes become a property, in order and counted from the beginning.
func.func @constant_axes(%x: tensor<?x2x3xf32>) -> tensor<2xf32> {
  %axes = pfrt.constant dense<[-1, 0]> : tensor<2xi64>
  %y = pfrt.reduce_mean %x axes %axes as "mean" {keepdims = false} : (tensor<?x2x3xf32>, tensor<2xi64>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}
// CHECK-LABEL: @constant_axes
// CHECK-NEXT:    pfrt.reduce_mean %x as "mean" {keepdims = false, axes = array<i64: 0, 2>} : (tensor<?x2x3xf32>) -> tensor<2xf32>

// -----

// Reducing no dimension is nothing, where one element reduces to itself.
func.func @noop(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %a = pfrt.reduce_sum %x {noop_with_empty_axes = true} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %b = pfrt.reduce_l1 %x {noop_with_empty_axes = true} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %a, %b : tensor<2x3xf32>, tensor<2x3xf32>
}
// CHECK-LABEL: @noop
// CHECK-NEXT:    %b = pfrt.reduce_l1
// CHECK-NEXT:    func.return %x, %b

// -----

// The axis of an index is counted from the beginning, once the rank is known.
func.func @arg(%x: tensor<?x10xf32>) -> tensor<?x1xi64> {
  %y = pfrt.arg_max %x {axis = -1 : i64} : tensor<?x10xf32> -> tensor<?x1xi64>
  func.return %y : tensor<?x1xi64>
}
// CHECK-LABEL: @arg
// CHECK-NEXT:    pfrt.arg_max %x {axis = 1 : i64}
