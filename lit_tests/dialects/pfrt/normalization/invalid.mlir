// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Batch normalization is of floats.
func.func @f(%x: tensor<2x3xi32>, %s: tensor<3xf32>, %b: tensor<3xf32>, %m: tensor<3xf32>, %v: tensor<3xf32>) {
  %y = pfrt.batch_normalization %x, %s, %b, %m, %v : (tensor<2x3xi32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xi32>
  func.return
}
// CHECK: pfrt.batch_normalization: C1: needs floats, got tensor<2x3xi32>

// -----

// A scalar has no channels.
func.func @f(%x: tensor<f32>, %s: tensor<1xf32>, %b: tensor<1xf32>, %m: tensor<1xf32>, %v: tensor<1xf32>) {
  %y = pfrt.batch_normalization %x, %s, %b, %m, %v : (tensor<f32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<f32>
  func.return
}
// CHECK: pfrt.batch_normalization: C2: needs at least 1 dimensions, got tensor<f32>

// -----

// Each statistic has one element a channel.
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>, %b: tensor<3xf32>, %m: tensor<2xf32>, %v: tensor<3xf32>) {
  %y = pfrt.batch_normalization %x, %s, %b, %m, %v : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  func.return
}
// CHECK: pfrt.batch_normalization: C3: mean must be tensor<3xf32>, got tensor<2xf32>

// -----

// Instance normalization is of one type.
func.func @f(%x: tensor<2x3x4xf16>, %s: tensor<3xf32>, %b: tensor<3xf32>) {
  %y = pfrt.instance_normalization %x, %s, %b : (tensor<2x3x4xf16>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf16>
  func.return
}
// CHECK: pfrt.instance_normalization: C1: needs one element type, got f16, f32, f32

// -----

// There is a spatial axis to average over.
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>, %b: tensor<3xf32>) {
  %y = pfrt.instance_normalization %x, %s, %b : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  func.return
}
// CHECK: pfrt.instance_normalization: C2: needs at least 3 dimensions, got tensor<2x3xf32>

// -----

// A scale for each channel.
func.func @f(%x: tensor<2x3x4xf32>, %s: tensor<4xf32>, %b: tensor<3xf32>) {
  %y = pfrt.instance_normalization %x, %s, %b : (tensor<2x3x4xf32>, tensor<4xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  func.return
}
// CHECK: pfrt.instance_normalization: C3: scale must be tensor<3xf32>, got tensor<4xf32>

// -----

// Layer normalization is of one type.
func.func @f(%x: tensor<2x3xf16>, %s: tensor<3xf32>) {
  %y = pfrt.layer_normalization %x, %s : (tensor<2x3xf16>, tensor<3xf32>) -> tensor<2x3xf16>
  func.return
}
// CHECK: pfrt.layer_normalization: C1: needs one element type, got f16, f32

// -----

// The first normalised axis is one of the operand's.
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>) {
  %y = pfrt.layer_normalization %x, %s {axis = 2 : i64} : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  func.return
}
// CHECK: pfrt.layer_normalization: C2: axis 2 is outside the dimensions of tensor<2x3xf32>

// -----

// The scale broadcasts to the operand.
func.func @f(%x: tensor<2x3xf32>, %s: tensor<2xf32>) {
  %y = pfrt.layer_normalization %x, %s : (tensor<2x3xf32>, tensor<2xf32>) -> tensor<2x3xf32>
  func.return
}
// CHECK: pfrt.layer_normalization: C3: tensor<2xf32> does not broadcast to tensor<2x3xf32>

// -----

// Softmax is of floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.softmax %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.softmax: C1: needs floats, got tensor<4xi32>

// -----

// Softmax has an axis.
func.func @f(%x: tensor<f32>) {
  %y = pfrt.softmax %x : tensor<f32> -> tensor<f32>
  func.return
}
// CHECK: pfrt.softmax: C2: axis -1 is outside the dimensions of tensor<f32>

// -----

// Log-softmax is of floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.log_softmax %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.log_softmax: C1: needs floats, got tensor<4xi32>

// -----

// Log-softmax has an axis.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.log_softmax %x {axis = 1 : i64} : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.log_softmax: C2: axis 1 is outside the dimensions of tensor<4xf32>

// -----

// Responses are floats.
func.func @f(%x: tensor<1x3xi32>) {
  %y = pfrt.lrn %x {size = 3 : i64} : tensor<1x3xi32> -> tensor<1x3xi32>
  func.return
}
// CHECK: pfrt.lrn: C1: needs floats, got tensor<1x3xi32>

// -----

// Responses have channels.
func.func @f(%x: tensor<3xf32>) {
  %y = pfrt.lrn %x {size = 3 : i64} : tensor<3xf32> -> tensor<3xf32>
  func.return
}
// CHECK: pfrt.lrn: C2: needs at least 2 dimensions, got tensor<3xf32>

// -----

// A response is local to at least one channel.
func.func @f(%x: tensor<1x3xf32>) {
  %y = pfrt.lrn %x {size = 0 : i64} : tensor<1x3xf32> -> tensor<1x3xf32>
  func.return
}
// CHECK: pfrt.lrn: C3: size must be at least 1, got 0

// -----

// Training is on floats.
func.func @f(%x: tensor<2x3xi32>, %s: tensor<3xf32>, %m: tensor<3xf32>) {
  %0, %1, %2 = pfrt.batch_normalization_training %x, %s, %s, %m, %s : (tensor<2x3xi32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> (tensor<2x3xi32>, tensor<3xf32>, tensor<3xf32>)
  func.return
}
// CHECK: pfrt.batch_normalization_training: C1: needs floats, got tensor<2x3xi32>

// -----

// A scalar has no channels to train on.
func.func @f(%x: tensor<f32>, %s: tensor<1xf32>, %m: tensor<1xf32>) {
  %0, %1, %2 = pfrt.batch_normalization_training %x, %s, %s, %m, %s : (tensor<f32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> (tensor<f32>, tensor<1xf32>, tensor<1xf32>)
  func.return
}
// CHECK: pfrt.batch_normalization_training: C2: needs at least 1 dimensions, got tensor<f32>

// -----

// Every channel has statistics.
func.func @f(%x: tensor<2x3xf32>, %s: tensor<3xf32>, %m: tensor<2xf32>) {
  %0, %1, %2 = pfrt.batch_normalization_training %x, %s, %s, %m, %s : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<2xf32>, tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2xf32>, tensor<3xf32>)
  func.return
}
// CHECK: pfrt.batch_normalization_training: C3: mean must be tensor<3xf32>, got tensor<2xf32>

// -----

// Groups are of one type.
func.func @f(%x: tensor<2x4xf16>, %s: tensor<4xf32>) {
  %y = pfrt.group_normalization %x, %s, %s {num_groups = 2 : i64} : (tensor<2x4xf16>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf16>
  func.return
}
// CHECK: pfrt.group_normalization: C1: needs one element type, got f16, f32, f32

// -----

// Groups are of channels.
func.func @f(%x: tensor<4xf32>, %s: tensor<4xf32>) {
  %y = pfrt.group_normalization %x, %s, %s {num_groups = 2 : i64} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.group_normalization: C2: needs at least 2 dimensions, got tensor<4xf32>

// -----

// Scales are by channel, not by group.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<2xf32>) {
  %y = pfrt.group_normalization %x, %s, %s {num_groups = 2 : i64} : (tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.group_normalization: C3: scale must be tensor<4xf32>, got tensor<2xf32>

// -----

// There is a group.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<4xf32>) {
  %y = pfrt.group_normalization %x, %s, %s {num_groups = 0 : i64} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.group_normalization: C4: num_groups must be at least 1, got 0

// -----

// Groups are of one size.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<4xf32>) {
  %y = pfrt.group_normalization %x, %s, %s {num_groups = 3 : i64} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.group_normalization: C4: 4 channels do not make 3 groups

// -----

// Squares are of floats.
func.func @f(%x: tensor<2x4xi32>, %s: tensor<4xf32>) {
  %y = pfrt.rms_normalization %x, %s {axis = -1 : i64} : (tensor<2x4xi32>, tensor<4xf32>) -> tensor<2x4xi32>
  func.return
}
// CHECK: pfrt.rms_normalization: C1: needs floats, got tensor<2x4xi32>

// -----

// They are averaged from an axis on.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<4xf32>) {
  %y = pfrt.rms_normalization %x, %s {axis = 2 : i64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.rms_normalization: C2: axis 2 is outside the dimensions of tensor<2x4xf32>

// -----

// The scale broadcasts.
func.func @f(%x: tensor<2x4xf32>, %s: tensor<2xf32>) {
  %y = pfrt.rms_normalization %x, %s {axis = -1 : i64} : (tensor<2x4xf32>, tensor<2xf32>) -> tensor<2x4xf32>
  func.return
}
// CHECK: pfrt.rms_normalization: C3: tensor<2xf32> does not broadcast to tensor<2x4xf32>

// -----

// Means are of floats.
func.func @f(%x: tensor<2x3x4x4xi32>) {
  %y = pfrt.mean_variance_normalization %x : tensor<2x3x4x4xi32> -> tensor<2x3x4x4xi32>
  func.return
}
// CHECK: pfrt.mean_variance_normalization: C1: needs floats, got tensor<2x3x4x4xi32>

// -----

// The default axes are those of images.
func.func @f(%x: tensor<2x3x4xf32>) {
  %y = pfrt.mean_variance_normalization %x : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  func.return
}
// CHECK: pfrt.mean_variance_normalization: C2: axes [0, 2, 3] are not all among the 3 dimensions

// -----

// One-hot vectors are of floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.hardmax %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.hardmax: C1: needs floats, got tensor<4xi32>

// -----

// They are along an axis.
func.func @f(%x: tensor<f32>) {
  %y = pfrt.hardmax %x : tensor<f32> -> tensor<f32>
  func.return
}
// CHECK: pfrt.hardmax: C2: axis -1 is outside the dimensions of tensor<f32>

// -----

// Norms are of floats.
func.func @f(%x: tensor<4xi32>) {
  %y = pfrt.lp_normalization %x : tensor<4xi32> -> tensor<4xi32>
  func.return
}
// CHECK: pfrt.lp_normalization: C1: needs floats, got tensor<4xi32>

// -----

// They are along an axis.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.lp_normalization %x {axis = 1 : i64} : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.lp_normalization: C2: axis 1 is outside the dimensions of tensor<4xf32>

// -----

// There are two of them.
func.func @f(%x: tensor<4xf32>) {
  %y = pfrt.lp_normalization %x {p = 3 : i64} : tensor<4xf32> -> tensor<4xf32>
  func.return
}
// CHECK: pfrt.lp_normalization: C3: p must be 1 or 2, got 3

// -----

// An activation is an op.
%x, %s = "test.op"() : () -> (tensor<2x4xf32>, tensor<4xf32>)
%y = pfrt.batch_normalization %x, %s, %s, %s, %s {activation = #pfrt.activation<"rely">} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
// CHECK: pfrt.batch_normalization: C4: the activation: "rely" is no elementwise op
