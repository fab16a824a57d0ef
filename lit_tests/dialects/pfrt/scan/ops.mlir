// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// A running sum over the rows of a matrix, and all sums on the way.
func.func @sums(%s: tensor<2xf32>, %xs: tensor<3x2xf32>) -> (tensor<2xf32>, tensor<3x2xf32>) {
  %sum, %sums = pfrt.scan carry(%s) over(%xs) -> (tensor<2xf32>, tensor<3x2xf32>) as "sum", "sums" {
  ^bb0(%state: tensor<2xf32>, %x: tensor<2xf32>):
    %n = pfrt.add %state, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    pfrt.yield %n, %n : tensor<2xf32>, tensor<2xf32>
  } : carry(tensor<2xf32>) over(tensor<3x2xf32>)
  func.return %sum, %sums : tensor<2xf32>, tensor<3x2xf32>
}
// CHECK-LABEL: @sums
// CHECK-NEXT: %sum, %sums = pfrt.scan carry(%s) over(%xs) -> (tensor<2xf32>, tensor<3x2xf32>) as "sum", "sums" {
// CHECK-NEXT: ^bb0(%state: tensor<2xf32>, %x: tensor<2xf32>):
// CHECK: } : carry(tensor<2xf32>) over(tensor<3x2xf32>)

// -----

// Nothing carried; columns from the last to the first, stacked as columns from the last.
func.func @columns(%xs: tensor<3x?xf32>) -> tensor<3x?xf32> {
  %ys = pfrt.scan over(%xs) -> (tensor<3x?xf32>) {
  ^bb0(%x: tensor<3xf32>):
    pfrt.yield %x : tensor<3xf32>
  } {scan_input_axes = array<i64: -1>, scan_input_directions = array<i64: 1>, scan_output_axes = array<i64: 1>, scan_output_directions = array<i64: 1>} : over(tensor<3x?xf32>)
  func.return %ys : tensor<3x?xf32>
}
// CHECK-LABEL: @columns
// CHECK: } {scan_input_axes = array<i64: -1>, scan_input_directions = array<i64: 1>, scan_output_axes = array<i64: 1>, scan_output_directions = array<i64: 1>} : over(tensor<3x?xf32>)

// -----

// A map over two sequences, whose region sees a tensor from outside.
func.func @map(%s: !pfrt.sequence<tensor<?xf32>>, %t: !pfrt.sequence<tensor<?xf32>>, %c: tensor<f32>) -> !pfrt.sequence<tensor<?xf32>> {
  %r = pfrt.sequence_map over(%s, %t) -> (!pfrt.sequence<tensor<?xf32>>) as "r" {
  ^bb0(%x: tensor<?xf32>, %y: tensor<?xf32>):
    %z = pfrt.add %x, %y : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %w = pfrt.mul %z, %c : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
    pfrt.yield %w : tensor<?xf32>
  } : over(!pfrt.sequence<tensor<?xf32>>, !pfrt.sequence<tensor<?xf32>>)
  func.return %r : !pfrt.sequence<tensor<?xf32>>
}
// CHECK-LABEL: @map
// CHECK-NEXT: %r = pfrt.sequence_map over(%s, %t) -> (!pfrt.sequence<tensor<?xf32>>) as "r" {
// CHECK: } : over(!pfrt.sequence<tensor<?xf32>>, !pfrt.sequence<tensor<?xf32>>)
