// RUN: pfrt-opt %s -p pfrt-dce --split-input-file | filecheck %s

// What nothing uses goes, constants included; an identity becomes its operand.
func.func @dead(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = pfrt.constant dense<1.0> : tensor<f32>
  %d = pfrt.add %x, %w : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %y = pfrt.identity %x as "y" : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK-LABEL: @dead
// CHECK-NEXT: func.return %x

// -----

// An identity that says more of the shape than its operand stays.
func.func @precise(%x: tensor<?xf32>) -> tensor<4xf32> {
  %y = pfrt.identity %x : tensor<?xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK-LABEL: @precise
// CHECK-NEXT: pfrt.identity

// -----

// A dropout that is known not to train keeps everything, and its mask says so.
func.func @dropout(%x: tensor<?x3xf32>, %r: tensor<f32>) -> (tensor<?x3xf32>, tensor<?x3xi1>) {
  %no = pfrt.constant dense<false> : tensor<i1>
  %y, %mask = pfrt.dropout %x, %r, %no : (tensor<?x3xf32>, tensor<f32>, tensor<i1>) -> (tensor<?x3xf32>, tensor<?x3xi1>)
  func.return %y, %mask : tensor<?x3xf32>, tensor<?x3xi1>
}
// CHECK-LABEL: @dropout
// CHECK-NEXT: %[[S:.*]] = pfrt.shape %x
// CHECK-NEXT: %[[M:.*]] = pfrt.constant_of_shape %[[S]] {value = dense<true> : tensor<1xi1>}
// CHECK-NEXT: func.return %x, %[[M]]

// -----

// A dropout that may train stays.
func.func @training(%x: tensor<3xf32>, %r: tensor<f32>, %t: tensor<i1>) -> tensor<3xf32> {
  %y, %mask = pfrt.dropout %x, %r, %t : (tensor<3xf32>, tensor<f32>, tensor<i1>) -> (tensor<3xf32>, tensor<3xi1>)
  func.return %y : tensor<3xf32>
}
// CHECK-LABEL: @training
// CHECK-NEXT: pfrt.dropout
