// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// Padding is resolved as for convolutions.
func.func @same_upper(%x: tensor<1x1x6xf32>) -> tensor<1x1x3xf32> {
  %y = pfrt.average_pool %x {auto_pad = "SAME_UPPER", kernel_shape = array<i64: 3>, strides = array<i64: 2>} : tensor<1x1x6xf32> -> tensor<1x1x3xf32>
  func.return %y : tensor<1x1x3xf32>
}
// CHECK-LABEL: @same_upper
// CHECK:         pfrt.average_pool %x {kernel_shape = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 0, 1>}

// -----

// VALID never rounds up, so that neither may its explicit form.
func.func @valid(%x: tensor<1x1x5xf32>) -> tensor<1x1x1xf32> {
  %y = pfrt.max_pool %x {auto_pad = "VALID", ceil_mode = true, kernel_shape = array<i64: 3>, strides = array<i64: 3>} : tensor<1x1x5xf32> -> tensor<1x1x1xf32>
  func.return %y : tensor<1x1x1xf32>
}
// CHECK-LABEL: @valid
// CHECK:         pfrt.max_pool %x {kernel_shape = array<i64: 3>, strides = array<i64: 3>}

// -----

// Indices that nobody uses are not computed; the name of the values stays.
func.func @unused_indices(%x: tensor<1x1x5xf32>) -> tensor<1x1x4xf32> {
  %y, %i = pfrt.max_pool_with_indices %x as "values", "indices" {kernel_shape = array<i64: 2>, storage_order = 1 : i64} : tensor<1x1x5xf32> -> tensor<1x1x4xf32>, tensor<1x1x4xi64>
  func.return %y : tensor<1x1x4xf32>
}
// CHECK-LABEL: @unused_indices
// CHECK-NEXT:    pfrt.max_pool %x as "values" {kernel_shape = array<i64: 2>} : tensor<1x1x5xf32> -> tensor<1x1x4xf32>

// -----

// Indices that somebody uses are.
func.func @used_indices(%x: tensor<1x1x5xf32>) -> tensor<1x1x4xi64> {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 2>} : tensor<1x1x5xf32> -> tensor<1x1x4xf32>, tensor<1x1x4xi64>
  func.return %i : tensor<1x1x4xi64>
}
// CHECK-LABEL: @used_indices
// CHECK-NEXT:    pfrt.max_pool_with_indices
