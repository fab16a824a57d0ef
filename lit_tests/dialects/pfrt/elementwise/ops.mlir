// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Functions of one operand.
func.func @f(%x: tensor<2x8xf32>) {
  // CHECK: pfrt.abs %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %0 = pfrt.abs %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.neg %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %1 = pfrt.neg %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.sqrt %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %2 = pfrt.sqrt %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.exp %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %3 = pfrt.exp %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.log %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %4 = pfrt.log %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.floor %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %5 = pfrt.floor %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.ceil %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %6 = pfrt.ceil %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.round %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %7 = pfrt.round %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.reciprocal %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %8 = pfrt.reciprocal %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.sign %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %9 = pfrt.sign %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.sin %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %10 = pfrt.sin %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.cos %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %11 = pfrt.cos %x : tensor<2x8xf32> -> tensor<2x8xf32>
  func.return
}

// -----

// Truths about one operand; properties with default values are not printed.
func.func @f(%x: tensor<2x8xf32>, %b: tensor<8xi1>) {
  // CHECK: pfrt.is_nan %x : tensor<2x8xf32> -> tensor<2x8xi1>
  %0 = pfrt.is_nan %x : tensor<2x8xf32> -> tensor<2x8xi1>
  // CHECK: pfrt.is_inf %x : tensor<2x8xf32> -> tensor<2x8xi1>
  %1 = pfrt.is_inf %x : tensor<2x8xf32> -> tensor<2x8xi1>
  // CHECK: pfrt.is_inf %x {detect_negative = false} : tensor<2x8xf32> -> tensor<2x8xi1>
  %2 = pfrt.is_inf %x {detect_negative = false} : tensor<2x8xf32> -> tensor<2x8xi1>
  // CHECK: pfrt.not %b : tensor<8xi1> -> tensor<8xi1>
  %3 = pfrt.not %b : tensor<8xi1> -> tensor<8xi1>
  func.return
}

// -----

// Arithmetic on two operands that broadcast; a name survives.
func.func @f(%a: tensor<2x8xf32>, %b: tensor<8xf32>, %n: tensor<i64>) {
  // CHECK: pfrt.add %a, %b as "sum" : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %0 = pfrt.add %a, %b as "sum" : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  // CHECK: pfrt.sub %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %1 = pfrt.sub %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  // CHECK: pfrt.mul %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %2 = pfrt.mul %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  // CHECK: pfrt.div %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %3 = pfrt.div %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  // CHECK: pfrt.mod %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %4 = pfrt.mod %a, %b : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  // CHECK: pfrt.mod %a, %b {fmod = true} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  %5 = pfrt.mod %a, %b {fmod = true} : (tensor<2x8xf32>, tensor<8xf32>) -> tensor<2x8xf32>
  // CHECK: pfrt.pow %a, %n : (tensor<2x8xf32>, tensor<i64>) -> tensor<2x8xf32>
  %6 = pfrt.pow %a, %n : (tensor<2x8xf32>, tensor<i64>) -> tensor<2x8xf32>
  func.return
}

// -----

// Comparisons, with dimensions that are not known.
func.func @f(%a: tensor<?x8xi32>, %b: tensor<8xi32>) {
  // CHECK: pfrt.equal %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  %0 = pfrt.equal %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  // CHECK: pfrt.less %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  %1 = pfrt.less %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  // CHECK: pfrt.less_or_equal %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  %2 = pfrt.less_or_equal %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  // CHECK: pfrt.greater %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  %3 = pfrt.greater %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  // CHECK: pfrt.greater_or_equal %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  %4 = pfrt.greater_or_equal %a, %b : (tensor<?x8xi32>, tensor<8xi32>) -> tensor<?x8xi1>
  func.return
}

// -----

// Logic.
func.func @f(%a: tensor<2x8xi1>, %b: tensor<8xi1>) {
  // CHECK: pfrt.and %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
  %0 = pfrt.and %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
  // CHECK: pfrt.or %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
  %1 = pfrt.or %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
  // CHECK: pfrt.xor %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
  %2 = pfrt.xor %a, %b : (tensor<2x8xi1>, tensor<8xi1>) -> tensor<2x8xi1>
  func.return
}

// -----

// Any number of operands, and a choice.
func.func @f(%a: tensor<2x1xf32>, %b: tensor<8xf32>, %c: tensor<f32>, %t: tensor<8xi1>) {
  // CHECK: pfrt.min %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %0 = pfrt.min %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  // CHECK: pfrt.max %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %1 = pfrt.max %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  // CHECK: pfrt.sum %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %2 = pfrt.sum %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  // CHECK: pfrt.mean %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  %3 = pfrt.mean %a, %b, %c : (tensor<2x1xf32>, tensor<8xf32>, tensor<f32>) -> tensor<2x8xf32>
  // CHECK: pfrt.where %t, %a, %c : (tensor<8xi1>, tensor<2x1xf32>, tensor<f32>) -> tensor<2x8xf32>
  %4 = pfrt.where %t, %a, %c : (tensor<8xi1>, tensor<2x1xf32>, tensor<f32>) -> tensor<2x8xf32>
  func.return
}

// -----

// Trigonometric and hyperbolic functions.
func.func @f(%x: tensor<2x8xf32>) {
  // CHECK: pfrt.tan %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %0 = pfrt.tan %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.asin %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %1 = pfrt.asin %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.acos %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %2 = pfrt.acos %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.atan %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %3 = pfrt.atan %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.sinh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %4 = pfrt.sinh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.cosh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %5 = pfrt.cosh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.asinh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %6 = pfrt.asinh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.acosh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %7 = pfrt.acosh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: pfrt.atanh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  %8 = pfrt.atanh %x : tensor<2x8xf32> -> tensor<2x8xf32>
  func.return
}

// -----

// Bits of integers.
func.func @f(%a: tensor<?x8xui8>, %b: tensor<8xui8>) {
  // CHECK: pfrt.bitwise_and %a, %b : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  %0 = pfrt.bitwise_and %a, %b : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  // CHECK: pfrt.bitwise_or %a, %b : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  %1 = pfrt.bitwise_or %a, %b : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  // CHECK: pfrt.bitwise_xor %a, %b : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  %2 = pfrt.bitwise_xor %a, %b : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  // CHECK: pfrt.bitwise_not %a : tensor<?x8xui8> -> tensor<?x8xui8>
  %3 = pfrt.bitwise_not %a : tensor<?x8xui8> -> tensor<?x8xui8>
  // CHECK: pfrt.bit_shift %a, %b {direction = "LEFT"} : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  %4 = pfrt.bit_shift %a, %b {direction = "LEFT"} : (tensor<?x8xui8>, tensor<8xui8>) -> tensor<?x8xui8>
  func.return
}
