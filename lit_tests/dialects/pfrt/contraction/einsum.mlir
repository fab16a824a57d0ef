// RUN: pfrt-opt %s --split-input-file | filecheck %s

// Attention scores of unknown batch and lengths.
func.func @f(%a: tensor<?x8x?x64xf32>, %b: tensor<?x8x?x64xf32>) -> tensor<?x8x?x?xf32> {
  // CHECK: pfrt.einsum %a, %b {equation = "bhqd,bhkd->bhqk"} : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>) -> tensor<?x8x?x?xf32>
  %0 = pfrt.einsum %a, %b {equation = "bhqd,bhkd->bhqk"} : (tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>) -> tensor<?x8x?x?xf32>
  func.return %0 : tensor<?x8x?x?xf32>
}

// -----

// The result in alphabetical order, after what broadcasts.
func.func @f(%a: tensor<5x1x3x2xf32>, %b: tensor<2x3xf32>) -> tensor<5x1xf32> {
  // CHECK: pfrt.einsum %a, %b {equation = "...zi,iz"} : (tensor<5x1x3x2xf32>, tensor<2x3xf32>) -> tensor<5x1xf32>
  %0 = pfrt.einsum %a, %b {equation = "...zi,iz"} : (tensor<5x1x3x2xf32>, tensor<2x3xf32>) -> tensor<5x1xf32>
  func.return %0 : tensor<5x1xf32>
}

// -----

// A diagonal of integers.
func.func @f(%a: tensor<3x3xi64>) -> tensor<3xi64> {
  // CHECK: pfrt.einsum %a {equation = "ii->i"} : (tensor<3x3xi64>) -> tensor<3xi64>
  %0 = pfrt.einsum %a {equation = "ii->i"} : (tensor<3x3xi64>) -> tensor<3xi64>
  func.return %0 : tensor<3xi64>
}

// -----

// An unknown rank that is summed away.
func.func @f(%a: tensor<*xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.einsum %a, %b {equation = "...,i->i"} : (tensor<*xf32>, tensor<4xf32>) -> tensor<4xf32>
  %0 = pfrt.einsum %a, %b {equation = "...,i->i"} : (tensor<*xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}
