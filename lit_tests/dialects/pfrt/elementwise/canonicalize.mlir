// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// neg(neg(x)) -> x
// CHECK: @neg_of_neg(%[[X:.*]]:
func.func @neg_of_neg(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = pfrt.neg %x : tensor<?xf32> -> tensor<?xf32>
  %1 = pfrt.neg %0 : tensor<?xf32> -> tensor<?xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %1 : tensor<?xf32>
}

// -----

// not(not(x)) -> x
// CHECK: @not_of_not(%[[X:.*]]:
func.func @not_of_not(%x: tensor<4xi1>) -> tensor<4xi1> {
  %0 = pfrt.not %x : tensor<4xi1> -> tensor<4xi1>
  %1 = pfrt.not %0 : tensor<4xi1> -> tensor<4xi1>
  // CHECK-NEXT: return %[[X]]
  func.return %1 : tensor<4xi1>
}

// -----

// Two different functions do not undo each other, whatever they are.
// CHECK: @neg_of_abs
func.func @neg_of_abs(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.abs
  %0 = pfrt.abs %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: pfrt.neg
  %1 = pfrt.neg %0 : tensor<4xf32> -> tensor<4xf32>
  func.return %1 : tensor<4xf32>
}

// -----

// min(x), max(x), sum(x), mean(x) -> x
// CHECK: @of_one(%[[X:.*]]:
func.func @of_one(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = pfrt.min %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = pfrt.max %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = pfrt.sum %1 : (tensor<4xf32>) -> tensor<4xf32>
  %3 = pfrt.mean %2 : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %3 : tensor<4xf32>
}

// -----

// An op that says more about the type than its operand stays: a return must keep its type.
// CHECK: @of_one_refined
func.func @of_one_refined(%x: tensor<?xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.max
  %0 = pfrt.max %x : (tensor<?xf32>) -> tensor<4xf32>
  func.return %0 : tensor<4xf32>
}

// -----

// bitwise_not(bitwise_not(x)) -> x
// CHECK: @bits_turned_twice(%[[X:.*]]:
func.func @bits_turned_twice(%x: tensor<4xi8>) -> tensor<4xi8> {
  %0 = pfrt.bitwise_not %x : tensor<4xi8> -> tensor<4xi8>
  %1 = pfrt.bitwise_not %0 : tensor<4xi8> -> tensor<4xi8>
  // CHECK-NEXT: return %[[X]]
  func.return %1 : tensor<4xi8>
}
