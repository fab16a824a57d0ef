// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// An odd element of padding goes to the end; the batch may be unknown.
func.func @same_upper(%x: tensor<?x1x5x6xf32>, %w: tensor<1x1x3x3xf32>) -> tensor<?x1x3x3xf32> {
  %y = pfrt.conv %x, %w as "c" {auto_pad = "SAME_UPPER", strides = array<i64: 2, 2>} : (tensor<?x1x5x6xf32>, tensor<1x1x3x3xf32>) -> tensor<?x1x3x3xf32>
  func.return %y : tensor<?x1x3x3xf32>
}
// CHECK-LABEL: @same_upper
// CHECK:         pfrt.conv %x, %w as "c" {strides = array<i64: 2, 2>, pads = array<i64: 1, 0, 1, 1>}

// -----

// An odd element of padding goes to the beginning.
func.func @same_lower(%x: tensor<1x1x6xf32>, %w: tensor<1x1x3xf32>) -> tensor<1x1x3xf32> {
  %y = pfrt.conv %x, %w {auto_pad = "SAME_LOWER", strides = array<i64: 2>} : (tensor<1x1x6xf32>, tensor<1x1x3xf32>) -> tensor<1x1x3xf32>
  func.return %y : tensor<1x1x3xf32>
}
// CHECK-LABEL: @same_lower
// CHECK:         pfrt.conv %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 0>}

// -----

// A window of one element needs no padding, and no property says so.
func.func @same_1x1(%x: tensor<1x1x6xf32>, %w: tensor<1x1x1xf32>) -> tensor<1x1x6xf32> {
  %y = pfrt.conv %x, %w {auto_pad = "SAME_UPPER"} : (tensor<1x1x6xf32>, tensor<1x1x1xf32>) -> tensor<1x1x6xf32>
  func.return %y : tensor<1x1x6xf32>
}
// CHECK-LABEL: @same_1x1
// CHECK:         pfrt.conv %x, %w : (tensor<1x1x6xf32>

// -----

// While a spatial size is unknown, so is the padding.
func.func @unknown_size(%x: tensor<1x1x?xf32>, %w: tensor<1x1x3xf32>) -> tensor<1x1x?xf32> {
  %y = pfrt.conv %x, %w {auto_pad = "SAME_UPPER"} : (tensor<1x1x?xf32>, tensor<1x1x3xf32>) -> tensor<1x1x?xf32>
  func.return %y : tensor<1x1x?xf32>
}
// CHECK-LABEL: @unknown_size
// CHECK:         pfrt.conv %x, %w {auto_pad = "SAME_UPPER"}

// -----

// VALID is no padding whatever the size; pads beside it never counted.
func.func @valid(%x: tensor<*xf32>, %w: tensor<1x1x3xf32>) -> tensor<*xf32> {
  %y = pfrt.conv %x, %w {auto_pad = "VALID", pads = array<i64: 1, 1>} : (tensor<*xf32>, tensor<1x1x3xf32>) -> tensor<*xf32>
  func.return %y : tensor<*xf32>
}
// CHECK-LABEL: @valid
// CHECK:         pfrt.conv %x, %w : (tensor<*xf32>
