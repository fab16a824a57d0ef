// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// A constant of one element moves in; operands that are the same value are one argument.
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %c = pfrt.constant dense<2.000000e+00> : tensor<f32>
  %y = pfrt.fused(%a, %c, %a) -> (tensor<4xf32>) as "y" {
  ^bb0(%x: tensor<4xf32>, %k: tensor<f32>, %z: tensor<4xf32>):
    %s = pfrt.mul %x, %k : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    %r = pfrt.sub %s, %z : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    pfrt.yield %r : tensor<4xf32>
  } : (tensor<4xf32>, tensor<f32>, tensor<4xf32>)
  func.return %y : tensor<4xf32>
}
// CHECK:      func.func @main
// CHECK-NEXT: %y = pfrt.fused(%a) -> (tensor<4xf32>) as "y" {
// CHECK-NEXT: ^bb0(%x: tensor<4xf32>):
// CHECK-NEXT: %c = pfrt.constant
// CHECK-NEXT: %s = pfrt.mul %x, %c
// CHECK-NEXT: %r = pfrt.sub %s, %x

// -----

// A result that nothing uses goes, and what only it needed.
func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %y, %z = pfrt.fused(%a, %b) -> (tensor<4xf32>, tensor<4xf32>) as "y", "z" {
  ^bb0(%p: tensor<4xf32>, %q: tensor<4xf32>):
    %s = pfrt.exp %p : tensor<4xf32> -> tensor<4xf32>
    %t = pfrt.tanh %s : tensor<4xf32> -> tensor<4xf32>
    %u = pfrt.neg %q : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %u, %t : tensor<4xf32>, tensor<4xf32>
  } : (tensor<4xf32>, tensor<4xf32>)
  func.return %z : tensor<4xf32>
}
// CHECK: pfrt.fused(%a) -> (tensor<4xf32>) as "z" {
// CHECK-NOT: pfrt.neg
// CHECK: pfrt.yield %t

// -----

// One op needs no region; it keeps the name.
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %y = pfrt.fused(%a) -> (tensor<4xf32>) as "y" {
  ^bb0(%x: tensor<4xf32>):
    %r = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
    %i = pfrt.clip %r : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %r : tensor<4xf32>
  } : (tensor<4xf32>)
  func.return %y : tensor<4xf32>
}
// CHECK:      func.func @main
// CHECK-NEXT: pfrt.exp %a as "y"
// CHECK-NEXT: func.return

// -----

// An argument that is yielded is the operand.
func.func @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  %y = pfrt.fused(%a) -> (tensor<4xf32>) {
  ^bb0(%x: tensor<4xf32>):
    pfrt.yield %x : tensor<4xf32>
  } : (tensor<4xf32>)
  func.return %y : tensor<4xf32>
}
// CHECK:      func.func @main
// CHECK-NEXT: func.return %a
