// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// SAME cuts down to size * stride, the odd element off the end.
func.func @same(%x: tensor<?x1x4xf32>, %w: tensor<1x1x5xf32>) -> tensor<?x1x8xf32> {
  %y = pfrt.conv_transpose %x, %w as "c" {auto_pad = "SAME_UPPER", strides = array<i64: 2>} : (tensor<?x1x4xf32>, tensor<1x1x5xf32>) -> tensor<?x1x8xf32>
  func.return %y : tensor<?x1x8xf32>
}
// CHECK-LABEL: @same
// CHECK:         pfrt.conv_transpose %x, %w as "c" {strides = array<i64: 2>, pads = array<i64: 1, 2>}

// -----

// A wanted size says what is cut off, and what is added at the end.
func.func @output_shape(%x: tensor<1x1x4x4xf32>, %w: tensor<1x1x3x3xf32>) -> tensor<1x1x5x7xf32> {
  %y = pfrt.conv_transpose %x, %w {output_shape = array<i64: 5, 7>} : (tensor<1x1x4x4xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x5x7xf32>
  func.return %y : tensor<1x1x5x7xf32>
}
// CHECK-LABEL: @output_shape
// CHECK:         pfrt.conv_transpose %x, %w {output_padding = array<i64: 0, 1>, pads = array<i64: 1, 0, 0, 0>}

// -----

// While a size is unknown, so are the pads.
func.func @unknown(%x: tensor<1x1x?xf32>, %w: tensor<1x1x3xf32>) -> tensor<1x1x5xf32> {
  %y = pfrt.conv_transpose %x, %w {output_shape = array<i64: 5>} : (tensor<1x1x?xf32>, tensor<1x1x3xf32>) -> tensor<1x1x5xf32>
  func.return %y : tensor<1x1x5xf32>
}
// CHECK-LABEL: @unknown
// CHECK:         pfrt.conv_transpose %x, %w {output_shape = array<i64: 5>}

// -----

// VALID is no pads whatever the size.
func.func @valid(%x: tensor<*xf32>, %w: tensor<1x1x3xf32>) -> tensor<*xf32> {
  %y = pfrt.conv_transpose %x, %w {auto_pad = "VALID", pads = array<i64: 1, 1>} : (tensor<*xf32>, tensor<1x1x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// CHECK-LABEL: @valid
// CHECK:         pfrt.conv_transpose %x, %w : (tensor<*xf32>
