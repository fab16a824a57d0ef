// RUN: pfrt-run %s --backend numpy --opt-level 0
// RUN: pfrt-run %s --backend reference --opt-level 0

// Slices count from the back, and backwards.
func.func @slice() {
  %x = pfrt.constant dense<[0, 1, 2, 3, 4, 5]> : tensor<6xi64>
  %e = pfrt.constant dense<[5, 3, 1]> : tensor<3xi64>
  %y = pfrt.slice %x {starts = array<i64: -1>, ends = array<i64: -7>, steps = array<i64: -2>} : tensor<6xi64> -> tensor<3xi64>
  check.expect_eq %y, %e : tensor<3xi64>
  func.return
}

// A negative pad removes elements.
func.func @pad() {
  %x = pfrt.constant dense<[1, 2, 3]> : tensor<3xi64>
  %e = pfrt.constant dense<[2, 3, 7, 7]> : tensor<4xi64>
  %c = pfrt.constant dense<7> : tensor<i64>
  %y = pfrt.pad %x value(%c : tensor<i64>) {pads = array<i64: -1, 2>} : tensor<3xi64> -> tensor<4xi64>
  check.expect_eq %y, %e : tensor<4xi64>
  func.return
}

// Indices count from both ends, and their shape takes the place of the axis.
func.func @gather() {
  %x = pfrt.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %i = pfrt.constant dense<[[-1, 0]]> : tensor<1x2xi64>
  %e = pfrt.constant dense<[[[3, 1]], [[6, 4]]]> : tensor<2x1x2xi64>
  %y = pfrt.gather %x, %i {axis = 1 : i64} : (tensor<2x3xi64>, tensor<1x2xi64>) -> tensor<2x1x2xi64>
  check.expect_eq %y, %e : tensor<2x1x2xi64>
  func.return
}

// Concatenation of a constant, a view and a computed value.
func.func @concat() {
  %x = pfrt.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %t = pfrt.transpose %x {perm = array<i64: 1, 0>} : tensor<1x2xf32> -> tensor<2x1xf32>
  %r = pfrt.reshape %t {shape = array<i64: 1, 2>} : (tensor<2x1xf32>) -> tensor<1x2xf32>
  %n = pfrt.neg %x : tensor<1x2xf32> -> tensor<1x2xf32>
  %e = pfrt.constant dense<[[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0]]> : tensor<3x2xf32>
  %y = pfrt.concat %x, %r, %n {axis = 0 : i64} : (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<3x2xf32>
  check.expect_eq %y, %e : tensor<3x2xf32>
  func.return
}
