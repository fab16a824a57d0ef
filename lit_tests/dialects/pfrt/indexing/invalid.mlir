// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// An index is an integer.
// CHECK: pfrt.gather_elements: C1: indices must be i64 or i32, got tensor<2xf32>
func.func @f(%x: tensor<4xf32>, %i: tensor<2xf32>) {
  %0 = pfrt.gather_elements %x, %i : (tensor<4xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return
}

// -----

// A scalar has no axis.
// CHECK: pfrt.gather_elements: C2: axis 0 is outside the dimensions of tensor<f32>
func.func @f(%x: tensor<f32>, %i: tensor<i64>) {
  %0 = pfrt.gather_elements %x, %i : (tensor<f32>, tensor<i64>) -> tensor<f32>
  func.return
}

// -----

// Beside the axis there is an element for each index.
// CHECK: pfrt.gather_elements: C3: tensor<5x1xi64> does not suit tensor<4x8xf32>
func.func @f(%x: tensor<4x8xf32>, %i: tensor<5x1xi64>) {
  %0 = pfrt.gather_elements %x, %i {axis = 1 : i64} : (tensor<4x8xf32>, tensor<5x1xi64>) -> tensor<5x1xf32>
  func.return
}

// -----

// An index is no small integer.
// CHECK: pfrt.gather_nd: C1: indices must be i64 or i32, got tensor<2x1xi8>
func.func @f(%x: tensor<4xf32>, %i: tensor<2x1xi8>) {
  %0 = pfrt.gather_nd %x, %i : (tensor<4xf32>, tensor<2x1xi8>) -> tensor<2xf32>
  func.return
}

// -----

// There are dimensions beside those of the batch.
// CHECK: pfrt.gather_nd: C2: batch_dims 1 is too much or negative
func.func @f(%x: tensor<4xf32>, %i: tensor<4x1xi64>) {
  %0 = pfrt.gather_nd %x, %i {batch_dims = 1 : i64} : (tensor<4xf32>, tensor<4x1xi64>) -> tensor<4xf32>
  func.return
}

// -----

// Batches are of one size.
// CHECK: pfrt.gather_nd: C2: batch dimensions 4 and 3 differ
func.func @f(%x: tensor<4x2xf32>, %i: tensor<3x1xi64>) {
  %0 = pfrt.gather_nd %x, %i {batch_dims = 1 : i64} : (tensor<4x2xf32>, tensor<3x1xi64>) -> tensor<3xf32>
  func.return
}

// -----

// A tuple has an index for a dimension.
// CHECK: pfrt.gather_nd: C3: index tuples of 3 for 2 dimensions
func.func @f(%x: tensor<4x2xf32>, %i: tensor<5x3xi64>) {
  %0 = pfrt.gather_nd %x, %i : (tensor<4x2xf32>, tensor<5x3xi64>) -> tensor<5xf32>
  func.return
}

// -----

// An index is an integer.
// CHECK: pfrt.scatter_elements: C1: indices must be i64 or i32, got tensor<2xui8>
func.func @f(%x: tensor<4xf32>, %i: tensor<2xui8>, %u: tensor<2xf32>) {
  %0 = pfrt.scatter_elements %x, %i, %u : (tensor<4xf32>, tensor<2xui8>, tensor<2xf32>) -> tensor<4xf32>
  func.return
}

// -----

// Updates are of the same type.
// CHECK: pfrt.scatter_elements: C2: needs one element type, got f32, f16
func.func @f(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<2xf16>) {
  %0 = pfrt.scatter_elements %x, %i, %u : (tensor<4xf32>, tensor<2xi64>, tensor<2xf16>) -> tensor<4xf32>
  func.return
}

// -----

// A reduction of another name.
// CHECK: pfrt.scatter_elements: C3: unknown reduction "sub"
func.func @f(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<2xf32>) {
  %0 = pfrt.scatter_elements %x, %i, %u {reduction = "sub"} : (tensor<4xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<4xf32>
  func.return
}

// -----

// Complex numbers have no order.
// CHECK: pfrt.scatter_elements: C3: "max" is not defined on tensor<4xcomplex<f32>>
func.func @f(%x: tensor<4xcomplex<f32>>, %i: tensor<2xi64>, %u: tensor<2xcomplex<f32>>) {
  %0 = pfrt.scatter_elements %x, %i, %u {reduction = "max"} : (tensor<4xcomplex<f32>>, tensor<2xi64>, tensor<2xcomplex<f32>>) -> tensor<4xcomplex<f32>>
  func.return
}

// -----

// The axis is one of x's.
// CHECK: pfrt.scatter_elements: C4: axis 1 is outside the dimensions of tensor<4xf32>
func.func @f(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<2xf32>) {
  %0 = pfrt.scatter_elements %x, %i, %u {axis = 1 : i64} : (tensor<4xf32>, tensor<2xi64>, tensor<2xf32>) -> tensor<4xf32>
  func.return
}

// -----

// An update for each index.
// CHECK: pfrt.scatter_elements: C5: updates must be tensor<2xf32>, got tensor<3xf32>
func.func @f(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<3xf32>) {
  %0 = pfrt.scatter_elements %x, %i, %u : (tensor<4xf32>, tensor<2xi64>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// An element for each index.
// CHECK: pfrt.scatter_elements: C5: tensor<2x3xi64> does not suit tensor<4x2xf32>
func.func @f(%x: tensor<4x2xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>) {
  %0 = pfrt.scatter_elements %x, %i, %u : (tensor<4x2xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<4x2xf32>
  func.return
}

// -----

// An index is an integer.
// CHECK: pfrt.scatter_nd: C1: indices must be i64 or i32, got tensor<2x1xf32>
func.func @f(%x: tensor<4xf32>, %i: tensor<2x1xf32>, %u: tensor<2xf32>) {
  %0 = pfrt.scatter_nd %x, %i, %u : (tensor<4xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<4xf32>
  func.return
}

// -----

// Updates are of the same type.
// CHECK: pfrt.scatter_nd: C2: needs one element type, got f32, i32
func.func @f(%x: tensor<4xf32>, %i: tensor<2x1xi64>, %u: tensor<2xi32>) {
  %0 = pfrt.scatter_nd %x, %i, %u : (tensor<4xf32>, tensor<2x1xi64>, tensor<2xi32>) -> tensor<4xf32>
  func.return
}

// -----

// 8-bit floats are moved, not added.
// CHECK: pfrt.scatter_nd: C3: "add" is not defined on tensor<4xf8E5M2>
func.func @f(%x: tensor<4xf8E5M2>, %i: tensor<2x1xi64>, %u: tensor<2xf8E5M2>) {
  %0 = pfrt.scatter_nd %x, %i, %u {reduction = "add"} : (tensor<4xf8E5M2>, tensor<2x1xi64>, tensor<2xf8E5M2>) -> tensor<4xf8E5M2>
  func.return
}

// -----

// A tuple has an index for a dimension.
// CHECK: pfrt.scatter_nd: C4: index tuples of 2 for 1 dimensions
func.func @f(%x: tensor<4xf32>, %i: tensor<2x2xi64>, %u: tensor<2xf32>) {
  %0 = pfrt.scatter_nd %x, %i, %u : (tensor<4xf32>, tensor<2x2xi64>, tensor<2xf32>) -> tensor<4xf32>
  func.return
}

// -----

// There is a dimension of tuples.
// CHECK: pfrt.scatter_nd: C4: indices must not be a scalar
func.func @f(%x: tensor<4xf32>, %i: tensor<i64>, %u: tensor<f32>) {
  %0 = pfrt.scatter_nd %x, %i, %u : (tensor<4xf32>, tensor<i64>, tensor<f32>) -> tensor<4xf32>
  func.return
}

// -----

// An update is what a tuple points to.
// CHECK: pfrt.scatter_nd: C5: updates must be tensor<2x3xf32>, got tensor<2xf32>
func.func @f(%x: tensor<4x3xf32>, %i: tensor<2x1xi64>, %u: tensor<2xf32>) {
  %0 = pfrt.scatter_nd %x, %i, %u : (tensor<4x3xf32>, tensor<2x1xi64>, tensor<2xf32>) -> tensor<4x3xf32>
  func.return
}

// -----

// A condition holds or does not.
// CHECK: pfrt.compress: C1: the condition must be a vector of i1, got tensor<4xi8>
func.func @f(%x: tensor<4xf32>, %c: tensor<4xi8>) {
  %0 = pfrt.compress %x, %c : (tensor<4xf32>, tensor<4xi8>) -> tensor<?xf32>
  func.return
}

// -----

// The axis is one of x's.
// CHECK: pfrt.compress: C2: axis 1 is outside the dimensions of tensor<4xf32>
func.func @f(%x: tensor<4xf32>, %c: tensor<4xi1>) {
  %0 = pfrt.compress %x, %c {axis = 1 : i64} : (tensor<4xf32>, tensor<4xi1>) -> tensor<?xf32>
  func.return
}

// -----

// A length is an integer.
// CHECK: pfrt.reverse_sequence: C1: lengths must be i64 or i32, got tensor<2xf32>
func.func @f(%x: tensor<4x2xf32>, %n: tensor<2xf32>) {
  %0 = pfrt.reverse_sequence %x, %n : (tensor<4x2xf32>, tensor<2xf32>) -> tensor<4x2xf32>
  func.return
}

// -----

// Time is another axis than the batch.
// CHECK: pfrt.reverse_sequence: C2: cannot be the axes 1 and 1 of tensor<4x2xf32>
func.func @f(%x: tensor<4x2xf32>, %n: tensor<2xi64>) {
  %0 = pfrt.reverse_sequence %x, %n {time_axis = 1 : i64} : (tensor<4x2xf32>, tensor<2xi64>) -> tensor<4x2xf32>
  func.return
}

// -----

// A length for each sequence.
// CHECK: pfrt.reverse_sequence: C3: lengths must be tensor<2xi64>, got tensor<4xi64>
func.func @f(%x: tensor<4x2xf32>, %n: tensor<4xi64>) {
  %0 = pfrt.reverse_sequence %x, %n : (tensor<4x2xf32>, tensor<4xi64>) -> tensor<4x2xf32>
  func.return
}

// -----

// Truths have no order.
// CHECK: pfrt.top_k: C1: cannot order tensor<4xi1>
func.func @f(%x: tensor<4xi1>) {
  %0, %1 = pfrt.top_k %x {k = 1 : i64} : (tensor<4xi1>) -> (tensor<1xi1>, tensor<1xi64>)
  func.return
}

// -----

// The axis is one of x's.
// CHECK: pfrt.top_k: C2: axis 1 is outside the dimensions of tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0, %1 = pfrt.top_k %x {axis = 1 : i64, k = 1 : i64} : (tensor<4xf32>) -> (tensor<1xf32>, tensor<1xi64>)
  func.return
}

// -----

// It is said how many.
// CHECK: pfrt.top_k: C3: needs k, a property or an operand
func.func @f(%x: tensor<4xf32>) {
  %0, %1 = pfrt.top_k %x : (tensor<4xf32>) -> (tensor<?xf32>, tensor<?xi64>)
  func.return
}

// -----

// And once.
// CHECK: pfrt.top_k: C3: k must be one number, got tensor<2xi64>
func.func @f(%x: tensor<4xf32>, %k: tensor<2xi64>) {
  %0, %1 = pfrt.top_k %x, %k : (tensor<4xf32>, tensor<2xi64>) -> (tensor<?xf32>, tensor<?xi64>)
  func.return
}

// -----

// There are that many.
// CHECK: pfrt.top_k: C4: k is 5 for axis -1 of tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0, %1 = pfrt.top_k %x {k = 5 : i64} : (tensor<4xf32>) -> (tensor<5xf32>, tensor<5xi64>)
  func.return
}

// -----

// An index is a number.
// CHECK: pfrt.one_hot: C1: tensor<4xi1> are no indices
func.func @f(%i: tensor<4xi1>, %v: tensor<2xf32>) {
  %0 = pfrt.one_hot %i values %v {depth = 3 : i64} : (tensor<4xi1>, tensor<2xf32>) -> tensor<4x3xf32>
  func.return
}

// -----

// The depth is given.
// CHECK: pfrt.one_hot: C2: needs depth, a property or an operand
func.func @f(%i: tensor<4xi64>, %v: tensor<2xf32>) {
  %0 = pfrt.one_hot %i values %v : (tensor<4xi64>, tensor<2xf32>) -> tensor<4x?xf32>
  func.return
}

// -----

// Nothing is less than flat.
// CHECK: pfrt.one_hot: C3: depth -1 is negative
func.func @f(%i: tensor<4xi64>, %v: tensor<2xf32>) {
  %0 = pfrt.one_hot %i values %v {depth = -1 : i64} : (tensor<4xi64>, tensor<2xf32>) -> tensor<4x?xf32>
  func.return
}

// -----

// One value for those that are off, one for those that are on.
// CHECK: pfrt.one_hot: C4: values must be tensor<2xf32>, got tensor<3xf32>
func.func @f(%i: tensor<4xi64>, %v: tensor<3xf32>) {
  %0 = pfrt.one_hot %i values %v {depth = 3 : i64} : (tensor<4xi64>, tensor<3xf32>) -> tensor<4x3xf32>
  func.return
}

// -----

// The axis is one of the result's.
// CHECK: pfrt.one_hot: C5: axis 2 is outside the dimensions of the result
func.func @f(%i: tensor<4xi64>, %v: tensor<2xf32>) {
  %0 = pfrt.one_hot %i values %v {axis = 2 : i64, depth = 3 : i64} : (tensor<4xi64>, tensor<2xf32>) -> tensor<4x3xf32>
  func.return
}

// -----

// A triangle has two sides.
// CHECK: pfrt.trilu: C1: needs at least 2 dimensions, got tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.trilu %x : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// A diagonal has one number.
// CHECK: pfrt.trilu: C2: k must be one number, got tensor<f32>
func.func @f(%x: tensor<4x4xf32>, %k: tensor<f32>) {
  %0 = pfrt.trilu %x, %k : (tensor<4x4xf32>, tensor<f32>) -> tensor<4x4xf32>
  func.return
}

// -----

// Only matrices have a diagonal.
// CHECK: pfrt.eye_like: C1: needs a matrix, got tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.eye_like %x : tensor<4xf32> -> tensor<4xf32>
  func.return
}

// -----

// A type without a one.
// CHECK: pfrt.eye_like: C2: there is no one of f8E8M0FNU
func.func @f(%x: tensor<4x4xf32>) {
  %0 = pfrt.eye_like %x {dtype = f8E8M0FNU} : tensor<4x4xf32> -> tensor<4x4xf8E8M0FNU>
  func.return
}

// -----

// Truths have no product.
// CHECK: pfrt.cum_prod: C1: is not defined on tensor<4xi1>
func.func @f(%x: tensor<4xi1>) {
  %0 = pfrt.cum_prod %x {axis = 0 : i64} : (tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// There is no default axis.
// CHECK: pfrt.cum_prod: C2: needs axis, a property or an operand
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.cum_prod %x : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// The axis is one of x's.
// CHECK: pfrt.cum_prod: C3: axis -2 is outside the dimensions of tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.cum_prod %x {axis = -2 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// Truths have no sum.
// CHECK: pfrt.cum_sum: C1: is not defined on tensor<4xi1>
func.func @f(%x: tensor<4xi1>) {
  %0 = pfrt.cum_sum %x {axis = 0 : i64} : (tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// There is no default axis.
// CHECK: pfrt.cum_sum: C2: needs axis, a property or an operand
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.cum_sum %x : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// The axis is one of x's.
// CHECK: pfrt.cum_sum: C3: axis -2 is outside the dimensions of tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0 = pfrt.cum_sum %x {axis = -2 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// 4-bit integers are not ordered.
// CHECK: pfrt.unique: C1: cannot order tensor<4xi4>
func.func @f(%x: tensor<4xi4>) {
  %0, %1, %2, %3 = pfrt.unique %x : tensor<4xi4> -> tensor<?xi4>, tensor<?xi64>, tensor<4xi64>, tensor<?xi64>
  func.return
}

// -----

// The axis is one of x's.
// CHECK: pfrt.unique: C2: axis 1 is outside the dimensions of tensor<4xf32>
func.func @f(%x: tensor<4xf32>) {
  %0, %1, %2, %3 = pfrt.unique %x {axis = 1 : i64} : tensor<4xf32> -> tensor<?xf32>, tensor<?xi64>, tensor<4xi64>, tensor<?xi64>
  func.return
}

// -----

// There is an index for each batch.
// CHECK: pfrt.tensor_scatter: C1: indices must be tensor<2xi64>, got tensor<3xi64>
func.func @f(%c: tensor<2x4x8xf32>, %u: tensor<2x1x8xf32>, %i: tensor<3xi64>) {
  %0 = pfrt.tensor_scatter %c, %u at(%i : tensor<3xi64>) : tensor<2x4x8xf32>, tensor<2x1x8xf32> -> tensor<2x4x8xf32>
  func.return
}

// -----

// Batches are not written along.
// CHECK: pfrt.tensor_scatter: C2: the axis must not be the first
func.func @f(%c: tensor<2x8xf32>) {
  %0 = pfrt.tensor_scatter %c, %c : tensor<2x8xf32>, tensor<2x8xf32> -> tensor<2x8xf32>
  func.return
}

// -----

// The update has the other dimensions of the cache.
// CHECK: pfrt.tensor_scatter: C3: the update must be tensor<2x?x8xf32>, got tensor<2x1x6xf32>
func.func @f(%c: tensor<2x4x8xf32>, %u: tensor<2x1x6xf32>) {
  %0 = pfrt.tensor_scatter %c, %u : tensor<2x4x8xf32>, tensor<2x1x6xf32> -> tensor<2x4x8xf32>
  func.return
}

// -----

// There is room for the update.
// CHECK: pfrt.tensor_scatter: C3: the update is longer than the cache: tensor<2x5x8xf32>
func.func @f(%c: tensor<2x4x8xf32>, %u: tensor<2x5x8xf32>) {
  %0 = pfrt.tensor_scatter %c, %u : tensor<2x4x8xf32>, tensor<2x5x8xf32> -> tensor<2x4x8xf32>
  func.return
}

// -----

// The mode has one of two names.
// CHECK: pfrt.tensor_scatter: C4: unknown mode "spiral"
func.func @f(%c: tensor<2x4x8xf32>) {
  %0 = pfrt.tensor_scatter %c, %c {mode = "spiral"} : tensor<2x4x8xf32>, tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  func.return
}
