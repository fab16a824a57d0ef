// RUN: pfrt-opt %s -p dce | filecheck %s

// Control flow without effects that nothing uses is removed; with a check inside it stays.
func.func @main(%c: tensor<i1>, %x: tensor<4xf32>) {
  %y = pfrt.if %c -> (tensor<4xf32>) {
    pfrt.yield %x : tensor<4xf32>
  } else {
    pfrt.yield %x : tensor<4xf32>
  } : tensor<i1>
  pfrt.if %c -> () {
    check.expect_eq %x, %x : tensor<4xf32>
    pfrt.yield
  } else {
    pfrt.yield
  } : tensor<i1>
  func.return
}
// CHECK-LABEL: @main
// CHECK-NEXT: pfrt.if %c -> () {
// CHECK-NEXT: check.expect_eq
