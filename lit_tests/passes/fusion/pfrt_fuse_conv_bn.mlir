// RUN: pfrt-opt %s -p pfrt-fuse-conv-bn --split-input-file | filecheck %s

// Weights times scale / sqrt(var + epsilon), bias (b - mean) times that, plus the shift; its activation too.
func.func @conv(%x: tensor<?x1x4x4xf32>) -> tensor<?x2x4x4xf32> {
  %w = pfrt.constant dense<[[[[1.0]]], [[[2.0]]]]> as "w" : tensor<2x1x1x1xf32>
  %b = pfrt.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %scale = pfrt.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %shift = pfrt.constant dense<[0.5, -1.0]> : tensor<2xf32>
  %mean = pfrt.constant dense<[0.0, 1.0]> : tensor<2xf32>
  %var = pfrt.constant dense<[1.0, 4.0]> : tensor<2xf32>
  %c = pfrt.conv %x, %w, %b as "c" : (tensor<?x1x4x4xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<?x2x4x4xf32>
  %y = pfrt.batch_normalization %c, %scale, %shift, %mean, %var as "y" {activation = #pfrt.activation<"relu">, epsilon = 0.000000e+00 : f32} : (tensor<?x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2x4x4xf32>
  func.return %y : tensor<?x2x4x4xf32>
}
// CHECK-LABEL: @conv
// CHECK-DAG: [[B:%.*]] = pfrt.constant dense<[2.5{{0*}}e+00, 3.{{0*}}e+00]> : tensor<2xf32>
// CHECK-DAG: [[W:%.*]] = pfrt.constant dense<{{.*}}2.{{0*}}e+00{{.*}}4.{{0*}}e+00{{.*}}> : tensor<2x1x1x1xf32>
// CHECK-NEXT: pfrt.conv %x, [[W]], [[B]] as "y" {activation = #pfrt.activation<"relu">} :
// CHECK-NEXT: func.return

// -----

// Without a bias there is one now; factors go to the features of each group of a transposed one.
func.func @conv_transpose(%x: tensor<1x2x3xf32>) -> tensor<1x4x3xf32> {
  %w = pfrt.constant dense<1.0> : tensor<2x2x1xf32>
  %one = pfrt.constant dense<1.0> : tensor<4xf32>
  %scale = pfrt.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %c = pfrt.conv_transpose %x, %w {group = 2 : i64} : (tensor<1x2x3xf32>, tensor<2x2x1xf32>) -> tensor<1x4x3xf32>
  %y = pfrt.batch_normalization %c, %scale, %one, %one, %one {epsilon = 0.000000e+00 : f32} : (tensor<1x4x3xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x3xf32>
  func.return %y : tensor<1x4x3xf32>
}
// CHECK-LABEL: @conv_transpose
// CHECK-DAG: [[B:%.*]] = pfrt.constant dense<[0.{{0*}}e+00, -1.{{0*}}e+00, -2.{{0*}}e+00, -3.{{0*}}e+00]> : tensor<4xf32>
// CHECK-DAG: [[W:%.*]] = pfrt.constant dense<{{\[\[\[}}1.{{0*}}e+00], [2.{{0*}}e+00{{\]\]}}, {{\[\[}}3.{{0*}}e+00], [4.{{0*}}e+00{{\]\]\]}}> : tensor<2x2x1xf32>
// CHECK-NEXT: pfrt.conv_transpose %x, [[W]], [[B]] {group = 2 : i64} :

// -----

// Columns of products; a gemm's beta goes into its addend.
func.func @products(%x: tensor<?x1xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = pfrt.constant dense<[[1.0], [3.0]]> : tensor<2x1xf32>
  %v = pfrt.constant dense<[[1.0, 3.0]]> : tensor<1x2xf32>
  %c = pfrt.constant dense<1.0> : tensor<1xf32>
  %zero = pfrt.constant dense<0.0> : tensor<2xf32>
  %one = pfrt.constant dense<1.0> : tensor<2xf32>
  %two = pfrt.constant dense<2.0> : tensor<2xf32>
  %g = pfrt.gemm %x, %w, %c {beta = 5.000000e+00 : f32, trans_b = true} : (tensor<?x1xf32>, tensor<2x1xf32>, tensor<1xf32>) -> tensor<?x2xf32>
  %y = pfrt.batch_normalization %g, %two, %zero, %zero, %one {epsilon = 0.000000e+00 : f32} : (tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %m = pfrt.matmul %x, %v : tensor<?x1xf32>, tensor<1x2xf32> -> tensor<?x2xf32>
  %z = pfrt.batch_normalization %m, %two, %one, %zero, %one {epsilon = 0.000000e+00 : f32} : (tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  func.return %y, %z : tensor<?x2xf32>, tensor<?x2xf32>
}
// CHECK-LABEL: @products
// CHECK-DAG: [[C:%.*]] = pfrt.constant dense<1.{{0*}}e+01> : tensor<2xf32>
// CHECK-DAG: [[W:%.*]] = pfrt.constant dense<{{\[\[}}2.{{0*}}e+00], [6.{{0*}}e+00{{\]\]}}> : tensor<2x1xf32>
// CHECK: pfrt.gemm %x, [[W]], [[C]] {trans_b = true} :
// CHECK: pfrt.matmul %x, {{%.*}} bias {{%.*}} :
// CHECK-NEXT: func.return

// -----

// Constants a channel after a convolution: times 2, minus 1, then taken from 3.
func.func @arithmetic(%x: tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32> {
  %w = pfrt.constant dense<1.0> : tensor<1x1x1x1xf32>
  %a = pfrt.constant dense<2.0> : tensor<1x1x1xf32>
  %b = pfrt.constant dense<1.0> : tensor<f32>
  %c = pfrt.constant dense<3.0> : tensor<1x1x1x1xf32>
  %0 = pfrt.conv %x, %w : (tensor<1x1x2x2xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x2x2xf32>
  %1 = pfrt.mul %a, %0 : (tensor<1x1x1xf32>, tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
  %2 = pfrt.sub %1, %b : (tensor<1x1x2x2xf32>, tensor<f32>) -> tensor<1x1x2x2xf32>
  %3 = pfrt.sub %c, %2 : (tensor<1x1x1x1xf32>, tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
  func.return %3 : tensor<1x1x2x2xf32>
}
// CHECK-LABEL: @arithmetic
// CHECK-DAG: [[B:%.*]] = pfrt.constant dense<4.{{0*}}e+00> : tensor<1xf32>
// CHECK-DAG: [[W:%.*]] = pfrt.constant dense<-2.{{0*}}e+00> : tensor<1x1x1x1xf32>
// CHECK-NEXT: pfrt.conv %x, [[W]], [[B]] :
// CHECK-NEXT: func.return

// -----

// A shift leaves weights alone, which need not be constants then.
func.func @shift(%x: tensor<1x1x2x2xf32>, %w: tensor<1x1x1x1xf32>) -> tensor<1x1x2x2xf32> {
  %b = pfrt.constant dense<1.0> : tensor<1xf32>
  %0 = pfrt.conv %x, %w, %b : (tensor<1x1x2x2xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x2x2xf32>
  %1 = pfrt.add %0, %b : (tensor<1x1x2x2xf32>, tensor<1xf32>) -> tensor<1x1x2x2xf32>
  func.return %1 : tensor<1x1x2x2xf32>
}
// CHECK-LABEL: @shift
// CHECK-NEXT: [[B:%.*]] = pfrt.constant dense<2.{{0*}}e+00> : tensor<1xf32>
// CHECK-NEXT: pfrt.conv %x, %w, [[B]] :

// -----

// Two normalizations are one, of the first one's statistics.
func.func @twice(%x: tensor<?x1x4xf32>, %mean: tensor<1xf32>, %var: tensor<1xf32>) -> tensor<?x1x4xf32> {
  %one = pfrt.constant dense<1.0> : tensor<1xf32>
  %two = pfrt.constant dense<2.0> : tensor<1xf32>
  %0 = pfrt.batch_normalization %x, %two, %one, %mean, %var : (tensor<?x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x1x4xf32>
  %1 = pfrt.batch_normalization %0, %two, %one, %one, %one {epsilon = 0.000000e+00 : f32} : (tensor<?x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<?x1x4xf32>
  func.return %1 : tensor<?x1x4xf32>
}
// CHECK-LABEL: @twice
// CHECK-DAG: [[B:%.*]] = pfrt.constant dense<1.{{0*}}e+00> : tensor<1xf32>
// CHECK-DAG: [[S:%.*]] = pfrt.constant dense<4.{{0*}}e+00> : tensor<1xf32>
// CHECK-NEXT: pfrt.batch_normalization %x, [[S]], [[B]], %mean, %var :
// CHECK-NEXT: func.return

// -----

// Statistics or weights that are not at hand, and weights that would become infinite.
func.func @unknown(%x: tensor<1x1x4xf32>, %s: tensor<1xf32>, %v: tensor<1x1x1xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>) {
  %w = pfrt.constant dense<1.0> : tensor<1x1x1xf32>
  %one = pfrt.constant dense<1.0> : tensor<1xf32>
  %zero = pfrt.constant dense<0.0> : tensor<1xf32>
  %0 = pfrt.conv %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %1 = pfrt.batch_normalization %0, %s, %one, %one, %one : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  %2 = pfrt.conv %x, %v : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %3 = pfrt.batch_normalization %2, %one, %one, %one, %one : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  %4 = pfrt.conv %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %5 = pfrt.batch_normalization %4, %one, %one, %one, %zero {epsilon = 0.000000e+00 : f32} : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  func.return %1, %3, %5 : tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>
}
// CHECK-LABEL: @unknown
// CHECK-COUNT-3: pfrt.batch_normalization

// -----

// Another use of the result; an activation between; rows of a product of three dimensions.
func.func @near(%x: tensor<1x1x4xf32>, %a: tensor<2x1x1xf32>) -> (tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<2x1x1xf32>) {
  %w = pfrt.constant dense<1.0> : tensor<1x1x1xf32>
  %one = pfrt.constant dense<1.0> : tensor<1xf32>
  %0 = pfrt.conv %x, %w : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %1 = pfrt.batch_normalization %0, %one, %one, %one, %one : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  %2 = pfrt.conv %x, %w {activation = #pfrt.activation<"relu">} : (tensor<1x1x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4xf32>
  %3 = pfrt.batch_normalization %2, %one, %one, %one, %one : (tensor<1x1x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4xf32>
  %4 = pfrt.matmul %a, %w : tensor<2x1x1xf32>, tensor<1x1x1xf32> -> tensor<2x1x1xf32>
  %5 = pfrt.batch_normalization %4, %one, %one, %one, %one : (tensor<2x1x1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<2x1x1xf32>
  func.return %0, %1, %3, %5 : tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<1x1x4xf32>, tensor<2x1x1xf32>
}
// CHECK-LABEL: @near
// CHECK-COUNT-3: pfrt.batch_normalization

// -----

// Half precision: rounded weights would be further off. One element a column of an image is no channel.
func.func @narrow(%x: tensor<1x2x2x2xf16>, %v: tensor<1x2x2x2xf32>) -> (tensor<1x2x2x2xf16>, tensor<1x2x2x2xf32>) {
  %w = pfrt.constant dense<1.0> : tensor<2x2x1x1xf16>
  %u = pfrt.constant dense<1.0> : tensor<2x2x1x1xf32>
  %c = pfrt.constant dense<[[[1.0]], [[2.0]]]> : tensor<2x1x1xf16>
  %d = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = pfrt.conv %x, %w : (tensor<1x2x2x2xf16>, tensor<2x2x1x1xf16>) -> tensor<1x2x2x2xf16>
  %1 = pfrt.mul %0, %c : (tensor<1x2x2x2xf16>, tensor<2x1x1xf16>) -> tensor<1x2x2x2xf16>
  %2 = pfrt.conv %v, %u : (tensor<1x2x2x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %3 = pfrt.mul %2, %d : (tensor<1x2x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  func.return %1, %3 : tensor<1x2x2x2xf16>, tensor<1x2x2x2xf32>
}
// CHECK-LABEL: @narrow
// CHECK-COUNT-2: pfrt.mul

// -----

// Of bytes the scale is multiplied, which may be one before.
func.func @bytes(%x: tensor<1x2x2x2xui8>) -> tensor<1x2x2x2xf32> {
  %w = pfrt.constant dense<3> : tensor<2x2x1x1xi8>
  %s = pfrt.constant dense<0.5> : tensor<f32>
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %scale = pfrt.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %mean = pfrt.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %var = pfrt.constant dense<[1.0, 4.0]> : tensor<2xf32>
  %0 = pfrt.conv_integer_to_float %x, %w, %s, %s bias(%c : tensor<2xf32>) : (tensor<1x2x2x2xui8>, tensor<2x2x1x1xi8>, tensor<f32>, tensor<f32>) -> tensor<1x2x2x2xf32>
  %y = pfrt.batch_normalization %0, %scale, %c, %mean, %var {epsilon = 0.0 : f32} : (tensor<1x2x2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  func.return %y : tensor<1x2x2x2xf32>
}
// CHECK-LABEL: @bytes
// CHECK-DAG: [[B:%.*]] = pfrt.constant dense<[1.000000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK-DAG: [[S:%.*]] = pfrt.constant dense<1.000000e+00> : tensor<2xf32>
// CHECK: pfrt.conv_integer_to_float %x, %w, %s, [[S]] bias([[B]] : tensor<2xf32>)
// CHECK-NOT: pfrt.batch_normalization
