// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// abs is not defined on this type.
// CHECK: pfrt.abs: C1: is not defined on tensor<4xi1>
func.func @f(%x: tensor<4xi1>) {
  %r = pfrt.abs %x : tensor<4xi1> -> tensor<4xi1>
  func.return
}

// -----

// neg is not defined on this type.
// CHECK: pfrt.neg: C1: is not defined on tensor<4xui8>
func.func @f(%x: tensor<4xui8>) {
  %r = pfrt.neg %x : tensor<4xui8> -> tensor<4xui8>
  func.return
}

// -----

// sqrt is not defined on this type.
// CHECK: pfrt.sqrt: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.sqrt %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// exp is not defined on this type.
// CHECK: pfrt.exp: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.exp %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// log is not defined on this type.
// CHECK: pfrt.log: C1: is not defined on tensor<4xf8E5M2>
func.func @f(%x: tensor<4xf8E5M2>) {
  %r = pfrt.log %x : tensor<4xf8E5M2> -> tensor<4xf8E5M2>
  func.return
}

// -----

// floor is not defined on this type.
// CHECK: pfrt.floor: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.floor %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// ceil is not defined on this type.
// CHECK: pfrt.ceil: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.ceil %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// round is not defined on this type.
// CHECK: pfrt.round: C1: is not defined on tensor<4xi64>
func.func @f(%x: tensor<4xi64>) {
  %r = pfrt.round %x : tensor<4xi64> -> tensor<4xi64>
  func.return
}

// -----

// reciprocal is not defined on this type.
// CHECK: pfrt.reciprocal: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.reciprocal %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// sign is not defined on this type.
// CHECK: pfrt.sign: C1: is not defined on tensor<4xi1>
func.func @f(%x: tensor<4xi1>) {
  %r = pfrt.sign %x : tensor<4xi1> -> tensor<4xi1>
  func.return
}

// -----

// sin is not defined on this type.
// CHECK: pfrt.sin: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.sin %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// cos is not defined on this type.
// CHECK: pfrt.cos: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.cos %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// not is not defined on this type.
// CHECK: pfrt.not: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.not %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// is_nan is not defined on this type.
// CHECK: pfrt.is_nan: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.is_nan %x : tensor<4xi32> -> tensor<4xi1>
  func.return
}

// -----

// is_inf is not defined on this type.
// CHECK: pfrt.is_inf: C1: is not defined on tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.is_inf %x : tensor<4xi32> -> tensor<4xi1>
  func.return
}

// -----

// add does not mix types.
// CHECK: pfrt.add: C1: mixes f32 and tensor<4xf64>
func.func @f(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  %r = pfrt.add %a, %b : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  func.return
}

// -----

// add needs shapes that broadcast.
// CHECK: pfrt.add: C2: dimensions [3, 4] do not broadcast
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.add %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// sub does not mix types.
// CHECK: pfrt.sub: C1: mixes f32 and tensor<4xf64>
func.func @f(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  %r = pfrt.sub %a, %b : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  func.return
}

// -----

// sub needs shapes that broadcast.
// CHECK: pfrt.sub: C2: dimensions [3, 4] do not broadcast
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.sub %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// mul does not mix types.
// CHECK: pfrt.mul: C1: mixes f32 and tensor<4xf64>
func.func @f(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  %r = pfrt.mul %a, %b : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  func.return
}

// -----

// mul needs shapes that broadcast.
// CHECK: pfrt.mul: C2: dimensions [3, 4] do not broadcast
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.mul %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// div does not mix types.
// CHECK: pfrt.div: C1: mixes f32 and tensor<4xf64>
func.func @f(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  %r = pfrt.div %a, %b : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  func.return
}

// -----

// div needs shapes that broadcast.
// CHECK: pfrt.div: C2: dimensions [3, 4] do not broadcast
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.div %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// mod does not mix types.
// CHECK: pfrt.mod: C1: mixes f32 and tensor<4xf64>
func.func @f(%a: tensor<4xf32>, %b: tensor<4xf64>) {
  %r = pfrt.mod %a, %b : (tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  func.return
}

// -----

// mod needs shapes that broadcast.
// CHECK: pfrt.mod: C2: dimensions [3, 4] do not broadcast
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.mod %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// pow of a type without powers.
// CHECK: pfrt.pow: C1: is not defined on i8
func.func @f(%a: tensor<4xi8>, %b: tensor<4xi8>) {
  %r = pfrt.pow %a, %b : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  func.return
}

// -----

// pow by what is not a number.
// CHECK: pfrt.pow: C1: is not defined on i1
func.func @f(%a: tensor<4xf32>, %b: tensor<4xi1>) {
  %r = pfrt.pow %a, %b : (tensor<4xf32>, tensor<4xi1>) -> tensor<4xf32>
  func.return
}

// -----

// pow needs shapes that broadcast.
// CHECK: pfrt.pow: C2: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xi32>) {
  %r = pfrt.pow %a, %b : (tensor<4xf32>, tensor<3xi32>) -> tensor<4xf32>
  func.return
}

