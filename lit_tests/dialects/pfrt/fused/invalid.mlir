// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// The region takes an argument for each operand.
%a = "test.op"() : () -> tensor<4xf32>
%y = pfrt.fused(%a) -> (tensor<4xf32>) {
^bb0(%x: tensor<4xf32>, %z: tensor<4xf32>):
  pfrt.yield %x : tensor<4xf32>
} : (tensor<4xf32>)
// CHECK: pfrt.fused: C1: 1 operands, but 2 region arguments

// -----

// The argument has the operand's type.
%a = "test.op"() : () -> tensor<4xf32>
%y = pfrt.fused(%a) -> (tensor<5xf32>) {
^bb0(%x: tensor<5xf32>):
  pfrt.yield %x : tensor<5xf32>
} : (tensor<4xf32>)
// CHECK: pfrt.fused: C1: argument tensor<5xf32> does not describe tensor<4xf32>

// -----

// Each result is yielded.
%a = "test.op"() : () -> tensor<4xf32>
%y = pfrt.fused(%a) -> (tensor<4xf32>) {
^bb0(%x: tensor<4xf32>):
  pfrt.yield
} : (tensor<4xf32>)
// CHECK: pfrt.fused: C2: 1 results, but the region yields 0 values

// -----

// A product is neither elementwise nor a reduction.
%a = "test.op"() : () -> tensor<4x4xf32>
%y = pfrt.fused(%a) -> (tensor<4x4xf32>) {
^bb0(%x: tensor<4x4xf32>):
  %p = pfrt.matmul %x, %x : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  pfrt.yield %p : tensor<4x4xf32>
} : (tensor<4x4xf32>)
// CHECK: pfrt.fused: C3: cannot hold pfrt.matmul

// -----

// The region sees nothing from outside.
%a, %b = "test.op"() : () -> (tensor<4xf32>, tensor<4xf32>)
%y = pfrt.fused(%a) -> (tensor<4xf32>) {
^bb0(%x: tensor<4xf32>):
  pfrt.yield %b : tensor<4xf32>
} : (tensor<4xf32>)
// CHECK: pfrt.fused: Operation using value defined out of its IsolatedFromAbove parent
