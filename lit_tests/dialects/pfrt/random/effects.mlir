// RUN: pfrt-opt %s -p cse,pfrt-fold-constants,pfrt-canonicalize --split-input-file | filecheck %s

// Two draws are two, though they look alike, and stay draws, though nothing they need is unknown.
func.func @shaped() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %0 = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
  %1 = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
  %2 = pfrt.random_uniform {shape = array<i64: 2>, seed = 1.000000e+00 : f32} : tensor<2xf32>
  %3 = pfrt.random_uniform {shape = array<i64: 2>, seed = 1.000000e+00 : f32} : tensor<2xf32>
  func.return %0, %1, %2, %3 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}
// CHECK-LABEL: @shaped
// CHECK-COUNT-2: pfrt.random_normal
// CHECK-COUNT-2: pfrt.random_uniform

// -----

// So do those of a constant.
func.func @of_constants() -> (tensor<2xf32>, tensor<2xf32>) {
  %c = pfrt.constant dense<[5.000000e-01, 2.500000e-01]> : tensor<2xf32>
  %0 = pfrt.bernoulli %c : tensor<2xf32> -> tensor<2xf32>
  %1 = pfrt.bernoulli %c : tensor<2xf32> -> tensor<2xf32>
  func.return %0, %1 : tensor<2xf32>, tensor<2xf32>
}
// CHECK-LABEL: @of_constants
// CHECK-COUNT-2: pfrt.bernoulli

// -----

// So do branches that draw.
func.func @branches(%c: tensor<i1>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0 = pfrt.if %c -> (tensor<2xf32>) {
    %2 = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
    pfrt.yield %2 : tensor<2xf32>
  } else {
    %2 = pfrt.random_uniform {shape = array<i64: 2>} : tensor<2xf32>
    pfrt.yield %2 : tensor<2xf32>
  } : tensor<i1>
  %1 = pfrt.if %c -> (tensor<2xf32>) {
    %2 = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
    pfrt.yield %2 : tensor<2xf32>
  } else {
    %2 = pfrt.random_uniform {shape = array<i64: 2>} : tensor<2xf32>
    pfrt.yield %2 : tensor<2xf32>
  } : tensor<i1>
  func.return %0, %1 : tensor<2xf32>, tensor<2xf32>
}
// CHECK-LABEL: @branches
// CHECK-COUNT-2: pfrt.if
