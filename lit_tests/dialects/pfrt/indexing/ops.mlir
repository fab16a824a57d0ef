// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// A row a dimension, as many columns as there are.
func.func @f(%x: tensor<?x4xf32>) {
  // CHECK: pfrt.non_zero %x as "where" : tensor<?x4xf32> -> tensor<2x?xi64>
  %0 = pfrt.non_zero %x as "where" : tensor<?x4xf32> -> tensor<2x?xi64>
  func.return
}

// -----

// Of a scalar there are no rows.
func.func @f(%x: tensor<i1>) {
  // CHECK: pfrt.non_zero %x : tensor<i1> -> tensor<0x?xi64>
  %0 = pfrt.non_zero %x : tensor<i1> -> tensor<0x?xi64>
  func.return
}

// -----

// The result has the shape of the indices.
func.func @f(%x: tensor<2x8xf32>, %i: tensor<2x?xi32>) {
  // CHECK: pfrt.gather_elements %x, %i {axis = 1 : i64} : (tensor<2x8xf32>, tensor<2x?xi32>) -> tensor<2x?xf32>
  %0 = pfrt.gather_elements %x, %i {axis = 1 : i64} : (tensor<2x8xf32>, tensor<2x?xi32>) -> tensor<2x?xf32>
  func.return
}

// -----

// A batch dimension that only the indices know.
func.func @f(%x: tensor<?x8x3xf32>, %i: tensor<2x5x1xi64>) {
  // CHECK: pfrt.gather_nd %x, %i {batch_dims = 1 : i64} : (tensor<?x8x3xf32>, tensor<2x5x1xi64>) -> tensor<2x5x3xf32>
  %0 = pfrt.gather_nd %x, %i {batch_dims = 1 : i64} : (tensor<?x8x3xf32>, tensor<2x5x1xi64>) -> tensor<2x5x3xf32>
  func.return
}

// -----

// Tuples of unknown length give an unknown rank.
func.func @f(%x: tensor<4x8xf32>, %i: tensor<5x?xi64>) {
  // CHECK: pfrt.gather_nd %x, %i : (tensor<4x8xf32>, tensor<5x?xi64>) -> tensor<*xf32>
  %0 = pfrt.gather_nd %x, %i : (tensor<4x8xf32>, tensor<5x?xi64>) -> tensor<*xf32>
  func.return
}

// -----