// -----

// equal is not defined on this type.
// CHECK: pfrt.equal: C1: is not defined on f8E5M2
func.func @f(%a: tensor<4xf8E5M2>) {
  %r = pfrt.equal %a, %a : (tensor<4xf8E5M2>, tensor<4xf8E5M2>) -> tensor<4xi1>
  func.return
}

// -----

// equal needs shapes that broadcast.
// CHECK: pfrt.equal: C2: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.equal %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  func.return
}

// -----

// less is not defined on this type.
// CHECK: pfrt.less: C1: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.less %a, %a : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// less needs shapes that broadcast.
// CHECK: pfrt.less: C2: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.less %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  func.return
}

// -----

// less_or_equal is not defined on this type.
// CHECK: pfrt.less_or_equal: C1: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.less_or_equal %a, %a : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// less_or_equal needs shapes that broadcast.
// CHECK: pfrt.less_or_equal: C2: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.less_or_equal %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  func.return
}

// -----

// greater is not defined on this type.
// CHECK: pfrt.greater: C1: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.greater %a, %a : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// greater needs shapes that broadcast.
// CHECK: pfrt.greater: C2: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.greater %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  func.return
}

// -----

// greater_or_equal is not defined on this type.
// CHECK: pfrt.greater_or_equal: C1: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.greater_or_equal %a, %a : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// greater_or_equal needs shapes that broadcast.
// CHECK: pfrt.greater_or_equal: C2: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.greater_or_equal %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xi1>
  func.return
}

// -----

// and is not defined on this type.
// CHECK: pfrt.and: C1: is not defined on i8
func.func @f(%a: tensor<4xi8>) {
  %r = pfrt.and %a, %a : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi1>
  func.return
}

// -----

// and needs shapes that broadcast.
// CHECK: pfrt.and: C2: dimensions
func.func @f(%a: tensor<4xi1>, %b: tensor<3xi1>) {
  %r = pfrt.and %a, %b : (tensor<4xi1>, tensor<3xi1>) -> tensor<4xi1>
  func.return
}

// -----

// or is not defined on this type.
// CHECK: pfrt.or: C1: is not defined on i8
func.func @f(%a: tensor<4xi8>) {
  %r = pfrt.or %a, %a : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi1>
  func.return
}

// -----

// or needs shapes that broadcast.
// CHECK: pfrt.or: C2: dimensions
func.func @f(%a: tensor<4xi1>, %b: tensor<3xi1>) {
  %r = pfrt.or %a, %b : (tensor<4xi1>, tensor<3xi1>) -> tensor<4xi1>
  func.return
}

// -----

// xor is not defined on this type.
// CHECK: pfrt.xor: C1: is not defined on i8
func.func @f(%a: tensor<4xi8>) {
  %r = pfrt.xor %a, %a : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi1>
  func.return
}

// -----

// xor needs shapes that broadcast.
// CHECK: pfrt.xor: C2: dimensions
func.func @f(%a: tensor<4xi1>, %b: tensor<3xi1>) {
  %r = pfrt.xor %a, %b : (tensor<4xi1>, tensor<3xi1>) -> tensor<4xi1>
  func.return
}

// -----

// min of nothing.
// CHECK: pfrt.min: C1: needs at least one operand
func.func @f() {
  %r = pfrt.min : () -> tensor<4xf32>
  func.return
}

// -----

// min is not defined on this type.
// CHECK: pfrt.min: C2: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.min %a : (tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// min needs shapes that broadcast.
// CHECK: pfrt.min: C3: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.min %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// max of nothing.
// CHECK: pfrt.max: C1: needs at least one operand
func.func @f() {
  %r = pfrt.max : () -> tensor<4xf32>
  func.return
}

// -----

// max is not defined on this type.
// CHECK: pfrt.max: C2: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.max %a : (tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// max needs shapes that broadcast.
// CHECK: pfrt.max: C3: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.max %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// sum of nothing.
// CHECK: pfrt.sum: C1: needs at least one operand
func.func @f() {
  %r = pfrt.sum : () -> tensor<4xf32>
  func.return
}

// -----

// sum is not defined on this type.
// CHECK: pfrt.sum: C2: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.sum %a : (tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// sum needs shapes that broadcast.
// CHECK: pfrt.sum: C3: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.sum %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// mean of nothing.
// CHECK: pfrt.mean: C1: needs at least one operand
func.func @f() {
  %r = pfrt.mean : () -> tensor<4xf32>
  func.return
}

// -----

// mean is not defined on this type.
// CHECK: pfrt.mean: C2: is not defined on i1
func.func @f(%a: tensor<4xi1>) {
  %r = pfrt.mean %a : (tensor<4xi1>) -> tensor<4xi1>
  func.return
}

// -----

// mean needs shapes that broadcast.
// CHECK: pfrt.mean: C3: dimensions
func.func @f(%a: tensor<4xf32>, %b: tensor<3xf32>) {
  %r = pfrt.mean %a, %b : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  func.return
}

// -----

