// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// cast(x : T, to T) -> x
// CHECK: @cast_to_own_type(%[[X:.*]]:
func.func @cast_to_own_type(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = pfrt.cast %x {to = f32} : tensor<?xf32> -> tensor<?xf32>
  // CHECK-NEXT: return %[[X]]
  func.return %0 : tensor<?xf32>
}

// -----

// Casts there and back are not the identity.
// CHECK: @cast_and_back
func.func @cast_and_back(%x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: pfrt.cast
  %0 = pfrt.cast %x {to = i8} : tensor<4xf32> -> tensor<4xi8>
  // CHECK: pfrt.cast
  %1 = pfrt.cast %0 {to = f32} : tensor<4xi8> -> tensor<4xf32>
  func.return %1 : tensor<4xf32>
}

// -----

// shape(x) -> constant, if the dimensions in range are static; its name stays.
// CHECK: @static_shape
func.func @static_shape(%x: tensor<?x3x8xf32>) -> (tensor<2xi64>, tensor<3xi64>) {
  // CHECK-NEXT: pfrt.constant dense<[3, 8]> as "hw" : tensor<2xi64>
  %0 = pfrt.shape %x as "hw" {start = 1 : i64} : tensor<?x3x8xf32> -> tensor<2xi64>
  // CHECK-NEXT: pfrt.shape
  %1 = pfrt.shape %x : tensor<?x3x8xf32> -> tensor<3xi64>
  func.return %0, %1 : tensor<2xi64>, tensor<3xi64>
}

// -----

// size(x) -> constant, if the shape is static.
// CHECK: @static_size
func.func @static_size(%x: tensor<3x8xf32>, %y: tensor<?xf32>) -> (tensor<i64>, tensor<i64>) {
  // CHECK-NEXT: pfrt.constant dense<24> : tensor<i64>
  %0 = pfrt.size %x : tensor<3x8xf32> -> tensor<i64>
  // CHECK-NEXT: pfrt.size
  %1 = pfrt.size %y : tensor<?xf32> -> tensor<i64>
  func.return %0, %1 : tensor<i64>, tensor<i64>
}

// -----

// A constant shape becomes a property, and the fill a constant.
// CHECK: @constant_of_shape
func.func @constant_of_shape() -> tensor<2x3xf32> {
  %s = pfrt.constant dense<[2, 3]> : tensor<2xi64>
  // CHECK-NEXT: pfrt.constant dense<0.0{{.*}}> : tensor<2x3xf32>
  %0 = pfrt.constant_of_shape %s : (tensor<2xi64>) -> tensor<2x3xf32>
  func.return %0 : tensor<2x3xf32>
}

// -----

// bit_cast(x : T, to T) -> x
// CHECK: @bit_cast
func.func @bit_cast(%x: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK-NEXT: func.return %x
  %0 = pfrt.bit_cast %x {to = f32} : tensor<2xf32> -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
