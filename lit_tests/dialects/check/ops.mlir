// RUN: pfrt-opt %s --split-input-file -p canonicalize,cse,dce | filecheck %s

// Expectations have no results, and yet nothing removes or merges them.
func.func @kept(%x: tensor<4xf32>, %y: tensor<4xf32>) {
  check.expect_eq %x, %y : tensor<4xf32>
  check.expect_eq %x, %y : tensor<4xf32>
  check.expect_close %x, %y {rtol = 1.000000e-03 : f32, atol = 1.000000e-06 : f32} : tensor<4xf32>
  func.return
}
// CHECK-LABEL: func.func @kept
// CHECK-NEXT: check.expect_eq %x, %y : tensor<4xf32>
// CHECK-NEXT: check.expect_eq %x, %y : tensor<4xf32>
// CHECK-NEXT: check.expect_close %x, %y {rtol = 1.000000e-03 : f32, atol = 1.000000e-06 : f32} : tensor<4xf32>

// -----

// Types that differ in `?` are both printed; default tolerances are not.
func.func @two_types(%x: tensor<?xf32>, %y: tensor<4xf32>) {
  check.expect_close %x, %y : tensor<?xf32>, tensor<4xf32>
  func.return
}
// CHECK-LABEL: func.func @two_types
// CHECK-NEXT: check.expect_close %x, %y : tensor<?xf32>, tensor<4xf32>
