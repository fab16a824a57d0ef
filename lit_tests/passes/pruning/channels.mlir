// RUN: pfrt-opt %s -p 'pfrt-prune{granularity=structured sparsity=0.5}' --split-input-file | filecheck %s

// The channels of weight 1 and 2 go: from what makes them, its bias, and what reads them.
func.func @main(%x: tensor<1x2x4x4xf32>) -> tensor<1x1x4x4xf32> {
  %w = pfrt.constant dense<[[[[9.0]], [[9.0]]], [[[1.0]], [[1.0]]], [[[2.0]], [[2.0]]], [[[8.0]], [[8.0]]]]> as "w" : tensor<4x2x1x1xf32>
  %b = pfrt.constant dense<[4.0, 5.0, 6.0, 7.0]> as "b" : tensor<4xf32>
  %v = pfrt.constant dense<[[[[1.0]], [[1.0]], [[1.0]], [[1.0]]]]> as "v" : tensor<1x4x1x1xf32>
  %a = pfrt.conv %x, %w, %b : (tensor<1x2x4x4xf32>, tensor<4x2x1x1xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  %y = pfrt.conv %a, %v : (tensor<1x4x4x4xf32>, tensor<1x4x1x1xf32>) -> tensor<1x1x4x4xf32>
  func.return %y : tensor<1x1x4x4xf32>
}
// CHECK: dense<{{.*}}9.000000e+00{{.*}}8.000000e+00{{.*}}> as "w" : tensor<2x2x1x1xf32>
// CHECK: dense<[4.000000e+00, 7.000000e+00]> as "b" : tensor<2xf32>
// CHECK: as "v" : tensor<1x2x1x1xf32>
// CHECK: pfrt.conv {{.*}} -> tensor<1x2x4x4xf32>

// -----

// Whole groups of a grouped convolution go, and `group` says how many are left.
func.func @main(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32> {
  %w = pfrt.constant dense<[[[[1.0]]], [[[1.0]]], [[[9.0]]], [[[9.0]]]]> as "w" : tensor<4x1x1x1xf32>
  %d = pfrt.constant dense<3.0> as "d" : tensor<4x1x3x3xf32>
  %v = pfrt.constant dense<1.0> as "v" : tensor<1x4x1x1xf32>
  %a = pfrt.conv %x, %w : (tensor<1x1x4x4xf32>, tensor<4x1x1x1xf32>) -> tensor<1x4x4x4xf32>
  %b = pfrt.conv %a, %d {group = 4 : i64, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x4x4xf32>
  %y = pfrt.conv %b, %v : (tensor<1x4x4x4xf32>, tensor<1x4x1x1xf32>) -> tensor<1x1x4x4xf32>
  func.return %y : tensor<1x1x4x4xf32>
}
// CHECK: pfrt.conv {{.*}}group = 2 : i64{{.*}} -> tensor<1x2x4x4xf32>

// -----

// A shape that a reshape names, and the columns of a matrix, shrink with the channels they hold.
func.func @main(%x: tensor<1x1x2x2xf32>) -> tensor<1x1xf32> {
  %w = pfrt.constant dense<[[[[9.0]]], [[[1.0]]]]> as "w" : tensor<2x1x1x1xf32>
  %m = pfrt.constant dense<1.0> as "m" : tensor<8x1xf32>
  %a = pfrt.conv %x, %w : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x2x2xf32>
  %f = pfrt.reshape %a {shape = array<i64: 1, 8>} : (tensor<1x2x2x2xf32>) -> tensor<1x8xf32>
  %y = pfrt.matmul %f, %m : tensor<1x8xf32>, tensor<8x1xf32> -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}
// CHECK: as "m" : tensor<4x1xf32>
// CHECK: pfrt.reshape {{.*}}shape = array<i64: 1, 4>{{.*}} -> tensor<1x4xf32>

// -----

// Where an op mixes the channels they all stay.
func.func @main(%x: tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32> {
  %w = pfrt.constant dense<[[[[9.0]]], [[[1.0]]]]> as "w" : tensor<2x1x1x1xf32>
  %v = pfrt.constant dense<1.0> as "v" : tensor<1x2x1x1xf32>
  %a = pfrt.conv %x, %w : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x2x2xf32>
  %s = pfrt.softmax %a {axis = 1 : i64} : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %y = pfrt.conv %s, %v : (tensor<1x2x2x2xf32>, tensor<1x2x1x1xf32>) -> tensor<1x1x2x2xf32>
  func.return %y : tensor<1x1x2x2xf32>
}
// CHECK: as "w" : tensor<2x1x1x1xf32>