// Updates are written.
func.func @f(%x: tensor<2x8xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>) {
  // CHECK: pfrt.scatter_elements %x, %i, %u {axis = 1 : i64} : (tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x8xf32>
  %0 = pfrt.scatter_elements %x, %i, %u {axis = 1 : i64} : (tensor<2x8xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x8xf32>
  func.return
}

// -----

// Updates are added.
func.func @f(%x: tensor<?x8xi1>, %i: tensor<2x3xi32>, %u: tensor<2x3xi1>) {
  // CHECK: pfrt.scatter_elements %x, %i, %u {reduction = "add"} : (tensor<?x8xi1>, tensor<2x3xi32>, tensor<2x3xi1>) -> tensor<?x8xi1>
  %0 = pfrt.scatter_elements %x, %i, %u {reduction = "add"} : (tensor<?x8xi1>, tensor<2x3xi32>, tensor<2x3xi1>) -> tensor<?x8xi1>
  func.return
}

// -----

// Slices are multiplied.
func.func @f(%x: tensor<8x?xf16>, %i: tensor<5x1xi64>, %u: tensor<5x3xf16>) {
  // CHECK: pfrt.scatter_nd %x, %i, %u {reduction = "mul"} : (tensor<8x?xf16>, tensor<5x1xi64>, tensor<5x3xf16>) -> tensor<8x?xf16>
  %0 = pfrt.scatter_nd %x, %i, %u {reduction = "mul"} : (tensor<8x?xf16>, tensor<5x1xi64>, tensor<5x3xf16>) -> tensor<8x?xf16>
  func.return
}

// -----

// Along an axis.
func.func @f(%x: tensor<2x8xui8>, %c: tensor<5xi1>) {
  // CHECK: pfrt.compress %x, %c {axis = -1 : i64} : (tensor<2x8xui8>, tensor<5xi1>) -> tensor<2x?xui8>
  %0 = pfrt.compress %x, %c {axis = -1 : i64} : (tensor<2x8xui8>, tensor<5xi1>) -> tensor<2x?xui8>
  func.return
}

// -----

// All elements in a row.
func.func @f(%x: tensor<*xf32>, %c: tensor<?xi1>) {
  // CHECK: pfrt.compress %x, %c : (tensor<*xf32>, tensor<?xi1>) -> tensor<?xf32>
  %0 = pfrt.compress %x, %c : (tensor<*xf32>, tensor<?xi1>) -> tensor<?xf32>
  func.return
}

// -----

// Time first, or the batch.
func.func @f(%x: tensor<8x?x3xf32>, %n: tensor<?xi64>) {
  // CHECK: pfrt.reverse_sequence %x, %n : (tensor<8x?x3xf32>, tensor<?xi64>) -> tensor<8x?x3xf32>
  %0 = pfrt.reverse_sequence %x, %n : (tensor<8x?x3xf32>, tensor<?xi64>) -> tensor<8x?x3xf32>
  func.return
}

// -----

// The batch first.
func.func @f(%x: tensor<8x4xf32>, %n: tensor<8xi64>) {
  // CHECK: pfrt.reverse_sequence %x, %n {batch_axis = 0 : i64, time_axis = 1 : i64} : (tensor<8x4xf32>, tensor<8xi64>) -> tensor<8x4xf32>
  %0 = pfrt.reverse_sequence %x, %n {batch_axis = 0 : i64, time_axis = 1 : i64} : (tensor<8x4xf32>, tensor<8xi64>) -> tensor<8x4xf32>
  func.return
}

// -----

// A known number of elements.
func.func @f(%x: tensor<?x8xf32>) {
  // CHECK: pfrt.top_k %x as "best", "where" {k = 3 : i64, largest = false, sorted = false} : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
  %0, %1 = pfrt.top_k %x as "best", "where" {k = 3 : i64, largest = false, sorted = false} : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x3xi64>)
  func.return
}

// -----

// A number known at run time only.
func.func @f(%x: tensor<4x8xf32>, %k: tensor<1xi64>) {
  // CHECK: pfrt.top_k %x, %k {axis = 0 : i64} : (tensor<4x8xf32>, tensor<1xi64>) -> (tensor<?x8xf32>, tensor<?x8xi64>)
  %0, %1 = pfrt.top_k %x, %k {axis = 0 : i64} : (tensor<4x8xf32>, tensor<1xi64>) -> (tensor<?x8xf32>, tensor<?x8xi64>)
  func.return
}

// -----

// The new dimension comes first.
func.func @f(%i: tensor<?xi32>, %v: tensor<2xi8>) {
  // CHECK: pfrt.one_hot %i values %v {axis = 0 : i64, depth = 3 : i64} : (tensor<?xi32>, tensor<2xi8>) -> tensor<3x?xi8>
  %0 = pfrt.one_hot %i values %v {axis = 0 : i64, depth = 3 : i64} : (tensor<?xi32>, tensor<2xi8>) -> tensor<3x?xi8>
  func.return
}

// -----

// Of a depth known at run time only.
func.func @f(%i: tensor<4xf32>, %d: tensor<f32>, %v: tensor<2xf32>) {
  // CHECK: pfrt.one_hot %i depth %d values %v : (tensor<4xf32>, tensor<f32>, tensor<2xf32>) -> tensor<4x?xf32>
  %0 = pfrt.one_hot %i depth %d values %v : (tensor<4xf32>, tensor<f32>, tensor<2xf32>) -> tensor<4x?xf32>
  func.return
}

// -----

// The lower triangle, without the diagonal.
func.func @f(%x: tensor<?x4x4xf32>) {
  // CHECK: pfrt.trilu %x {k = -1 : i64, upper = false} : (tensor<?x4x4xf32>) -> tensor<?x4x4xf32>
  %0 = pfrt.trilu %x {k = -1 : i64, upper = false} : (tensor<?x4x4xf32>) -> tensor<?x4x4xf32>
  func.return
}

