// RUN: pfrt-opt %s -p pfrt-fuse-residual --split-input-file | filecheck %s

// In either order, with a bias, under the name of the sum.
func.func @orders(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x1x1xf32>, %b: tensor<4xf32>, %r: tensor<1x4x8x8xf32>) -> (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) {
  %c = pfrt.conv %x, %w, %b as "c" : (tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  %y = pfrt.add %c, %r as "y" : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  %d = pfrt.conv %x, %w : (tensor<1x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<1x4x8x8xf32>
  %z = pfrt.add %r, %d : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
  func.return %y, %z : tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>
}
// CHECK-LABEL: @orders
// CHECK-NEXT: %y = pfrt.conv %x, %w, %b plus %r as "y" :
// CHECK-NEXT: pfrt.conv %x, %w plus %r :

// -----

// Products, and the sum of two as older exporters write it.
func.func @products(%a: tensor<2x2xf32>, %r: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.sum %p, %r : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %q = pfrt.gemm %a, %a {alpha = 2.000000e+00 : f32} : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %z = pfrt.add %q, %r : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %y, %z : tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-LABEL: @products
// CHECK-NEXT: pfrt.matmul %a, %a plus %r :
// CHECK-NEXT: pfrt.gemm %a, %a plus %r {alpha = 2.000000e+00 : f32} :

// -----

// Of two products one is the other's residual.
func.func @both(%a: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %p = pfrt.matmul %a, %a as "p" : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %q = pfrt.matmul %a, %a as "q" : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.add %p, %q : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}
// CHECK-LABEL: @both
// CHECK-NEXT: %q = pfrt.matmul %a, %a as "q" :
// CHECK-NEXT: pfrt.matmul %a, %a plus %q :

// -----

// A batch that is not known is the same one on both ways from the input.
func.func @batch(%x: tensor<?x3x8x8xf32>, %w: tensor<3x3x3x3xf32>) -> tensor<?x3x8x8xf32> {
  %r = pfrt.relu %x : tensor<?x3x8x8xf32> -> tensor<?x3x8x8xf32>
  %c = pfrt.conv %r, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<?x3x8x8xf32>, tensor<3x3x3x3xf32>) -> tensor<?x3x8x8xf32>
  %y = pfrt.add %c, %x : (tensor<?x3x8x8xf32>, tensor<?x3x8x8xf32>) -> tensor<?x3x8x8xf32>
  func.return %y : tensor<?x3x8x8xf32>
}
// CHECK-LABEL: @batch
// CHECK: pfrt.conv %r, %w plus %x

// -----

// Of two inputs it may be another one, and then the smaller broadcasts; unless they have one name.
func.func @batches(%x: tensor<?x4xf32> {pfrt.dims = ["N", ""]}, %w: tensor<4x4xf32>, %r: tensor<?x4xf32>, %s: tensor<?x4xf32> {pfrt.dims = ["N", ""]}) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %p = pfrt.matmul %x, %w : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %y = pfrt.add %p, %r : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %q = pfrt.matmul %x, %w : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %z = pfrt.add %q, %s : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}
// CHECK-LABEL: @batches
// CHECK-NEXT: pfrt.matmul %x, %w : tensor
// CHECK-NEXT: pfrt.add
// CHECK-NEXT: pfrt.matmul %x, %w plus %s

// -----

// What broadcasts to the product, or what the product broadcasts to, is no residual.
func.func @broadcast(%a: tensor<2x2xf32>, %r: tensor<1x2xf32>, %s: tensor<3x2x2xf32>) -> (tensor<2x2xf32>, tensor<3x2x2xf32>) {
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.add %p, %r : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x2xf32>
  %q = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %z = pfrt.add %q, %s : (tensor<2x2xf32>, tensor<3x2x2xf32>) -> tensor<3x2x2xf32>
  func.return %y, %z : tensor<2x2xf32>, tensor<3x2x2xf32>
}
// CHECK-LABEL: @broadcast
// CHECK-NOT: plus

// -----

// Another use of the product, twice the product itself, an activation before the sum.
func.func @used(%a: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.add %p, %a : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %q = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %z = pfrt.add %q, %q : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %r = pfrt.matmul %a, %a {activation = #pfrt.activation<"relu">} : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %u = pfrt.add %r, %a : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %p, %y, %z, %u : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-LABEL: @used
// CHECK-NOT: plus
