// RUN: pfrt-run %s --backend numpy --opt-level 0
// RUN: pfrt-run %s --backend reference --opt-level 0

// Padding never wins a maximum, not even over negative numbers.
func.func @max_of_negatives() {
  %x = pfrt.constant dense<[[[-4.0, -3.0, -2.0, -1.0]]]> : tensor<1x1x4xf32>
  %e = pfrt.constant dense<[[[-3.0, -1.0]]]> : tensor<1x1x2xf32>
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 0>} : tensor<1x1x4xf32> -> tensor<1x1x2xf32>
  check.expect_eq %y, %e : tensor<1x1x2xf32>
  func.return
}

// With ceil_mode the last window hangs over the end.
func.func @max_overhang() {
  %x = pfrt.constant dense<[[[1.0, 2.0, 3.0, 4.0, 5.0]]]> : tensor<1x1x5xf32>
  %e = pfrt.constant dense<[[[2.0, 4.0, 5.0]]]> : tensor<1x1x3xf32>
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 2>, strides = array<i64: 2>, ceil_mode = true} : tensor<1x1x5xf32> -> tensor<1x1x3xf32>
  check.expect_eq %y, %e : tensor<1x1x3xf32>
  func.return
}

// The mean is over the elements of the input, or over the padding too; never over the overhang.
func.func @average_divisors() {
  %x = pfrt.constant dense<[[[2.0, 4.0, 6.0, 8.0]]]> : tensor<1x1x4xf32>
  %e = pfrt.constant dense<[[[3.0, 6.0, 8.0]]]> : tensor<1x1x3xf32>
  %f = pfrt.constant dense<[[[2.0, 6.0, 4.0]]]> : tensor<1x1x3xf32>
  %y = pfrt.average_pool %x {kernel_shape = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, ceil_mode = true} : tensor<1x1x4xf32> -> tensor<1x1x3xf32>
  %z = pfrt.average_pool %x {kernel_shape = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, ceil_mode = true, count_include_pad = true} : tensor<1x1x4xf32> -> tensor<1x1x3xf32>
  check.expect_close %y, %e : tensor<1x1x3xf32>
  check.expect_close %z, %f : tensor<1x1x3xf32>
  func.return
}