// -----

// A diagonal known at run time only.
func.func @f(%x: tensor<4x4xi1>, %k: tensor<i64>) {
  // CHECK: pfrt.trilu %x, %k : (tensor<4x4xi1>, tensor<i64>) -> tensor<4x4xi1>
  %0 = pfrt.trilu %x, %k : (tensor<4x4xi1>, tensor<i64>) -> tensor<4x4xi1>
  func.return
}

// -----

// Of another type.
func.func @f(%x: tensor<?x4xi32>) {
  // CHECK: pfrt.eye_like %x {dtype = f16, k = 1 : i64} : tensor<?x4xi32> -> tensor<?x4xf16>
  %0 = pfrt.eye_like %x {dtype = f16, k = 1 : i64} : tensor<?x4xi32> -> tensor<?x4xf16>
  func.return
}

// -----

// Products, without the element itself.
func.func @f(%x: tensor<?x4xui32>) {
  // CHECK: pfrt.cum_prod %x {axis = 1 : i64, exclusive = true} : (tensor<?x4xui32>) -> tensor<?x4xui32>
  %0 = pfrt.cum_prod %x {axis = 1 : i64, exclusive = true} : (tensor<?x4xui32>) -> tensor<?x4xui32>
  func.return
}

// -----

// From the end, without the element itself.
func.func @f(%x: tensor<?x4xf32>) {
  // CHECK: pfrt.cum_sum %x {axis = 1 : i64, exclusive = true, reverse = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = pfrt.cum_sum %x {axis = 1 : i64, exclusive = true, reverse = true} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return
}

// -----

// Along an axis known at run time only.
func.func @f(%x: tensor<2x4xi32>, %a: tensor<i32>) {
  // CHECK: pfrt.cum_sum %x, %a : (tensor<2x4xi32>, tensor<i32>) -> tensor<2x4xi32>
  %0 = pfrt.cum_sum %x, %a : (tensor<2x4xi32>, tensor<i32>) -> tensor<2x4xi32>
  func.return
}

// -----

// Elements: each has its place among the distinct ones.
func.func @f(%x: tensor<2x4xi64>) {
  // CHECK: pfrt.unique %x {sorted = false} : tensor<2x4xi64> -> tensor<?xi64>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
  %0, %1, %2, %3 = pfrt.unique %x {sorted = false} : tensor<2x4xi64> -> tensor<?xi64>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
  func.return
}

// -----

// Entries along an axis.
func.func @f(%x: tensor<2x4xf32>) {
  // CHECK: pfrt.unique %x {axis = 1 : i64} : tensor<2x4xf32> -> tensor<2x?xf32>, tensor<?xi64>, tensor<4xi64>, tensor<?xi64>
  %0, %1, %2, %3 = pfrt.unique %x {axis = 1 : i64} : tensor<2x4xf32> -> tensor<2x?xf32>, tensor<?xi64>, tensor<4xi64>, tensor<?xi64>
  func.return
}

// -----

// A cache that is written around its end, and one that is filled from its beginning.
func.func @f(%c: tensor<2x4x64x8xi8>, %u: tensor<2x4x?x8xi8>, %i: tensor<2xi64>) {
  // CHECK: pfrt.tensor_scatter %c, %u at(%i : tensor<2xi64>) {mode = "circular"} : tensor<2x4x64x8xi8>, tensor<2x4x?x8xi8> -> tensor<2x4x64x8xi8>
  %0 = pfrt.tensor_scatter %c, %u at(%i : tensor<2xi64>) {mode = "circular"} : tensor<2x4x64x8xi8>, tensor<2x4x?x8xi8> -> tensor<2x4x64x8xi8>
  // CHECK: pfrt.tensor_scatter %c, %u {axis = 2 : i64} : tensor<2x4x64x8xi8>, tensor<2x4x?x8xi8> -> tensor<2x4x64x8xi8>
  %1 = pfrt.tensor_scatter %c, %u {axis = 2 : i64} : tensor<2x4x64x8xi8>, tensor<2x4x?x8xi8> -> tensor<2x4x64x8xi8>
  func.return
}
