// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s

// Statistics by channel.
func.func @batch_normalization(%x: tensor<?x8x4x4xf32>, %c: tensor<8xf32>) -> tensor<?x8x4x4xf32> {
  // CHECK: pfrt.batch_normalization %x, %c, %c, %c, %c {epsilon = 1.000000e-03 : f32} : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
  %y = pfrt.batch_normalization %x, %c, %c, %c, %c {epsilon = 1.000000e-03 : f32} : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
  func.return %y : tensor<?x8x4x4xf32>
}

// -----

// Scale and bias by channel.
func.func @instance_normalization(%x: tensor<?x8x4x4xf32>, %c: tensor<8xf32>) -> tensor<?x8x4x4xf32> {
  // CHECK: pfrt.instance_normalization %x, %c, %c : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
  %y = pfrt.instance_normalization %x, %c, %c : (tensor<?x8x4x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4x4xf32>
  func.return %y : tensor<?x8x4x4xf32>
}

// -----

// The bias is optional.
func.func @layer_normalization(%x: tensor<?x16x32xf16>, %s: tensor<16x32xf16>) -> tensor<?x16x32xf16> {
  // CHECK: pfrt.layer_normalization %x, %s {axis = 1 : i64} : (tensor<?x16x32xf16>, tensor<16x32xf16>) -> tensor<?x16x32xf16>
  %y = pfrt.layer_normalization %x, %s {axis = 1 : i64} : (tensor<?x16x32xf16>, tensor<16x32xf16>) -> tensor<?x16x32xf16>
  func.return %y : tensor<?x16x32xf16>
}

// -----

// The last axis is the default.
func.func @softmax(%x: tensor<?x10xf32>) -> tensor<?x10xf32> {
  // CHECK: pfrt.softmax %x : tensor<?x10xf32> -> tensor<?x10xf32>
  %y = pfrt.softmax %x : tensor<?x10xf32> -> tensor<?x10xf32>
  func.return %y : tensor<?x10xf32>
}

// -----

// Any axis.
func.func @log_softmax(%x: tensor<?x10xf32>) -> tensor<?x10xf32> {
  // CHECK: pfrt.log_softmax %x {axis = 0 : i64} : tensor<?x10xf32> -> tensor<?x10xf32>
  %y = pfrt.log_softmax %x {axis = 0 : i64} : tensor<?x10xf32> -> tensor<?x10xf32>
  func.return %y : tensor<?x10xf32>
}

// -----

// The number of channels must be given.
func.func @lrn(%x: tensor<?x8x4x4xf32>) -> tensor<?x8x4x4xf32> {
  // CHECK: pfrt.lrn %x {size = 5 : i64} : tensor<?x8x4x4xf32> -> tensor<?x8x4x4xf32>
  %y = pfrt.lrn %x {size = 5 : i64} : tensor<?x8x4x4xf32> -> tensor<?x8x4x4xf32>
  func.return %y : tensor<?x8x4x4xf32>
}

// -----

// The statistics keep their type.
func.func @batch_normalization_training(%x: tensor<?x8x4xf16>, %s: tensor<8xf16>, %m: tensor<8xf32>) -> (tensor<?x8x4xf16>, tensor<8xf32>, tensor<8xf32>) {
  // CHECK: pfrt.batch_normalization_training %x, %s, %s, %m, %m as "y", "m", "v" {momentum = 5.000000e-01 : f32} : (tensor<?x8x4xf16>, tensor<8xf16>, tensor<8xf16>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x8x4xf16>, tensor<8xf32>, tensor<8xf32>)
  %0, %1, %2 = pfrt.batch_normalization_training %x, %s, %s, %m, %m as "y", "m", "v" {momentum = 5.000000e-01 : f32} : (tensor<?x8x4xf16>, tensor<8xf16>, tensor<8xf16>, tensor<8xf32>, tensor<8xf32>) -> (tensor<?x8x4xf16>, tensor<8xf32>, tensor<8xf32>)
  func.return %0, %1, %2 : tensor<?x8x4xf16>, tensor<8xf32>, tensor<8xf32>
}

// -----

// Groups of two channels.
func.func @group_normalization(%x: tensor<?x8x4xf32>, %c: tensor<8xf32>) -> tensor<?x8x4xf32> {
  // CHECK: pfrt.group_normalization %x, %c, %c {num_groups = 4 : i64} : (tensor<?x8x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4xf32>
  %y = pfrt.group_normalization %x, %c, %c {num_groups = 4 : i64} : (tensor<?x8x4xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<?x8x4xf32>
  func.return %y : tensor<?x8x4xf32>
}

// -----

// The result has the type of the scale.
func.func @rms_normalization(%x: tensor<?x16x32xf16>, %s: tensor<32xf32>) -> tensor<?x16x32xf32> {
  // CHECK: pfrt.rms_normalization %x, %s {axis = 1 : i64} : (tensor<?x16x32xf16>, tensor<32xf32>) -> tensor<?x16x32xf32>
  %y = pfrt.rms_normalization %x, %s {axis = 1 : i64} : (tensor<?x16x32xf16>, tensor<32xf32>) -> tensor<?x16x32xf32>
  func.return %y : tensor<?x16x32xf32>
}

// -----

// Those of one channel are brought to one scale by default.
func.func @mean_variance_normalization(%x: tensor<?x3x4x4xf32>) -> tensor<?x3x4x4xf32> {
  // CHECK: pfrt.mean_variance_normalization %x : tensor<?x3x4x4xf32> -> tensor<?x3x4x4xf32>
  %y = pfrt.mean_variance_normalization %x : tensor<?x3x4x4xf32> -> tensor<?x3x4x4xf32>
  func.return %y : tensor<?x3x4x4xf32>
}

// -----

// The Euclidean norm is the default.
func.func @lp_normalization(%x: tensor<?x3xf32>) -> tensor<?x3xf32> {
  // CHECK: pfrt.lp_normalization %x {axis = 0 : i64} : tensor<?x3xf32> -> tensor<?x3xf32>
  %y = pfrt.lp_normalization %x {axis = 0 : i64} : tensor<?x3xf32> -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}

// -----

// So is the last axis.
func.func @hardmax(%x: tensor<?x3xbf16>) -> tensor<?x3xbf16> {
  // CHECK: pfrt.hardmax %x : tensor<?x3xbf16> -> tensor<?x3xbf16>
  %y = pfrt.hardmax %x : tensor<?x3xbf16> -> tensor<?x3xbf16>
  func.return %y : tensor<?x3xbf16>
}

// -----

// An op that nothing uses goes away.
// CHECK-LABEL: @dead
// CHECK-NOT: pfrt.
func.func @dead(%x: tensor<4xf32>) {
  %y = pfrt.softmax %x : tensor<4xf32> -> tensor<4xf32>
  func.return
}
