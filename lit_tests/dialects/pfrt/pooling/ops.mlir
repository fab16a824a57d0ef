// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// A window of bytes, of unknown batch.
func.func @max_pool(%x: tensor<?x8x6x6xui8>) -> tensor<?x8x3x3xui8> {
  // CHECK: pfrt.max_pool %x {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<?x8x6x6xui8> -> tensor<?x8x3x3xui8>
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : tensor<?x8x6x6xui8> -> tensor<?x8x3x3xui8>
  func.return %y : tensor<?x8x3x3xui8>
}

// -----

// Two results, two names.
func.func @max_pool_with_indices(%x: tensor<1x2x6xf32>) -> (tensor<1x2x5xf32>, tensor<1x2x5xi64>) {
  // CHECK: pfrt.max_pool_with_indices %x as "pool", "where" {kernel_shape = array<i64: 2>, storage_order = 1 : i64} : tensor<1x2x6xf32> -> tensor<1x2x5xf32>, tensor<1x2x5xi64>
  %y, %i = pfrt.max_pool_with_indices %x as "pool", "where" {kernel_shape = array<i64: 2>, storage_order = 1 : i64} : tensor<1x2x6xf32> -> tensor<1x2x5xf32>, tensor<1x2x5xi64>
  func.return %y, %i : tensor<1x2x5xf32>, tensor<1x2x5xi64>
}

// -----

// The last window hangs over the end.
func.func @average_pool(%x: tensor<1x8x5xf32>) -> tensor<1x8x3xf32> {
  // CHECK: pfrt.average_pool %x {ceil_mode = true, count_include_pad = true, kernel_shape = array<i64: 2>, strides = array<i64: 2>} : tensor<1x8x5xf32> -> tensor<1x8x3xf32>
  %y = pfrt.average_pool %x {ceil_mode = true, count_include_pad = true, kernel_shape = array<i64: 2>, strides = array<i64: 2>} : tensor<1x8x5xf32> -> tensor<1x8x3xf32>
  func.return %y : tensor<1x8x3xf32>
}

// -----

// The order of the norm.
func.func @lp_pool(%x: tensor<1x8x6xf32>) -> tensor<1x8x5xf32> {
  // CHECK: pfrt.lp_pool %x {kernel_shape = array<i64: 2>, p = 1 : i64} : tensor<1x8x6xf32> -> tensor<1x8x5xf32>
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 2>, p = 1 : i64} : tensor<1x8x6xf32> -> tensor<1x8x5xf32>
  func.return %y : tensor<1x8x5xf32>
}

// -----

// Unknown spatial sizes become 1.
func.func @global_average_pool(%x: tensor<?x8x?x?xf32>) -> tensor<?x8x1x1xf32> {
  // CHECK: pfrt.global_average_pool %x : tensor<?x8x?x?xf32> -> tensor<?x8x1x1xf32>
  %y = pfrt.global_average_pool %x : tensor<?x8x?x?xf32> -> tensor<?x8x1x1xf32>
  func.return %y : tensor<?x8x1x1xf32>
}

// -----

// Any number of spatial axes.
func.func @global_max_pool(%x: tensor<2x8x5xf64>) -> tensor<2x8x1xf64> {
  // CHECK: pfrt.global_max_pool %x : tensor<2x8x5xf64> -> tensor<2x8x1xf64>
  %y = pfrt.global_max_pool %x : tensor<2x8x5xf64> -> tensor<2x8x1xf64>
  func.return %y : tensor<2x8x1xf64>
}

// -----

// The order of the norm.
func.func @global_lp_pool(%x: tensor<2x8x5xf32>) -> tensor<2x8x1xf32> {
  // CHECK: pfrt.global_lp_pool %x {p = 1 : i64} : tensor<2x8x5xf32> -> tensor<2x8x1xf32>
  %y = pfrt.global_lp_pool %x {p = 1 : i64} : tensor<2x8x5xf32> -> tensor<2x8x1xf32>
  func.return %y : tensor<2x8x1xf32>
}

// -----

// An op that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<1x2x6xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 2>} : tensor<1x2x6xf32> -> tensor<1x2x5xf32>, tensor<1x2x5xi64>
  func.return
}
