// RUN: pfrt-opt %s -p pfrt-fuse-bias --split-input-file | filecheck %s

// Two matrices and a row, in either order: a gemm, named as the sum.
func.func @gemm(%a: tensor<?x4xf32>, %b: tensor<4x8xf32>, %c: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %p = pfrt.matmul %a, %b as "p" : tensor<?x4xf32>, tensor<4x8xf32> -> tensor<?x8xf32>
  %y = pfrt.add %p, %c as "y" : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %q = pfrt.matmul %a, %b : tensor<?x4xf32>, tensor<4x8xf32> -> tensor<?x8xf32>
  %z = pfrt.add %c, %q : (tensor<8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  func.return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}
// CHECK-LABEL: @gemm
// CHECK-NEXT: %y = pfrt.gemm %a, %b, %c as "y" :
// CHECK-NEXT: pfrt.gemm %a, %b, %c :

// -----

// A gemm without addend takes a column; its factors stay.
func.func @addend(%a: tensor<4x2xf32>, %b: tensor<4x8xf32>, %c: tensor<2x1xf32>) -> tensor<2x8xf32> {
  %p = pfrt.gemm %a, %b {alpha = 3.000000e+00 : f32, beta = 2.000000e+00 : f32, trans_a = true} : (tensor<4x2xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
  %y = pfrt.add %p, %c : (tensor<2x8xf32>, tensor<2x1xf32>) -> tensor<2x8xf32>
  func.return %y : tensor<2x8xf32>
}
// CHECK-LABEL: @addend
// CHECK-NEXT: pfrt.gemm %a, %b, %c {alpha = 3.000000e+00 : f32, trans_a = true} :

// -----

// More dimensions: a matmul with a bias; so do half-precision matrices, which gemm would round less.
func.func @matmul(%a: tensor<?x3x4xf32>, %b: tensor<4x8xf32>, %c: tensor<8xf32>, %d: tensor<2x4xf16>, %e: tensor<4x8xf16>, %f: tensor<8xf16>) -> (tensor<?x3x8xf32>, tensor<2x8xf16>) {
  %p = pfrt.matmul %a, %b : tensor<?x3x4xf32>, tensor<4x8xf32> -> tensor<?x3x8xf32>
  %y = pfrt.add %c, %p : (tensor<8xf32>, tensor<?x3x8xf32>) -> tensor<?x3x8xf32>
  %q = pfrt.matmul %d, %e : tensor<2x4xf16>, tensor<4x8xf16> -> tensor<2x8xf16>
  %z = pfrt.add %q, %f : (tensor<2x8xf16>, tensor<8xf16>) -> tensor<2x8xf16>
  func.return %y, %z : tensor<?x3x8xf32>, tensor<2x8xf16>
}
// CHECK-LABEL: @matmul
// CHECK-NEXT: pfrt.matmul %a, %b bias %c :
// CHECK-NEXT: pfrt.matmul %d, %e bias %f :

// -----

// Constants of one element a column, or of one element, become vectors.
func.func @constants(%a: tensor<?x3x4xf32>, %b: tensor<4x2xf32>) -> (tensor<?x3x2xf32>, tensor<?x3x2xf32>) {
  %c = pfrt.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %s = pfrt.constant dense<3.0> : tensor<f32>
  %p = pfrt.matmul %a, %b : tensor<?x3x4xf32>, tensor<4x2xf32> -> tensor<?x3x2xf32>
  %y = pfrt.add %p, %c : (tensor<?x3x2xf32>, tensor<1x2xf32>) -> tensor<?x3x2xf32>
  %q = pfrt.matmul %a, %b : tensor<?x3x4xf32>, tensor<4x2xf32> -> tensor<?x3x2xf32>
  %z = pfrt.add %q, %s : (tensor<?x3x2xf32>, tensor<f32>) -> tensor<?x3x2xf32>
  func.return %y, %z : tensor<?x3x2xf32>, tensor<?x3x2xf32>
}
// CHECK-LABEL: @constants
// CHECK-NEXT: [[C:%.*]] = pfrt.constant dense<[1.{{0*}}e+00, 2.{{0*}}e+00]> : tensor<2xf32>
// CHECK-NEXT: pfrt.matmul %a, %b bias [[C]] :
// CHECK-NEXT: [[S:%.*]] = pfrt.constant dense<3.{{0*}}e+00> : tensor<2xf32>
// CHECK-NEXT: pfrt.matmul %a, %b bias [[S]] :

// -----

// A constant of one element a channel is a convolution's bias, also of a transposed one in groups.
func.func @conv(%x: tensor<?x2x4x4xf32>, %w: tensor<2x2x1x1xf32>, %v: tensor<2x1x1x1xf32>) -> (tensor<?x2x4x4xf32>, tensor<?x2x4x4xf32>) {
  %c = pfrt.constant dense<[[[1.0]], [[2.0]]]> : tensor<2x1x1xf32>
  %p = pfrt.conv %x, %w : (tensor<?x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<?x2x4x4xf32>
  %y = pfrt.add %c, %p : (tensor<2x1x1xf32>, tensor<?x2x4x4xf32>) -> tensor<?x2x4x4xf32>
  %q = pfrt.conv_transpose %x, %v {group = 2 : i64} : (tensor<?x2x4x4xf32>, tensor<2x1x1x1xf32>) -> tensor<?x2x4x4xf32>
  %z = pfrt.add %q, %c : (tensor<?x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<?x2x4x4xf32>
  func.return %y, %z : tensor<?x2x4x4xf32>, tensor<?x2x4x4xf32>
}
// CHECK-LABEL: @conv
// CHECK-NEXT: [[C:%.*]] = pfrt.constant dense<[1.{{0*}}e+00, 2.{{0*}}e+00]> : tensor<2xf32>
// CHECK-NEXT: pfrt.conv %x, %w, [[C]] :
// CHECK-NEXT: [[D:%.*]] = pfrt.constant dense<[1.{{0*}}e+00, 2.{{0*}}e+00]> : tensor<2xf32>
// CHECK-NEXT: pfrt.conv_transpose %x, %v, [[D]] {group = 2 : i64} :

// -----

// The factor of a product that nothing scales yet; a second factor would round otherwise.
func.func @factor(%a: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %s = pfrt.constant dense<0.3> : tensor<1xf32>
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.mul %p, %s : (tensor<2x2xf32>, tensor<1xf32>) -> tensor<2x2xf32>
  %q = pfrt.gemm %a, %a {alpha = 3.000000e-01 : f32} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %z = pfrt.mul %q, %s : (tensor<2x2xf32>, tensor<1xf32>) -> tensor<2x2xf32>
  func.return %y, %z : tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-LABEL: @factor
// CHECK: pfrt.gemm %a, %a {alpha = {{.*}} : f32} :
// CHECK-NEXT: pfrt.gemm
// CHECK-NEXT: pfrt.mul

// -----

// No bias: along the rows of a product of many dimensions, or broadcasting the product, or unknown.
func.func @not_columns(%a: tensor<2x2x2xf32>, %r: tensor<2x1xf32>, %b: tensor<3x2x2x2xf32>, %u: tensor<?xf32>) -> (tensor<2x2x2xf32>, tensor<3x2x2x2xf32>, tensor<2x2x2xf32>) {
  %p = pfrt.matmul %a, %a : tensor<2x2x2xf32>, tensor<2x2x2xf32> -> tensor<2x2x2xf32>
  %0 = pfrt.add %p, %r : (tensor<2x2x2xf32>, tensor<2x1xf32>) -> tensor<2x2x2xf32>
  %q = pfrt.matmul %a, %a : tensor<2x2x2xf32>, tensor<2x2x2xf32> -> tensor<2x2x2xf32>
  %1 = pfrt.add %q, %b : (tensor<2x2x2xf32>, tensor<3x2x2x2xf32>) -> tensor<3x2x2x2xf32>
  %s = pfrt.matmul %a, %a : tensor<2x2x2xf32>, tensor<2x2x2xf32> -> tensor<2x2x2xf32>
  %2 = pfrt.add %s, %u : (tensor<2x2x2xf32>, tensor<?xf32>) -> tensor<2x2x2xf32>
  func.return %0, %1, %2 : tensor<2x2x2xf32>, tensor<3x2x2x2xf32>, tensor<2x2x2xf32>
}
// CHECK-LABEL: @not_columns
// CHECK-COUNT-3: pfrt.add

// -----

// No bias of a convolution: along its width, of more dimensions, no constant, of half precision.
func.func @not_channels(%x: tensor<1x2x2x2xf32>, %w: tensor<2x2x1x1xf32>, %u: tensor<2x1x1xf32>, %h: tensor<1x2x2x2xf16>, %v: tensor<2x2x1x1xf16>) -> (tensor<1x2x2x2xf32>, tensor<1x1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x2x2x2xf16>) {
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %d = pfrt.constant dense<1.0> : tensor<1x1x2x1x1xf32>
  %e = pfrt.constant dense<1.0> : tensor<2x1x1xf16>
  %p = pfrt.conv %x, %w : (tensor<1x2x2x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %0 = pfrt.add %p, %c : (tensor<1x2x2x2xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  %q = pfrt.conv %x, %w : (tensor<1x2x2x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %1 = pfrt.add %q, %d : (tensor<1x2x2x2xf32>, tensor<1x1x2x1x1xf32>) -> tensor<1x1x2x2x2xf32>
  %r = pfrt.conv %x, %w : (tensor<1x2x2x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %2 = pfrt.add %r, %u : (tensor<1x2x2x2xf32>, tensor<2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %s = pfrt.conv %h, %v : (tensor<1x2x2x2xf16>, tensor<2x2x1x1xf16>) -> tensor<1x2x2x2xf16>
  %3 = pfrt.add %s, %e : (tensor<1x2x2x2xf16>, tensor<2x1x1xf16>) -> tensor<1x2x2x2xf16>
  func.return %0, %1, %2, %3 : tensor<1x2x2x2xf32>, tensor<1x1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x2x2x2xf16>
}
// CHECK-LABEL: @not_channels
// CHECK-COUNT-4: pfrt.add