// A condition is true or false.
// CHECK: pfrt.where: C1: is not defined on i8
func.func @f(%c: tensor<4xi8>, %a: tensor<4xf32>, %b: tensor<4xf32>) {
  %r = pfrt.where %c, %a, %b : (tensor<4xi8>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// where does not mix types.
// CHECK: pfrt.where: C2: mixes f32 and tensor<4xf64>
func.func @f(%c: tensor<4xi1>, %a: tensor<4xf32>, %b: tensor<4xf64>) {
  %r = pfrt.where %c, %a, %b : (tensor<4xi1>, tensor<4xf32>, tensor<4xf64>) -> tensor<4xf32>
  func.return
}

// -----

// where needs shapes that broadcast.
// CHECK: pfrt.where: C3: dimensions
func.func @f(%c: tensor<3xi1>, %a: tensor<4xf32>, %b: tensor<4xf32>) {
  %r = pfrt.where %c, %a, %b : (tensor<3xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// The declared type must be what the operands give.
// CHECK: pfrt.abs: result 0 is declared tensor<5xf32>, but its operands give tensor<4xf32>
func.func @f(%a: tensor<4xf32>) {
  %r = pfrt.abs %a : tensor<4xf32> -> tensor<5xf32>
  func.return
}

// -----

// tan is not defined on this type.
// CHECK: pfrt.tan: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.tan %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// asin is not defined on this type.
// CHECK: pfrt.asin: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.asin %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// acos is not defined on this type.
// CHECK: pfrt.acos: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.acos %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// atan is not defined on this type.
// CHECK: pfrt.atan: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.atan %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// sinh is not defined on this type.
// CHECK: pfrt.sinh: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.sinh %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// cosh is not defined on this type.
// CHECK: pfrt.cosh: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.cosh %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// asinh is not defined on this type.
// CHECK: pfrt.asinh: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.asinh %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// acosh is not defined on this type.
// CHECK: pfrt.acosh: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.acosh %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// atanh is not defined on this type.
// CHECK: pfrt.atanh: C1: needs floats, got tensor<4xi32>
func.func @f(%x: tensor<4xi32>) {
  %r = pfrt.atanh %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}

// -----

// bitwise_not is not defined on this type.
// CHECK: pfrt.bitwise_not: C1: is not defined on tensor<4xi1>
func.func @f(%x: tensor<4xi1>) {
  %r = pfrt.bitwise_not %x : tensor<4xi1> -> tensor<4xi1>
  func.return
}

// -----

// bitwise_and is not defined on this type.
// CHECK: pfrt.bitwise_and: C1: is not defined on f32
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.bitwise_and %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// bitwise_and: the shapes broadcast.
// CHECK: pfrt.bitwise_and: C2: dimensions [3, 4] do not broadcast
func.func @f(%x: tensor<4xi8>, %y: tensor<3xi8>) {
  %r = pfrt.bitwise_and %x, %y : (tensor<4xi8>, tensor<3xi8>) -> tensor<4xi8>
  func.return
}

// -----

// bitwise_or is not defined on this type.
// CHECK: pfrt.bitwise_or: C1: is not defined on f32
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.bitwise_or %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// bitwise_or: the shapes broadcast.
// CHECK: pfrt.bitwise_or: C2: dimensions [3, 4] do not broadcast
func.func @f(%x: tensor<4xi8>, %y: tensor<3xi8>) {
  %r = pfrt.bitwise_or %x, %y : (tensor<4xi8>, tensor<3xi8>) -> tensor<4xi8>
  func.return
}

// -----

// bitwise_xor is not defined on this type.
// CHECK: pfrt.bitwise_xor: C1: is not defined on f32
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.bitwise_xor %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// bitwise_xor: the shapes broadcast.
// CHECK: pfrt.bitwise_xor: C2: dimensions [3, 4] do not broadcast
func.func @f(%x: tensor<4xi8>, %y: tensor<3xi8>) {
  %r = pfrt.bitwise_xor %x, %y : (tensor<4xi8>, tensor<3xi8>) -> tensor<4xi8>
  func.return
}

// -----

// bit_shift is not defined on this type.
// CHECK: pfrt.bit_shift: C1: is not defined on f32
func.func @f(%x: tensor<4xf32>) {
  %r = pfrt.bit_shift %x, %x {direction = "LEFT"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}

// -----

// bit_shift: the shapes broadcast.
// CHECK: pfrt.bit_shift: C2: dimensions [3, 4] do not broadcast
func.func @f(%x: tensor<4xi8>, %y: tensor<3xi8>) {
  %r = pfrt.bit_shift %x, %y {direction = "LEFT"} : (tensor<4xi8>, tensor<3xi8>) -> tensor<4xi8>
  func.return
}

// -----

// Bits go to the left or to the right.
// CHECK: pfrt.bit_shift: C3: unknown direction "UP"
func.func @f(%x: tensor<4xi8>) {
  %r = pfrt.bit_shift %x, %x {direction = "UP"} : (tensor<4xi8>, tensor<4xi8>) -> tensor<4xi8>
  func.return
}
