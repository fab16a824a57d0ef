// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// max_pool: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64>} : tensor<1x1xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.max_pool: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// max_pool: the window has as many axes as there are spatial ones.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 3, 3>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.max_pool: C2: a window of 2 axes does not slide over tensor<1x1x5xf32>

// -----

// max_pool: windows are not empty.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 0>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.max_pool: C3: window must be at least 1, got [0]

// -----

// max_pool: auto_pad has four values.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 3>, auto_pad = "FULL"} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.max_pool: C4: auto_pad is one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, not "FULL"

// -----

// max_pool: the window fits.
func.func @f(%x: tensor<1x1x2xf32>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 3>} : tensor<1x1x2xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.max_pool: C5: a window of 3 elements does not fit into 2 (2 and padding 0 + 0)

// -----

// max_pool: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 3>} : tensor<1x1x5xi1> -> tensor<1x1x3xi1>
  func.return
}
// CHECK: pfrt.max_pool: C6: needs ordered numbers, got tensor<1x1x5xi1>

// -----

// max_pool_with_indices: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64>} : tensor<1x1xf32> -> tensor<1x1x3xf32>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// max_pool_with_indices: the window has as many axes as there are spatial ones.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 3, 3>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C2: a window of 2 axes does not slide over tensor<1x1x5xf32>

// -----

// max_pool_with_indices: windows are not empty.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 0>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C3: window must be at least 1, got [0]

// -----

// max_pool_with_indices: auto_pad has four values.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 3>, auto_pad = "FULL"} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C4: auto_pad is one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, not "FULL"

// -----

// max_pool_with_indices: the window fits.
func.func @f(%x: tensor<1x1x2xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 3>} : tensor<1x1x2xf32> -> tensor<1x1x3xf32>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C5: a window of 3 elements does not fit into 2 (2 and padding 0 + 0)

// -----

// max_pool_with_indices: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 3>} : tensor<1x1x5xi1> -> tensor<1x1x3xi1>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C6: needs ordered numbers, got tensor<1x1x5xi1>

// -----

// average_pool: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64>} : tensor<1x1xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.average_pool: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// average_pool: the window has as many axes as there are spatial ones.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 3, 3>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.average_pool: C2: a window of 2 axes does not slide over tensor<1x1x5xf32>

// -----

// average_pool: windows are not empty.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 0>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.average_pool: C3: window must be at least 1, got [0]

// -----

// average_pool: auto_pad has four values.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 3>, auto_pad = "FULL"} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.average_pool: C4: auto_pad is one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, not "FULL"

// -----

// average_pool: the window fits.
func.func @f(%x: tensor<1x1x2xf32>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 3>} : tensor<1x1x2xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.average_pool: C5: a window of 3 elements does not fit into 2 (2 and padding 0 + 0)

// -----

// average_pool: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 3>} : tensor<1x1x5xi1> -> tensor<1x1x3xi1>
  func.return
}
// CHECK: pfrt.average_pool: C6: needs floats, got tensor<1x1x5xi1>

// -----

// lp_pool: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64>} : tensor<1x1xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// lp_pool: the window has as many axes as there are spatial ones.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 3, 3>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C2: a window of 2 axes does not slide over tensor<1x1x5xf32>

// -----

// lp_pool: windows are not empty.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 0>} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C3: window must be at least 1, got [0]

// -----

// lp_pool: auto_pad has four values.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 3>, auto_pad = "FULL"} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C4: auto_pad is one of NOTSET, SAME_UPPER, SAME_LOWER, VALID, not "FULL"

// -----

// lp_pool: the window fits.
func.func @f(%x: tensor<1x1x2xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 3>} : tensor<1x1x2xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C5: a window of 3 elements does not fit into 2 (2 and padding 0 + 0)

// -----

// lp_pool: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 3>} : tensor<1x1x5xi1> -> tensor<1x1x3xi1>
  func.return
}
// CHECK: pfrt.lp_pool: C6: needs floats, got tensor<1x1x5xi1>

// -----

// Two storage orders.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y, %i = pfrt.max_pool_with_indices %x {kernel_shape = array<i64: 3>, storage_order = 2 : i64} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>, tensor<1x1x3xi64>
  func.return
}
// CHECK: pfrt.max_pool_with_indices: C7: storage_order is 0 or 1, not 2

// -----

// A norm has an order.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.lp_pool %x {kernel_shape = array<i64: 3>, p = 0 : i64} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: pfrt.lp_pool: C7: p must be at least 1, got 0

// -----

// global_average_pool: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y = pfrt.global_average_pool %x : tensor<1x1xf32> -> tensor<1x1xf32>
  func.return
}
// CHECK: pfrt.global_average_pool: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// global_average_pool: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y = pfrt.global_average_pool %x : tensor<1x1x5xi1> -> tensor<1x1x1xi1>
  func.return
}
// CHECK: pfrt.global_average_pool: C2: needs floats, got tensor<1x1x5xi1>

// -----

// global_max_pool: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y = pfrt.global_max_pool %x : tensor<1x1xf32> -> tensor<1x1xf32>
  func.return
}
// CHECK: pfrt.global_max_pool: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// global_max_pool: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y = pfrt.global_max_pool %x : tensor<1x1x5xi1> -> tensor<1x1x1xi1>
  func.return
}
// CHECK: pfrt.global_max_pool: C2: needs ordered numbers, got tensor<1x1x5xi1>

// -----

// global_lp_pool: there is a spatial axis.
func.func @f(%x: tensor<1x1xf32>) {
  %y = pfrt.global_lp_pool %x : tensor<1x1xf32> -> tensor<1x1xf32>
  func.return
}
// CHECK: pfrt.global_lp_pool: C1: needs at least 3 dimensions, got tensor<1x1xf32>

// -----

// global_lp_pool: elements can be compared or summed.
func.func @f(%x: tensor<1x1x5xi1>) {
  %y = pfrt.global_lp_pool %x : tensor<1x1x5xi1> -> tensor<1x1x1xi1>
  func.return
}
// CHECK: pfrt.global_lp_pool: C2: needs floats, got tensor<1x1x5xi1>

// -----

// A norm has an order.
func.func @f(%x: tensor<1x1x5xf32>) {
  %y = pfrt.global_lp_pool %x {p = -1 : i64} : tensor<1x1x5xf32> -> tensor<1x1x1xf32>
  func.return
}
// CHECK: pfrt.global_lp_pool: C3: p must be at least 1, got -1

// -----

// Floats of 8 bits are for storage only.
%x = "test.op"() : () -> tensor<1x1x4xf8E5M2>
%y = pfrt.max_pool %x {kernel_shape = array<i64: 2>} : tensor<1x1x4xf8E5M2> -> tensor<1x1x3xf8E5M2>
// CHECK: pfrt.max_pool: C6: needs ordered numbers, got tensor<1x1x4xf8E5M2>
