// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// reduce_sum is not defined on every type.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.reduce_sum %x : (tensor<4xi1>) -> tensor<1xi1>
  func.return
}
// CHECK: pfrt.reduce_sum: C1: is not defined on tensor<4xi1>

// -----

// reduce_mean is not defined on every type.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.reduce_mean %x : (tensor<4xi1>) -> tensor<1xi1>
  func.return
}
// CHECK: pfrt.reduce_mean: C1: is not defined on tensor<4xi1>

// -----

// reduce_max is not defined on every type.
func.func @f(%x: tensor<4xcomplex<f32>>) {
  %y = pfrt.reduce_max %x : (tensor<4xcomplex<f32>>) -> tensor<1xcomplex<f32>>
  func.return
}
// CHECK: pfrt.reduce_max: C1: is not defined on tensor<4xcomplex<f32>>

// -----

// reduce_min is not defined on every type.
func.func @f(%x: tensor<4xcomplex<f32>>) {
  %y = pfrt.reduce_min %x : (tensor<4xcomplex<f32>>) -> tensor<1xcomplex<f32>>
  func.return
}
// CHECK: pfrt.reduce_min: C1: is not defined on tensor<4xcomplex<f32>>

// -----

// reduce_prod is not defined on every type.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.reduce_prod %x : (tensor<4xi1>) -> tensor<1xi1>
  func.return
}
// CHECK: pfrt.reduce_prod: C1: is not defined on tensor<4xi1>

// -----

// reduce_l1 is not defined on every type.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.reduce_l1 %x : (tensor<4xi1>) -> tensor<1xi1>
  func.return
}
// CHECK: pfrt.reduce_l1: C1: is not defined on tensor<4xi1>

// -----

// reduce_l2 is not defined on every type.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.reduce_l2 %x : (tensor<4xi1>) -> tensor<1xi1>
  func.return
}
// CHECK: pfrt.reduce_l2: C1: is not defined on tensor<4xi1>

// -----

// reduce_sum_square is not defined on every type.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.reduce_sum_square %x : (tensor<4xi1>) -> tensor<1xi1>
  func.return
}
// CHECK: pfrt.reduce_sum_square: C1: is not defined on tensor<4xi1>

// -----

// reduce_log_sum is not defined on every type.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.reduce_log_sum %x : (tensor<4xi32>) -> tensor<1xi32>
  func.return
}
// CHECK: pfrt.reduce_log_sum: C1: is not defined on tensor<4xi32>

// -----

// reduce_log_sum_exp is not defined on every type.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.reduce_log_sum_exp %x : (tensor<4xi32>) -> tensor<1xi32>
  func.return
}
// CHECK: pfrt.reduce_log_sum_exp: C1: is not defined on tensor<4xi32>

// -----

// reduce_sum: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_sum %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_sum: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_sum: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_sum %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_sum: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_mean: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_mean %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_mean: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_mean: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_mean %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_mean: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_max: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_max %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_max: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_max: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_max %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_max: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_min: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_min %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_min: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_min: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_min %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_min: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_prod: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_prod %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_prod: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_prod: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_prod %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_prod: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_l1: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_l1 %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_l1: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_l1: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_l1 %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_l1: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_l2: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_l2 %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_l2: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_l2: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_l2 %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_l2: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_sum_square: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_sum_square %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_sum_square: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_sum_square: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_sum_square %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_sum_square: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_log_sum: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_log_sum %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_log_sum: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_log_sum: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_log_sum %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_log_sum: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// reduce_log_sum_exp: an axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.reduce_log_sum_exp %x {axes = array<i64: 1>} : (tensor<4xf32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_log_sum_exp: C2: axis 1 is outside the 1 dimensions

// -----

// reduce_log_sum_exp: axes of unknown value are a vector of i64.
func.func @f(%x: tensor<4xf32>, %a: tensor<1xi32>) {
  %y = pfrt.reduce_log_sum_exp %x axes %a : (tensor<4xf32>, tensor<1xi32>) -> tensor<1xf32>
  func.return
}
// CHECK: pfrt.reduce_log_sum_exp: C3: axes must be a vector of i64, got tensor<1xi32>

// -----

// An axis is named once, counted from either end.
func.func @f(%x: tensor<4x2xf32>) {
  %y = pfrt.reduce_sum %x {axes = array<i64: 1, -1>} : (tensor<4x2xf32>) -> tensor<4x1xf32>
  func.return
}
// CHECK: pfrt.reduce_sum: C2: axes [1, -1] name one dimension twice

// -----

// arg_max: elements have an order.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.arg_max %x : tensor<4xi1> -> tensor<1xi64>
  func.return
}
// CHECK: pfrt.arg_max: C1: cannot order tensor<4xi1>

// -----

// arg_max: the axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.arg_max %x {axis = -2 : i64} : tensor<4xf32> -> tensor<1xi64>
  func.return
}
// CHECK: pfrt.arg_max: C2: axis -2 is outside the dimensions of tensor<4xf32>

// -----

// arg_max: there is something to choose from.
func.func @f(%x: tensor<4x0xf32>) {
  %y = pfrt.arg_max %x {axis = 1 : i64} : tensor<4x0xf32> -> tensor<4x1xi64>
  func.return
}
// CHECK: pfrt.arg_max: C3: axis 1 of tensor<4x0xf32> is empty

// -----

// arg_min: elements have an order.
func.func @f(%x: tensor<4xi1>) {
  %y = pfrt.arg_min %x : tensor<4xi1> -> tensor<1xi64>
  func.return
}
// CHECK: pfrt.arg_min: C1: cannot order tensor<4xi1>

// -----

// arg_min: the axis is one of the operand's.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.arg_min %x {axis = -2 : i64} : tensor<4xf32> -> tensor<1xi64>
  func.return
}
// CHECK: pfrt.arg_min: C2: axis -2 is outside the dimensions of tensor<4xf32>

// -----

// arg_min: there is something to choose from.
func.func @f(%x: tensor<4x0xf32>) {
  %y = pfrt.arg_min %x {axis = 1 : i64} : tensor<4x0xf32> -> tensor<4x1xi64>
  func.return
}
// CHECK: pfrt.arg_min: C3: axis 1 of tensor<4x0xf32> is empty

// -----

// Numbers of 4 bits are for storage only.
%x = "test.op"() : () -> tensor<4xi4>
%y = pfrt.reduce_sum %x : (tensor<4xi4>) -> tensor<1xi4>
// CHECK: pfrt.reduce_sum: C1: is not defined on tensor<4xi4>
