// RUN: pfrt-opt %s --split-input-file --verify-diagnostics -p "wse-fit{width=2 height=1}" | filecheck %s

// What fits stays as it is.
func.func @main(%x: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %a = pfrt.relu %x : tensor<1x8xf32> -> tensor<1x8xf32>
  func.return %a : tensor<1x8xf32>
}
// CHECK: pfrt.relu %x : tensor<1x8xf32>

// -----

// An op that has no room by itself goes, the ones that have stay.
func.func @main(%x: tensor<1x4x128x128xf32>) -> tensor<1x4x1x1xf32> {
  %a = pfrt.relu %x : tensor<1x4x128x128xf32> -> tensor<1x4x128x128xf32>
  %b = pfrt.max_pool %a {kernel_shape = array<i64: 8, 8>, strides = array<i64: 8, 8>} : tensor<1x4x128x128xf32> -> tensor<1x4x16x16xf32>
  %c = pfrt.global_average_pool %b : tensor<1x4x16x16xf32> -> tensor<1x4x1x1xf32>
  func.return %c : tensor<1x4x1x1xf32>
}
// CHECK: pfrt.relu %x {wse.host = "needs {{.*}} bytes of a PE's 44976
// CHECK: pfrt.max_pool %a {wse.host = "needs
// CHECK: pfrt.global_average_pool %b :

// -----

// Of ops that have room one by one, but not together, one in the middle goes.
func.func @main(%x: tensor<1x64x4x4xf32>) -> tensor<1x64x4x4xf32> {
  %w = pfrt.constant dense<1.0> : tensor<64x64x1x1xf32>
  %v = pfrt.constant dense<2.0> : tensor<64x64x1x1xf32>
  %u = pfrt.constant dense<3.0> : tensor<64x64x1x1xf32>
  %t = pfrt.constant dense<4.0> : tensor<64x64x1x1xf32>
  %s = pfrt.constant dense<5.0> : tensor<64x64x1x1xf32>
  %a = pfrt.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x64x4x4xf32>, tensor<64x64x1x1xf32>) -> tensor<1x64x4x4xf32>
  %b = pfrt.conv %a, %v {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x64x4x4xf32>, tensor<64x64x1x1xf32>) -> tensor<1x64x4x4xf32>
  %c = pfrt.conv %b, %u {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x64x4x4xf32>, tensor<64x64x1x1xf32>) -> tensor<1x64x4x4xf32>
  %d = pfrt.conv %c, %t {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x64x4x4xf32>, tensor<64x64x1x1xf32>) -> tensor<1x64x4x4xf32>
  %e = pfrt.conv %d, %s {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x64x4x4xf32>, tensor<64x64x1x1xf32>) -> tensor<1x64x4x4xf32>
  func.return %e : tensor<1x64x4x4xf32>
}
// CHECK: %b = pfrt.conv %a, %v {strides
// CHECK: %c = pfrt.conv %b, %u {wse.host =
// CHECK: %d = pfrt.conv %c, %t {strides
