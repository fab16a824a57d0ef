// RUN: pfrt-opt %s -p pfrt-simplify-movement --split-input-file | filecheck %s

// Reshapes of all kinds become one, with an unknown dimension too; back to the start they go.
func.func @reshapes(%x: tensor<?x4x6xf32>) -> (tensor<?x24xf32>, tensor<?x4x6xf32>) {
  %u = pfrt.unsqueeze %x {axes = array<i64: 1>} : (tensor<?x4x6xf32>) -> tensor<?x1x4x6xf32>
  %f = pfrt.reshape %u {shape = array<i64: 0, -1>} : (tensor<?x1x4x6xf32>) -> tensor<?x24xf32>
  %b = pfrt.reshape %f {shape = array<i64: 0, 4, 6>} : (tensor<?x24xf32>) -> tensor<?x4x6xf32>
  func.return %f, %b : tensor<?x24xf32>, tensor<?x4x6xf32>
}
// CHECK-LABEL: @reshapes
// CHECK-NEXT: %f = pfrt.reshape %x {shape = array<i64: -1, 24>}
// CHECK-NEXT: func.return %f, %x

// -----

// With two unknown dimensions only axes are compared.
func.func @axes(%x: tensor<?x?xf32>) -> (tensor<?x?xf32>, tensor<?x1x1x?xf32>) {
  %u = pfrt.unsqueeze %x {axes = array<i64: 1>} : (tensor<?x?xf32>) -> tensor<?x1x?xf32>
  %s = pfrt.squeeze %u {axes = array<i64: -2>} : (tensor<?x1x?xf32>) -> tensor<?x?xf32>
  %v = pfrt.unsqueeze %u {axes = array<i64: 2>} : (tensor<?x1x?xf32>) -> tensor<?x1x1x?xf32>
  func.return %s, %v : tensor<?x?xf32>, tensor<?x1x1x?xf32>
}
// CHECK-LABEL: @axes
// CHECK-NEXT: %v = pfrt.unsqueeze %x {axes = array<i64: 1, 2>}
// CHECK-NEXT: func.return %x, %v

// -----

// A transpose that only moves a dimension of 1 is a reshape.
func.func @ones(%x: tensor<?x1x6xf32>) -> tensor<1x?x6xf32> {
  %t = pfrt.transpose %x {perm = array<i64: 1, 0, 2>} : tensor<?x1x6xf32> -> tensor<1x?x6xf32>
  func.return %t : tensor<1x?x6xf32>
}
// CHECK-LABEL: @ones
// CHECK-NEXT: pfrt.reshape %x {shape = array<i64: 1, -1, 6>}

// -----

// Dimensions merged, moved and split again were moved.
func.func @between(%x: tensor<?x3x5x7xf32>) -> tensor<?x3x7x5xf32> {
  %a = pfrt.reshape %x {shape = array<i64: -1, 5, 7>} : (tensor<?x3x5x7xf32>) -> tensor<?x5x7xf32>
  %b = pfrt.transpose %a {perm = array<i64: 0, 2, 1>} : tensor<?x5x7xf32> -> tensor<?x7x5xf32>
  %c = pfrt.reshape %b {shape = array<i64: -1, 3, 7, 5>} : (tensor<?x7x5xf32>) -> tensor<?x3x7x5xf32>
  func.return %c : tensor<?x3x7x5xf32>
}
// CHECK-LABEL: @between
// CHECK-NEXT: pfrt.transpose %x {perm = array<i64: 0, 1, 3, 2>}
// CHECK-NEXT: func.return

// -----

// Split elsewhere than where they were merged, they were not.
func.func @elsewhere(%x: tensor<4x6x5xf32>) -> tensor<5x3x8xf32> {
  %a = pfrt.reshape %x {shape = array<i64: 24, 5>} : (tensor<4x6x5xf32>) -> tensor<24x5xf32>
  %b = pfrt.transpose %a {perm = array<i64: 1, 0>} : tensor<24x5xf32> -> tensor<5x24xf32>
  %c = pfrt.reshape %b {shape = array<i64: 5, 3, 8>} : (tensor<5x24xf32>) -> tensor<5x3x8xf32>
  func.return %c : tensor<5x3x8xf32>
}
// CHECK-LABEL: @elsewhere
// CHECK: pfrt.reshape
// CHECK: pfrt.transpose
// CHECK: pfrt.reshape

// -----

// Slices of slices: the bounds of the outer one count from the inner one's start.
func.func @slices(%x: tensor<?x10xf32>) -> tensor<?x3xf32> {
  %a = pfrt.slice %x {starts = array<i64: 2, 1>, ends = array<i64: 9, 9>, axes = array<i64: 0, 1>} : tensor<?x10xf32> -> tensor<?x8xf32>
  %b = pfrt.slice %a {starts = array<i64: -6>, ends = array<i64: 100>, axes = array<i64: 1>, steps = array<i64: 2>} : tensor<?x8xf32> -> tensor<?x3xf32>
  func.return %b : tensor<?x3xf32>
}
// CHECK-LABEL: @slices
// CHECK-NEXT: pfrt.slice %x {starts = array<i64: 2, 3>, ends = array<i64: 9, 9>, axes = array<i64: 0, 1>, steps = array<i64: 1, 2>}

// -----

