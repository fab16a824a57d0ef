// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// The reduced dimension becomes 1, the unknown one stays unknown.
func.func @reduce_sum(%x: tensor<?x8xf32>) -> tensor<?x1xf32> {
  // CHECK: pfrt.reduce_sum %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %y = pfrt.reduce_sum %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// Two dimensions go away.
func.func @reduce_mean(%x: tensor<?x8x4x4xf32>) -> tensor<?x8xf32> {
  // CHECK: pfrt.reduce_mean %x as "pooled" {axes = array<i64: 2, 3>, keepdims = false} : (tensor<?x8x4x4xf32>) -> tensor<?x8xf32>
  %y = pfrt.reduce_mean %x as "pooled" {axes = array<i64: 2, 3>, keepdims = false} : (tensor<?x8x4x4xf32>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}

// -----

// Axes known at run time only: any dimension may become 1.
func.func @reduce_max(%x: tensor<4x1xi8>, %a: tensor<1xi64>) -> tensor<?x1xi8> {
  // CHECK: pfrt.reduce_max %x axes %a : (tensor<4x1xi8>, tensor<1xi64>) -> tensor<?x1xi8>
  %y = pfrt.reduce_max %x axes %a : (tensor<4x1xi8>, tensor<1xi64>) -> tensor<?x1xi8>
  func.return %y : tensor<?x1xi8>
}

// -----

// As many dimensions go away as there are axes.
func.func @reduce_min(%x: tensor<4x2x3xf32>, %a: tensor<2xi64>) -> tensor<?xf32> {
  // CHECK: pfrt.reduce_min %x axes %a {keepdims = false} : (tensor<4x2x3xf32>, tensor<2xi64>) -> tensor<?xf32>
  %y = pfrt.reduce_min %x axes %a {keepdims = false} : (tensor<4x2x3xf32>, tensor<2xi64>) -> tensor<?xf32>
  func.return %y : tensor<?xf32>
}

// -----

// An unknown number of axes gives an unknown rank.
func.func @reduce_prod(%x: tensor<4x2xf32>, %a: tensor<?xi64>) -> tensor<*xf32> {
  // CHECK: pfrt.reduce_prod %x axes %a {keepdims = false} : (tensor<4x2xf32>, tensor<?xi64>) -> tensor<*xf32>
  %y = pfrt.reduce_prod %x axes %a {keepdims = false} : (tensor<4x2xf32>, tensor<?xi64>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}

// -----

// No axes: all dimensions.
func.func @reduce_l1(%x: tensor<4x2xf32>) -> tensor<f32> {
  // CHECK: pfrt.reduce_l1 %x {keepdims = false} : (tensor<4x2xf32>) -> tensor<f32>
  %y = pfrt.reduce_l1 %x {keepdims = false} : (tensor<4x2xf32>) -> tensor<f32>
  func.return %y : tensor<f32>
}

// -----

// No axes, and told to reduce none.
func.func @reduce_l2(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  // CHECK: pfrt.reduce_l2 %x {noop_with_empty_axes = true} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  %y = pfrt.reduce_l2 %x {noop_with_empty_axes = true} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  func.return %y : tensor<4x2xf32>
}

// -----

// Along one axis.
func.func @reduce_sum_square(%x: tensor<?x8xf32>) -> tensor<?x1xf32> {
  // CHECK: pfrt.reduce_sum_square %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %y = pfrt.reduce_sum_square %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// Along one axis.
func.func @reduce_log_sum(%x: tensor<?x8xf32>) -> tensor<?x1xf32> {
  // CHECK: pfrt.reduce_log_sum %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %y = pfrt.reduce_log_sum %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// Along one axis.
func.func @reduce_log_sum_exp(%x: tensor<?x8xf32>) -> tensor<?x1xf32> {
  // CHECK: pfrt.reduce_log_sum_exp %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  %y = pfrt.reduce_log_sum_exp %x {axes = array<i64: 1>} : (tensor<?x8xf32>) -> tensor<?x1xf32>
  func.return %y : tensor<?x1xf32>
}

// -----

// The result holds indices.
func.func @arg_max(%x: tensor<?x10xf32>) -> tensor<?xi64> {
  // CHECK: pfrt.arg_max %x {axis = 1 : i64, keepdims = false} : tensor<?x10xf32> -> tensor<?xi64>
  %y = pfrt.arg_max %x {axis = 1 : i64, keepdims = false} : tensor<?x10xf32> -> tensor<?xi64>
  func.return %y : tensor<?xi64>
}

// -----

// The last of equal ones.
func.func @arg_min(%x: tensor<5x3xf32>) -> tensor<1x3xi64> {
  // CHECK: pfrt.arg_min %x {select_last_index = true} : tensor<5x3xf32> -> tensor<1x3xi64>
  %y = pfrt.arg_min %x {select_last_index = true} : tensor<5x3xf32> -> tensor<1x3xi64>
  func.return %y : tensor<1x3xi64>
}

// -----

// An op that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<4xf32>) {
  %y = pfrt.reduce_sum %x : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
