// A module without @main is a test: each function that takes nothing is run, on both backends.
// RUN: not pfrt-run %s | filecheck %s
// RUN: not pfrt-run %s --backend reference | filecheck %s

func.func @holds() {
  %a = pfrt.constant dense<[-1.0, 2.0]> : tensor<2xf32>
  %0 = pfrt.relu %a : tensor<2xf32> -> tensor<2xf32>
  %1 = pfrt.constant dense<[0.0, 2.0]> : tensor<2xf32>
  check.expect_eq %0, %1 : tensor<2xf32>
  func.return
}

func.func @fails() {
  %a = pfrt.constant dense<[1, 2]> : tensor<2xi64>
  %b = pfrt.constant dense<[1, 3]> : tensor<2xi64>
  check.expect_eq %a, %b : tensor<2xi64>
  func.return
}

func.func @helper(%x: tensor<2xf32>) -> tensor<2xf32> {
  func.return %x : tensor<2xf32>
}

// CHECK: @holds: passed
// CHECK-NEXT: @fails: {{.*}}got 2, expected 3 at index [1]; 1 of 2 elements differ
// CHECK-NOT: @helper
