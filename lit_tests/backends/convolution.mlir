// RUN: pfrt-run %s --backend numpy --opt-level 0
// RUN: pfrt-run %s --backend reference --opt-level 0

// A 1x1 convolution is one matrix product an image: [[1, 2], [0, 1]] applied to two channels.
func.func @pointwise() {
  %x = pfrt.constant dense<[[[[1.0, 2.0]], [[10.0, 20.0]]], [[[3.0, 4.0]], [[30.0, 40.0]]]]> : tensor<2x2x1x2xf32>
  %w = pfrt.constant dense<[[[[1.0]], [[2.0]]], [[[0.0]], [[1.0]]]]> : tensor<2x2x1x1xf32>
  %b = pfrt.constant dense<[0.5, -1.0]> : tensor<2xf32>
  %e = pfrt.constant dense<[[[[21.5, 42.5]], [[9.0, 19.0]]], [[[63.5, 84.5]], [[29.0, 39.0]]]]> : tensor<2x2x1x2xf32>
  %y = pfrt.conv %x, %w, %b : (tensor<2x2x1x2xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<2x2x1x2xf32>
  check.expect_close %y, %e : tensor<2x2x1x2xf32>
  func.return
}

// Padding counts as zero: sums of 3x3 neighbourhoods, of which the corners see four elements.
func.func @padded() {
  %x = pfrt.constant dense<1.0> : tensor<1x1x3x3xf32>
  %w = pfrt.constant dense<1.0> : tensor<1x1x3x3xf32>
  %e = pfrt.constant dense<[[[[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]]]> : tensor<1x1x3x3xf32>
  %y = pfrt.conv %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x1x3x3xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x3x3xf32>
  check.expect_close %y, %e : tensor<1x1x3x3xf32>
  func.return
}

// Two convolutions share scratch memory: the border of the second one is zero all the same.
func.func @padded_twice() {
  %x = pfrt.constant dense<1.0> : tensor<1x1x3x3xf32>
  %w = pfrt.constant dense<1.0> : tensor<1x1x3x3xf32>
  %e = pfrt.constant dense<[[[[25.0, 35.0, 25.0], [35.0, 49.0, 35.0], [25.0, 35.0, 25.0]]]]> : tensor<1x1x3x3xf32>
  %a = pfrt.conv %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x1x3x3xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x3x3xf32>
  %y = pfrt.conv %a, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<1x1x3x3xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x3x3xf32>
  check.expect_close %y, %e : tensor<1x1x3x3xf32>
  func.return
}

// Strides, dilations and one-sided padding along a single axis; a group for each channel.
func.func @depthwise_1d() {
  %x = pfrt.constant dense<[[[1.0, 2.0, 3.0, 4.0, 5.0], [10.0, 20.0, 30.0, 40.0, 50.0]]]> : tensor<1x2x5xf32>
  %w = pfrt.constant dense<[[[1.0, 10.0]], [[1.0, 1.0]]]> : tensor<2x1x2xf32>
  %e = pfrt.constant dense<[[[31.0, 53.0, 5.0], [40.0, 80.0, 50.0]]]> : tensor<1x2x3xf32>
  %y = pfrt.conv %x, %w {group = 2 : i64, strides = array<i64: 2>, dilations = array<i64: 2>, pads = array<i64: 0, 2>} : (tensor<1x2x5xf32>, tensor<2x1x2xf32>) -> tensor<1x2x3xf32>
  check.expect_close %y, %e : tensor<1x2x3xf32>
  func.return
}
