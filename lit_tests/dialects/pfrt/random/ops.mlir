// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// The type is that of the properties.
func.func @shaped() -> (tensor<2x3xf32>, tensor<0xf16>) {
  // CHECK: pfrt.random_normal as "noise" {shape = array<i64: 2, 3>, mean = 1.000000e+00 : f32} : tensor<2x3xf32>
  %0 = pfrt.random_normal as "noise" {shape = array<i64: 2, 3>, mean = 1.000000e+00 : f32} : tensor<2x3xf32>
  // CHECK: pfrt.random_uniform {shape = array<i64: 0>, dtype = f16, seed = 5.000000e-01 : f32} : tensor<0xf16>
  %1 = pfrt.random_uniform {shape = array<i64: 0>, dtype = f16, seed = 5.000000e-01 : f32} : tensor<0xf16>
  func.return %0, %1 : tensor<2x3xf32>, tensor<0xf16>
}

// -----

// The shape is the operand's, and so is the element type unless given.
func.func @like(%x: tensor<?x3xf32>, %k: tensor<?x3xi64>) -> (tensor<?x3xf32>, tensor<?x3xbf16>, tensor<?x3xi1>) {
  // CHECK: pfrt.random_normal_like %x : tensor<?x3xf32> -> tensor<?x3xf32>
  %0 = pfrt.random_normal_like %x : tensor<?x3xf32> -> tensor<?x3xf32>
  // CHECK: pfrt.random_uniform_like %k {dtype = bf16} : tensor<?x3xi64> -> tensor<?x3xbf16>
  %1 = pfrt.random_uniform_like %k {dtype = bf16} : tensor<?x3xi64> -> tensor<?x3xbf16>
  // CHECK: pfrt.bernoulli %x {dtype = i1} : tensor<?x3xf32> -> tensor<?x3xi1>
  %2 = pfrt.bernoulli %x {dtype = i1} : tensor<?x3xf32> -> tensor<?x3xi1>
  func.return %0, %1, %2 : tensor<?x3xf32>, tensor<?x3xbf16>, tensor<?x3xi1>
}

// -----

// Samples of each row.
func.func @multinomial(%x: tensor<?x3xf32>) -> tensor<?x4xi64> {
  // CHECK: pfrt.multinomial %x {dtype = i64, sample_size = 4 : i64} : tensor<?x3xf32> -> tensor<?x4xi64>
  %0 = pfrt.multinomial %x {dtype = i64, sample_size = 4 : i64} : tensor<?x3xf32> -> tensor<?x4xi64>
  func.return %0 : tensor<?x4xi64>
}

// -----

// What was kept is the second result.
func.func @dropout(%x: tensor<?x3xf16>, %r: tensor<1xf32>, %t: tensor<i1>) -> tensor<?x3xi1> {
  // CHECK: pfrt.dropout %x, %r, %t {seed = 1 : i64} : (tensor<?x3xf16>, tensor<1xf32>, tensor<i1>) -> (tensor<?x3xf16>, tensor<?x3xi1>)
  %0, %1 = pfrt.dropout %x, %r, %t {seed = 1 : i64} : (tensor<?x3xf16>, tensor<1xf32>, tensor<i1>) -> (tensor<?x3xf16>, tensor<?x3xi1>)
  func.return %1 : tensor<?x3xi1>
}

// -----

// A draw that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<4xf32>, %r: tensor<f32>, %t: tensor<i1>) {
  %0 = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
  %1, %2 = pfrt.dropout %x, %r, %t : (tensor<4xf32>, tensor<f32>, tensor<i1>) -> (tensor<4xf32>, tensor<4xi1>)
  func.return
}
