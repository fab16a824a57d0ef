// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Something is scanned, and the region takes a slice of it.
%xs = "test.op"() : () -> tensor<3x2xf32>
pfrt.scan over(%xs) -> () {
  pfrt.yield
} : over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C1: 0 carried values and 1 inputs, but 0 arguments

// -----

// The region yields a value for each result.
%xs = "test.op"() : () -> tensor<3x2xf32>
%y = pfrt.scan over(%xs) -> (tensor<3x2xf32>) {
^bb0(%x: tensor<2xf32>):
  pfrt.yield
} : over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C2: 1 results, but the region yields 0 values

// -----

// What is carried stays what the region takes.
%s, %xs = "test.op"() : () -> (tensor<2xf32>, tensor<3x2xf32>)
%y = pfrt.scan carry(%s) over(%xs) -> (tensor<2xf32>) {
^bb0(%state: tensor<5xf32>, %x: tensor<2xf32>):
  pfrt.yield %state : tensor<5xf32>
} : carry(tensor<2xf32>) over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C3: argument tensor<5xf32> does not describe tensor<2xf32> and tensor<5xf32>

// -----

// There is an axis for each input.
%xs = "test.op"() : () -> tensor<3x2xf32>
pfrt.scan over(%xs) -> () {
^bb0(%x: tensor<2xf32>):
  pfrt.yield
} {scan_input_axes = array<i64: 0, 0>} : over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C4: 2 scan_input_axes for 1 values

// -----

// An output's axis lies in its rank, which is one more than a slice's.
%xs = "test.op"() : () -> tensor<3x2xf32>
%y = pfrt.scan over(%xs) -> (tensor<3x2xf32>) {
^bb0(%x: tensor<2xf32>):
  pfrt.yield %x : tensor<2xf32>
} {scan_output_axes = array<i64: 2>} : over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C4: axis 2 is outside of tensor<2xf32>

// -----

// A direction is 0 or 1.
%xs = "test.op"() : () -> tensor<3x2xf32>
pfrt.scan over(%xs) -> () {
^bb0(%x: tensor<2xf32>):
  pfrt.yield
} {scan_input_directions = array<i64: -1>} : over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C4: scan_input_directions are 0 and 1, not [-1]

// -----

// The region takes slices, which lack the scanned dimension.
%xs = "test.op"() : () -> tensor<3x2xf32>
pfrt.scan over(%xs) -> () {
^bb0(%x: tensor<3x2xf32>):
  pfrt.yield
} : over(tensor<3x2xf32>)
// CHECK: pfrt.scan: C5: argument tensor<3x2xf32> does not describe a slice of tensor<3x2xf32>

// -----

// All inputs are equally long.
%a, %b = "test.op"() : () -> (tensor<3xf32>, tensor<4xf32>)
pfrt.scan over(%a, %b) -> () {
^bb0(%x: tensor<f32>, %y: tensor<f32>):
  pfrt.yield
} : over(tensor<3xf32>, tensor<4xf32>)
// CHECK: pfrt.scan: C6: the inputs' lengths are [3, 4]

// -----

// Only tensors can be stacked.
%s, %xs = "test.op"() : () -> (!pfrt.sequence<tensor<f32>>, tensor<3xf32>)
%y = pfrt.scan over(%xs) -> (tensor<3xf32>) {
^bb0(%x: tensor<f32>):
  pfrt.yield %s : !pfrt.sequence<tensor<f32>>
} : over(tensor<3xf32>)
// CHECK: pfrt.scan: C7: needs a tensor, got !pfrt.sequence<tensor<f32>>

// -----

// The region of a map takes an item of each sequence.
%s = "test.op"() : () -> !pfrt.sequence<tensor<f32>>
pfrt.sequence_map over(%s) -> () {
  pfrt.yield
} : over(!pfrt.sequence<tensor<f32>>)
// CHECK: pfrt.sequence_map: C1: 1 sequences, but 0 region arguments

// -----

// It yields an item of each result.
%s = "test.op"() : () -> !pfrt.sequence<tensor<f32>>
%r = pfrt.sequence_map over(%s) -> (!pfrt.sequence<tensor<f32>>) {
^bb0(%x: tensor<f32>):
  pfrt.yield
} : over(!pfrt.sequence<tensor<f32>>)
// CHECK: pfrt.sequence_map: C2: 1 results, but the region yields 0 values

// -----

// An argument describes the items.
%s = "test.op"() : () -> !pfrt.sequence<tensor<f32>>
pfrt.sequence_map over(%s) -> () {
^bb0(%x: tensor<i64>):
  pfrt.yield
} : over(!pfrt.sequence<tensor<f32>>)
// CHECK: pfrt.sequence_map: C3: argument tensor<i64> does not describe a tensor<f32>
