// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Constants: the type is said once, after names and attributes.
func.func @f() {
  // CHECK: pfrt.constant dense<[1, 2]> as "steps" : tensor<2xi64>
  %0 = pfrt.constant dense<[1, 2]> as "steps" : tensor<2xi64>
  // CHECK: pfrt.constant dense<{{\[\[}}true, false]]> {note = 1 : i64} : tensor<1x2xi1>
  %1 = pfrt.constant dense<[[true, false]]> {note = 1 : i64} : tensor<1x2xi1>
  // CHECK: pfrt.constant dense<5> : tensor<100x100xui8>
  %2 = pfrt.constant dense<5> : tensor<100x100xui8>
  // CHECK: pfrt.constant dense<> : tensor<0x3xf32>
  %3 = pfrt.constant dense<> : tensor<0x3xf32>
  // CHECK: pfrt.constant #pfrt.weight<"8c0d2b"> as "fc.weight" : tensor<1000x2048xf32>
  %4 = pfrt.constant #pfrt.weight<"8c0d2b"> as "fc.weight" : tensor<1000x2048xf32>
  func.return
}

// -----

// Every value survives: what has no short decimal form, infinities, narrow floats.
func.func @f() {
  // CHECK: pfrt.constant dense<[1.000000e-01, -0.000000e+00, 123456792.0]> : tensor<3xf32>
  %0 = pfrt.constant dense<[1.000000e-01, -0.000000e+00, 123456792.0]> : tensor<3xf32>
  // CHECK: pfrt.constant dense<"0x0000807F0000C07F"> : tensor<2xf32>
  %1 = pfrt.constant dense<"0x0000807F0000C07F"> : tensor<2xf32>
  // CHECK: pfrt.constant dense<[-1.500000e+00, 3.140625e+00]> : tensor<2xbf16>
  %2 = pfrt.constant dense<[-1.500000e+00, 3.140625e+00]> : tensor<2xbf16>
  // CHECK: pfrt.constant dense<[-8, 7]> : tensor<2xi4>
  %3 = pfrt.constant dense<[-8, 7]> : tensor<2xi4>
  func.return
}

// -----

// Tensors made from and describing others.
func.func @f(%x: tensor<?x3x8xf32>, %s: tensor<2xi64>, %n: tensor<i64>) {
  // CHECK: pfrt.constant_of_shape %s : (tensor<2xi64>) -> tensor<?x?xf32>
  %0 = pfrt.constant_of_shape %s : (tensor<2xi64>) -> tensor<?x?xf32>
  // CHECK: pfrt.constant_of_shape {shape = array<i64: 2, 3>, value = dense<7> : tensor<1xi8>} : () -> tensor<2x3xi8>
  %1 = pfrt.constant_of_shape {shape = array<i64: 2, 3>, value = dense<7> : tensor<1xi8>} : () -> tensor<2x3xi8>
  // CHECK: pfrt.shape %x : tensor<?x3x8xf32> -> tensor<3xi64>
  %2 = pfrt.shape %x : tensor<?x3x8xf32> -> tensor<3xi64>
  // CHECK: pfrt.shape %x {end = 9 : i64, start = -2 : i64} : tensor<?x3x8xf32> -> tensor<2xi64>
  %3 = pfrt.shape %x {end = 9 : i64, start = -2 : i64} : tensor<?x3x8xf32> -> tensor<2xi64>
  // CHECK: pfrt.size %x : tensor<?x3x8xf32> -> tensor<i64>
  %4 = pfrt.size %x : tensor<?x3x8xf32> -> tensor<i64>
  // CHECK: pfrt.cast %x {to = f16} : tensor<?x3x8xf32> -> tensor<?x3x8xf16>
  %5 = pfrt.cast %x {to = f16} : tensor<?x3x8xf32> -> tensor<?x3x8xf16>
  // CHECK: pfrt.cast %x {saturate = false, to = f8E5M2} : tensor<?x3x8xf32> -> tensor<?x3x8xf8E5M2>
  %6 = pfrt.cast %x {saturate = false, to = f8E5M2} : tensor<?x3x8xf32> -> tensor<?x3x8xf8E5M2>
  // CHECK: pfrt.range %n, %n, %n : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %7 = pfrt.range %n, %n, %n : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  func.return
}

// -----

// Elements by their bits, as many as there were.
func.func @bit_cast(%x: tensor<?xcomplex<f32>>, %y: tensor<2xi4>) {
  // CHECK: pfrt.bit_cast %x {to = f64} : tensor<?xcomplex<f32>> -> tensor<?xf64>
  %0 = pfrt.bit_cast %x {to = f64} : tensor<?xcomplex<f32>> -> tensor<?xf64>
  // CHECK: pfrt.bit_cast %y {to = f4E2M1FN} : tensor<2xi4> -> tensor<2xf4E2M1FN>
  %1 = pfrt.bit_cast %y {to = f4E2M1FN} : tensor<2xi4> -> tensor<2xf4E2M1FN>
  func.return
}