// A slice within one operand of a concatenation needs no other; one across stays.
func.func @picks(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %c = pfrt.concat %x, %y {axis = 0 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  %a = pfrt.slice %c {starts = array<i64: 5>, ends = array<i64: 7>} : tensor<8xf32> -> tensor<2xf32>
  %b = pfrt.slice %c {starts = array<i64: 3>, ends = array<i64: 5>} : tensor<8xf32> -> tensor<2xf32>
  func.return %a, %b : tensor<2xf32>, tensor<2xf32>
}
// CHECK-LABEL: @picks
// CHECK: %a = pfrt.slice %y {starts = array<i64: 1>, ends = array<i64: 3>
// CHECK-NEXT: %b = pfrt.slice %c

// -----

// Pieces put together again: parts of a split, adjacent slices; nested and empty operands.
func.func @together(%x: tensor<8xf32>, %e: tensor<0xf32>) -> (tensor<8xf32>, tensor<6xf32>, tensor<16xf32>) {
  %p, %q = pfrt.split %x {axis = 0 : i64, split = array<i64: 3, 5>} : (tensor<8xf32>) -> (tensor<3xf32>, tensor<5xf32>)
  %a = pfrt.concat %p, %q {axis = 0 : i64} : (tensor<3xf32>, tensor<5xf32>) -> tensor<8xf32>
  %s = pfrt.slice %x {starts = array<i64: 1>, ends = array<i64: 4>, axes = array<i64: 0>} : tensor<8xf32> -> tensor<3xf32>
  %t = pfrt.slice %x {starts = array<i64: 4>, ends = array<i64: 7>, axes = array<i64: 0>} : tensor<8xf32> -> tensor<3xf32>
  %b = pfrt.concat %s, %t {axis = 0 : i64} : (tensor<3xf32>, tensor<3xf32>) -> tensor<6xf32>
  %c = pfrt.concat %x, %e {axis = 0 : i64} : (tensor<8xf32>, tensor<0xf32>) -> tensor<8xf32>
  %d = pfrt.concat %c, %x {axis = 0 : i64} : (tensor<8xf32>, tensor<8xf32>) -> tensor<16xf32>
  func.return %a, %b, %d : tensor<8xf32>, tensor<6xf32>, tensor<16xf32>
}
// CHECK-LABEL: @together
// CHECK: pfrt.slice %x {starts = array<i64: 1>, ends = array<i64: 7>
// CHECK: %d = pfrt.concat %x, %x
// CHECK-NEXT: func.return %x

// -----

// Splits of concatenations give the operands back.
func.func @split(%x: tensor<?x3xf32>, %y: tensor<?x5xf32>) -> (tensor<?x3xf32>, tensor<?x5xf32>) {
  %c = pfrt.concat %x, %y {axis = 1 : i64} : (tensor<?x3xf32>, tensor<?x5xf32>) -> tensor<?x8xf32>
  %p, %q = pfrt.split %c {axis = 1 : i64, split = array<i64: 3, 5>} : (tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x5xf32>)
  func.return %p, %q : tensor<?x3xf32>, tensor<?x5xf32>
}
// CHECK-LABEL: @split
// CHECK-NEXT: func.return %x, %y

// -----

// Casts through a type that loses nothing; i64 does not fit f32, nor f32 f16.
func.func @casts(%h: tensor<4xf16>, %n: tensor<4xi64>) -> (tensor<4xf16>, tensor<4xi8>, tensor<4xi64>) {
  %w = pfrt.cast %h {to = f32} : tensor<4xf16> -> tensor<4xf32>
  %a = pfrt.cast %w {to = f16} : tensor<4xf32> -> tensor<4xf16>
  %b = pfrt.cast %w {to = i8} : tensor<4xf32> -> tensor<4xi8>
  %f = pfrt.cast %n {to = f32} : tensor<4xi64> -> tensor<4xf32>
  %c = pfrt.cast %f {to = i64} : tensor<4xf32> -> tensor<4xi64>
  func.return %a, %b, %c : tensor<4xf16>, tensor<4xi8>, tensor<4xi64>
}
// CHECK-LABEL: @casts
// CHECK: %b = pfrt.cast %h {to = i8}
// CHECK-NEXT: %f = pfrt.cast %n
// CHECK-NEXT: %c = pfrt.cast %f
// CHECK-NEXT: func.return %h, %b, %c

// -----

// Broadcasting expands anyway, if another operand has the shape.
func.func @expands(%x: tensor<4xf32>, %y: tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %e = pfrt.expand %x {shape = array<i64: 3, 4>} : (tensor<4xf32>) -> tensor<3x4xf32>
  %a = pfrt.add %e, %y : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  %b = pfrt.add %e, %e : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32>
  func.return %a, %b : tensor<3x4xf32>, tensor<3x4xf32>
}
// CHECK-LABEL: @expands
// CHECK: %a = pfrt.add %x, %y
// CHECK-NEXT: %b = pfrt.add %x, %e

// -----

// Steps whose product is no number of 64 bits stay apart.
func.func @steps(%x: tensor<?xf32>) -> tensor<?xf32> {
  %a = pfrt.slice %x {starts = array<i64: 0>, ends = array<i64: 9223372036854775807>, axes = array<i64: 0>, steps = array<i64: 4611686018427387904>} : tensor<?xf32> -> tensor<?xf32>
  %b = pfrt.slice %a {starts = array<i64: 0>, ends = array<i64: 9223372036854775807>, axes = array<i64: 0>, steps = array<i64: 4>} : tensor<?xf32> -> tensor<?xf32>
  func.return %b : tensor<?xf32>
}
// CHECK-LABEL: @steps
// CHECK-COUNT-2: pfrt.slice
