// RUN: not pfrt-run %s --backend numpy --opt-level 0 2>&1 | filecheck %s
// RUN: not pfrt-run %s --backend reference --opt-level 0 2>&1 | filecheck %s

// The error names the first element that differs, and how many do.
func.func @wrong() {
  %x = pfrt.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %e = pfrt.constant dense<[-1.0, -2.5, 3.0]> : tensor<3xf32>
  %y = pfrt.neg %x : tensor<3xf32> -> tensor<3xf32>
  check.expect_close %y, %e : tensor<3xf32>
  func.return
}
// CHECK: got -2.0, expected -2.5 at index [1]; 2 of 3 elements differ
