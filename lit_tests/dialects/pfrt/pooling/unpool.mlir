// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// By default the least there can have been; a shape that is given, known or not.
// CHECK-LABEL: @f
// CHECK-NEXT:    pfrt.max_unpool %x, %i as "y" {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x3x2x2xf32>, tensor<?x3x2x2xi64>) -> tensor<?x3x4x4xf32>
// CHECK-NEXT:    pfrt.max_unpool %x, %i {kernel_shape = array<i64: 2, 2>, output_shape = array<i64: 1, 3, 5, 5>} : (tensor<?x3x2x2xf32>, tensor<?x3x2x2xi64>) -> tensor<1x3x5x5xf32>
// CHECK-NEXT:    pfrt.max_unpool %x, %i, %s {kernel_shape = array<i64: 2, 2>} : (tensor<?x3x2x2xf32>, tensor<?x3x2x2xi64>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
func.func @f(%x: tensor<?x3x2x2xf32>, %i: tensor<?x3x2x2xi64>, %s: tensor<4xi64>) {
  %0 = pfrt.max_unpool %x, %i as "y" {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<?x3x2x2xf32>, tensor<?x3x2x2xi64>) -> tensor<?x3x4x4xf32>
  %1 = pfrt.max_unpool %x, %i {kernel_shape = array<i64: 2, 2>, output_shape = array<i64: 1, 3, 5, 5>} : (tensor<?x3x2x2xf32>, tensor<?x3x2x2xi64>) -> tensor<1x3x5x5xf32>
  %2 = pfrt.max_unpool %x, %i, %s {kernel_shape = array<i64: 2, 2>} : (tensor<?x3x2x2xf32>, tensor<?x3x2x2xi64>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
  func.return
}
