// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// An index for each element.
// CHECK: pfrt.max_unpool: C1: the indices must be tensor<1x1x2xi64>, got tensor<1x1x3xi64>
func.func @f(%x: tensor<1x1x2xf32>, %i: tensor<1x1x3xi64>) {
  %0 = pfrt.max_unpool %x, %i {kernel_shape = array<i64: 2>} : (tensor<1x1x2xf32>, tensor<1x1x3xi64>) -> tensor<1x1x3xf32>
  func.return
}

// -----

// A window over each axis.
// CHECK: pfrt.max_unpool: C2: a window of 2 axes for tensor<1x1x2xf32>
func.func @f(%x: tensor<1x1x2xf32>, %i: tensor<1x1x2xi64>) {
  %0 = pfrt.max_unpool %x, %i {kernel_shape = array<i64: 2, 2>} : (tensor<1x1x2xf32>, tensor<1x1x2xi64>) -> tensor<?x?x?x?xf32>
  func.return
}

// -----

// A window has elements.
// CHECK: pfrt.max_unpool: C3: window and strides are at least 1
func.func @f(%x: tensor<1x1x2xf32>, %i: tensor<1x1x2xi64>) {
  %0 = pfrt.max_unpool %x, %i {kernel_shape = array<i64: 0>} : (tensor<1x1x2xf32>, tensor<1x1x2xi64>) -> tensor<?x?x?xf32>
  func.return
}

// -----

// A shape is integers.
// CHECK: pfrt.max_unpool: C4: output_shape must be a vector of i64 or i32, got tensor<3xf32>
func.func @f(%x: tensor<1x1x2xf32>, %i: tensor<1x1x2xi64>, %s: tensor<3xf32>) {
  %0 = pfrt.max_unpool %x, %i, %s {kernel_shape = array<i64: 2>} : (tensor<1x1x2xf32>, tensor<1x1x2xi64>, tensor<3xf32>) -> tensor<?x?x?xf32>
  func.return
}

// -----

// A shape is no less than what the pool was made of.
// CHECK: pfrt.max_unpool: C5: [1, 1, 2] is less than [1, 1, 3]
func.func @f(%x: tensor<1x1x2xf32>, %i: tensor<1x1x2xi64>) {
  %0 = pfrt.max_unpool %x, %i {kernel_shape = array<i64: 2>, output_shape = array<i64: 1, 1, 2>} : (tensor<1x1x2xf32>, tensor<1x1x2xi64>) -> tensor<1x1x2xf32>
  func.return
}
