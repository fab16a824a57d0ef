// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// identity(x) -> x
// CHECK: @identity(%[[X:.*]]:
func.func @identity(%x: tensor<?xf32>) -> tensor<?xf32> {
  %r = pfrt.identity %x as "y" : tensor<?xf32> -> tensor<?xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?xf32>
}

// -----

// reshape(x) -> x, if that leaves its static shape.
// CHECK: @reshape_to_own_shape(%[[X:.*]]:
func.func @reshape_to_own_shape(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %r = pfrt.reshape %x {shape = array<i64: -1, 3>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<2x3xf32>
}

// -----

// Dimensions that are not known may differ under one type.
// CHECK: @reshape_dynamic
func.func @reshape_dynamic(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %r = pfrt.reshape %x {shape = array<i64: -1, 0>} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  // CHECK: pfrt.reshape
  func.return %r : tensor<?x?xf32>
}

// -----

// reshape(reshape(x)) {shape = s} -> reshape(x) {shape = s}
// CHECK: @reshape_of_reshape(%[[X:.*]]:
func.func @reshape_of_reshape(%x: tensor<?x6xf32>) -> tensor<?x3xf32> {
  %0 = pfrt.reshape %x {shape = array<i64: -1>} : (tensor<?x6xf32>) -> tensor<?xf32>
  %r = pfrt.reshape %0 as "y" {shape = array<i64: -1, 3>} : (tensor<?xf32>) -> tensor<?x3xf32>
  // CHECK-NEXT: pfrt.reshape %[[X]] as "y" {shape = array<i64: -1, 3>} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  func.return %r : tensor<?x3xf32>
}

// -----

// A copied dimension of the inner result is written out if it is static.
// CHECK: @reshape_of_reshape_static(%[[X:.*]]:
func.func @reshape_of_reshape_static(%x: tensor<2x6xf32>) -> tensor<4x1x3xf32> {
  %0 = pfrt.reshape %x {shape = array<i64: 4, 3>} : (tensor<2x6xf32>) -> tensor<4x3xf32>
  %r = pfrt.reshape %0 {shape = array<i64: 0, 1, -1>} : (tensor<4x3xf32>) -> tensor<4x1x3xf32>
  // CHECK-NEXT: pfrt.reshape %[[X]] {shape = array<i64: 4, 1, 3>}
  func.return %r : tensor<4x1x3xf32>
}

// -----

// A static dimension of no elements is not a copy.
// CHECK: @reshape_of_reshape_empty(%[[X:.*]]:
func.func @reshape_of_reshape_empty(%x: tensor<0x6xf32>) -> tensor<3x0xf32> {
  %0 = pfrt.reshape %x {shape = array<i64: 6, 0>, allowzero = true} : (tensor<0x6xf32>) -> tensor<6x0xf32>
  %r = pfrt.reshape %0 {shape = array<i64: 3, 0>} : (tensor<6x0xf32>) -> tensor<3x0xf32>
  // CHECK-NEXT: pfrt.reshape %[[X]] {shape = array<i64: 3, 0>, allowzero = true}
  func.return %r : tensor<3x0xf32>
}

// -----

// Not if s copies a dimension of the inner result that is not known.
// CHECK: @reshape_of_reshape_copying
func.func @reshape_of_reshape_copying(%x: tensor<?x6xf32>) -> tensor<?x3xf32> {
  %0 = pfrt.reshape %x {shape = array<i64: -1, 3>} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  // CHECK: pfrt.reshape
  %r = pfrt.reshape %0 {shape = array<i64: 0, -1>} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  // CHECK: pfrt.reshape
  func.return %r : tensor<?x3xf32>
}

// -----

// transpose(x) {perm = 0, 1, …} -> x
// CHECK: @transpose_identity(%[[X:.*]]:
func.func @transpose_identity(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = pfrt.transpose %x {perm = array<i64: 0, 1>} : tensor<?x3xf32> -> tensor<?x3xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?x3xf32>
}

// -----

// A vector reversed is the vector.
// CHECK: @transpose_vector(%[[X:.*]]:
func.func @transpose_vector(%x: tensor<?xf32>) -> tensor<?xf32> {
  %r = pfrt.transpose %x : tensor<?xf32> -> tensor<?xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?xf32>
}

// -----

// transpose(transpose(x) {perm = p}) {perm = q} -> transpose(x) {perm = p[q]}
// CHECK: @transpose_of_transpose(%[[X:.*]]:
func.func @transpose_of_transpose(%x: tensor<2x3x4xf32>) -> tensor<3x2x4xf32> {
  %0 = pfrt.transpose %x {perm = array<i64: 1, 2, 0>} : tensor<2x3x4xf32> -> tensor<3x4x2xf32>
  %r = pfrt.transpose %0 {perm = array<i64: 0, 2, 1>} : tensor<3x4x2xf32> -> tensor<3x2x4xf32>
  // CHECK-NEXT: pfrt.transpose %[[X]] {perm = array<i64: 1, 0, 2>} : tensor<2x3x4xf32> -> tensor<3x2x4xf32>
  func.return %r : tensor<3x2x4xf32>
}

// -----

// Transposes that undo each other vanish; a missing perm is a reversal.
// CHECK: @transpose_undone(%[[X:.*]]:
func.func @transpose_undone(%x: tensor<2x?x4xf32>) -> tensor<2x?x4xf32> {
  %0 = pfrt.transpose %x : tensor<2x?x4xf32> -> tensor<4x?x2xf32>
  %r = pfrt.transpose %0 {perm = array<i64: 2, 1, 0>} : tensor<4x?x2xf32> -> tensor<2x?x4xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<2x?x4xf32>
}

// -----

// expand(x) -> x, if that leaves its static shape.
// CHECK: @expand_to_own_shape(%[[X:.*]]:
func.func @expand_to_own_shape(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %r = pfrt.expand %x {shape = array<i64: 1, 3>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<2x3xf32>
}

// -----

// concat(x) -> x
// CHECK: @concat_of_one(%[[X:.*]]:
func.func @concat_of_one(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = pfrt.concat %x {axis = 0 : i64} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?x3xf32>
}

// -----

// split(x) into one part -> x
// CHECK: @split_into_one(%[[X:.*]]:
func.func @split_into_one(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  %r = pfrt.split %x {num_outputs = 1 : i64} : (tensor<?x3xf32>) -> (tensor<?x3xf32>)
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?x3xf32>
}

// -----

// A constant split of several results becomes a property.
// CHECK: @constant_split(%[[X:.*]]:
func.func @constant_split(%x: tensor<5xf32>) -> tensor<3xf32> {
  %s = pfrt.constant dense<[2, 3]> : tensor<2xi64>
  %0, %r = pfrt.split %x, %s as "a", "b" : (tensor<5xf32>, tensor<2xi64>) -> (tensor<2xf32>, tensor<3xf32>)
  // CHECK-NEXT: pfrt.split %[[X]] as "a", "b" {split = array<i64: 2, 3>} : (tensor<5xf32>) -> (tensor<2xf32>, tensor<3xf32>)
  func.return %r : tensor<3xf32>
}

// -----

// slice(x) -> x, if it takes everything in order: here a constant end beyond the dimension.
// CHECK: @slice_all(%[[X:.*]]:
func.func @slice_all(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %e = pfrt.constant dense<100> : tensor<1xi64>
  %r = pfrt.slice %x ends(%e : tensor<1xi64>) {axes = array<i64: 1>, starts = array<i64: -8>} : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<2x8xf32>
}

// -----

// The endless end takes everything of a dimension that is not known.
// CHECK: @slice_all_dynamic(%[[X:.*]]:
func.func @slice_all_dynamic(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %r = pfrt.slice %x {starts = array<i64: 0>, ends = array<i64: 9223372036854775807>} : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?x8xf32>
}

// -----

// Any other end may cut it.
// CHECK: @slice_some
func.func @slice_some(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %r = pfrt.slice %x {starts = array<i64: 0>, ends = array<i64: 100>} : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK: pfrt.slice
  func.return %r : tensor<?x8xf32>
}

// -----

// Everything in reverse order is not x.
// CHECK: @slice_reversed
func.func @slice_reversed(%x: tensor<8xf32>) -> tensor<8xf32> {
  %r = pfrt.slice %x {starts = array<i64: -1>, ends = array<i64: -9>, steps = array<i64: -1>} : tensor<8xf32> -> tensor<8xf32>
  // CHECK: pfrt.slice
  func.return %r : tensor<8xf32>
}

// -----

// pad(x) by zeros -> x
// CHECK: @pad_nothing(%[[X:.*]]:
func.func @pad_nothing(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %r = pfrt.pad %x {pads = array<i64: 0, 0>, axes = array<i64: 1>} : tensor<?x8xf32> -> tensor<?x8xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?x8xf32>
}

// -----

// Elements removed on one side and added on the other are not nothing.
// CHECK: @pad_shifted
func.func @pad_shifted(%x: tensor<8xf32>) -> tensor<8xf32> {
  %r = pfrt.pad %x {pads = array<i64: 1, -1>} : tensor<8xf32> -> tensor<8xf32>
  // CHECK: pfrt.pad
  func.return %r : tensor<8xf32>
}

// -----

// pad(x, value = constant c) -> pad(x) {constant_value = c}, in the element type of x.
// CHECK: @pad_constant_value(%[[X:.*]]:
func.func @pad_constant_value(%x: tensor<8xf64>) -> tensor<10xf64> {
  %p = pfrt.constant dense<1> : tensor<2xi64>
  %v = pfrt.constant dense<0.1> : tensor<f64>
  %r = pfrt.pad %x pads(%p : tensor<2xi64>) value(%v : tensor<f64>) as "y" : tensor<8xf64> -> tensor<10xf64>
  // CHECK-NEXT: pfrt.pad %[[X]] as "y" {constant_value = 1.000000e-01 : f64, pads = array<i64: 1, 1>}
  func.return %r : tensor<10xf64>
}

// -----

// tile(x) {repeats = 1, 1, …} -> x
// CHECK: @tile_once(%[[X:.*]]:
func.func @tile_once(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %r = pfrt.tile %x {repeats = array<i64: 1, 1>} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %r : tensor<?x8xf32>
}

// -----

// A negative axis counts from the front, once the rank is known.
// CHECK: @axis
func.func @axis(%x: tensor<2x8xf32>, %i: tensor<3xi64>) -> tensor<2x3xf32> {
  %r = pfrt.gather %x, %i {axis = -1 : i64} : (tensor<2x8xf32>, tensor<3xi64>) -> tensor<2x3xf32>
  // CHECK-NEXT: pfrt.gather {{.*}} {axis = 1 : i64}
  func.return %r : tensor<2x3xf32>
}
