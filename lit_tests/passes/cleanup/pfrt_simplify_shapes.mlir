// RUN: pfrt-opt %s -p pfrt-simplify-shapes --split-input-file | filecheck %s

// What exporters write for x.reshape(x.shape[0], -1) comes to one op.
func.func @batch(%x: tensor<?x8x24xf32>) -> tensor<?x?xf32> {
  %zero = pfrt.constant dense<0> : tensor<i64>
  %rest = pfrt.constant dense<-1> : tensor<1xi64>
  %s = pfrt.shape %x : tensor<?x8x24xf32> -> tensor<3xi64>
  %n = pfrt.gather %s, %zero : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  %u = pfrt.unsqueeze %n {axes = array<i64: 0>} : (tensor<i64>) -> tensor<1xi64>
  %v = pfrt.concat %u, %rest {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>) -> tensor<2xi64>
  %y = pfrt.reshape %x, %v as "y" : (tensor<?x8x24xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  func.return %y : tensor<?x?xf32>
}
// CHECK-LABEL: @batch
// CHECK-SAME: -> tensor<?x192xf32>
// CHECK-NEXT: pfrt.reshape %x as "y" {shape = array<i64: 0, -1>} : (tensor<?x8x24xf32>) -> tensor<?x192xf32>

// -----

// Heads: sizes are divided, and read from another value whose dimensions are the same.
func.func @heads(%x: tensor<?x?x24xf32>) -> tensor<?x?x?x?xf32> {
  %three = pfrt.constant dense<3> : tensor<1xi64>
  %r = pfrt.relu %x : tensor<?x?x24xf32> -> tensor<?x?x24xf32>
  %s = pfrt.shape %r : tensor<?x?x24xf32> -> tensor<3xi64>
  %bs = pfrt.slice %s {starts = array<i64: 0>, ends = array<i64: 2>} : tensor<3xi64> -> tensor<2xi64>
  %c = pfrt.slice %s {starts = array<i64: 2>, ends = array<i64: 3>} : tensor<3xi64> -> tensor<1xi64>
  %d = pfrt.div %c, %three : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  %v = pfrt.concat %bs, %three, %d {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %y = pfrt.reshape %x, %v : (tensor<?x?x24xf32>, tensor<4xi64>) -> tensor<?x?x?x?xf32>
  func.return %y : tensor<?x?x?x?xf32>
}
// CHECK-LABEL: @heads
// CHECK-NEXT: pfrt.reshape %x {shape = array<i64: 0, 0, 3, 8>} : (tensor<?x?x24xf32>) -> tensor<?x?x3x8xf32>

// -----

// Dimensions of one name are of one size: that of %z is that of %x.
func.func @names(%x: tensor<?x4xf32> {pfrt.dims = ["N", ""]}, %z: tensor<?xf32> {pfrt.dims = ["N"]}) -> tensor<?x?x?xf32> {
  %two = pfrt.constant dense<2> : tensor<1xi64>
  %n = pfrt.shape %z : tensor<?xf32> -> tensor<1xi64>
  %v = pfrt.concat %n, %two, %two {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %y = pfrt.reshape %x, %v : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  func.return %y : tensor<?x?x?xf32>
}
// CHECK-LABEL: @names
// CHECK-NEXT: pfrt.reshape %x {shape = array<i64: 0, 2, 2>}

// -----

// Two sizes that are neither numbers nor in their places stay operands, read where they appear.
func.func @forced(%x: tensor<?x?x24xf32>) -> tensor<?x?x24xf32> {
  %one = pfrt.constant dense<1> : tensor<i64>
  %zero = pfrt.constant dense<0> : tensor<i64>
  %c = pfrt.constant dense<24> : tensor<1xi64>
  %r = pfrt.relu %x : tensor<?x?x24xf32> -> tensor<?x?x24xf32>
  %s = pfrt.shape %r : tensor<?x?x24xf32> -> tensor<3xi64>
  %b = pfrt.gather %s, %zero : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  %t = pfrt.gather %s, %one : (tensor<3xi64>, tensor<i64>) -> tensor<i64>
  %ub = pfrt.unsqueeze %b {axes = array<i64: 0>} : (tensor<i64>) -> tensor<1xi64>
  %ut = pfrt.unsqueeze %t {axes = array<i64: 0>} : (tensor<i64>) -> tensor<1xi64>
  %v = pfrt.concat %ut, %ub, %c {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %y = pfrt.reshape %r, %v : (tensor<?x?x24xf32>, tensor<3xi64>) -> tensor<?x?x24xf32>
  func.return %y : tensor<?x?x24xf32>
}
// CHECK-LABEL: @forced
// CHECK-DAG: pfrt.shape %x {start = 1 : i64, end = 2 : i64}
// CHECK-DAG: pfrt.shape %x {end = 1 : i64}
// CHECK: pfrt.concat
// CHECK-NEXT: pfrt.reshape %r, %v

// -----

// A -1 beside a copied dimension, which may be 0, needs the counts to agree.
func.func @unproven(%x: tensor<?x6xf32>, %n: tensor<?xf32>) -> tensor<?x?x?xf32> {
  %two = pfrt.constant dense<2> : tensor<1xi64>
  %b = pfrt.shape %x {end = 1 : i64} : tensor<?x6xf32> -> tensor<1xi64>
  %m = pfrt.shape %n : tensor<?xf32> -> tensor<1xi64>
  %v = pfrt.concat %b, %m, %two {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %y = pfrt.reshape %x, %v : (tensor<?x6xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  func.return %y : tensor<?x?x?xf32>
}
// CHECK-LABEL: @unproven
// CHECK: pfrt.reshape %x, %v

// -----

// torch's expand(-1, …) computes with what it does not change; an expansion to x's own shape goes.
func.func @expand(%x: tensor<?x1x24xf32>) -> tensor<?x?x?xf32> {
  %minus = pfrt.constant dense<-1> : tensor<3xi64>
  %ones = pfrt.constant dense<1> : tensor<3xi64>
  %rest = pfrt.constant dense<-1> : tensor<2xi64>
  %b = pfrt.shape %x {end = 1 : i64} : tensor<?x1x24xf32> -> tensor<1xi64>
  %v = pfrt.concat %b, %rest {axis = 0 : i64} : (tensor<1xi64>, tensor<2xi64>) -> tensor<3xi64>
  %e = pfrt.equal %v, %minus : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi1>
  %w = pfrt.where %e, %ones, %v : (tensor<3xi1>, tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>
  %y = pfrt.expand %x, %w : (tensor<?x1x24xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  func.return %y : tensor<?x?x?xf32>
}
// CHECK-LABEL: @expand
// CHECK-NEXT: func.return %x : tensor<?x1x24xf32>

// -----

// A slice up to the size that a dimension has goes; one whose end may be less stays.
func.func @slice(%x: tensor<?x4xf32>, %n: tensor<?xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %b = pfrt.shape %x {end = 1 : i64} : tensor<?x4xf32> -> tensor<1xi64>
  %m = pfrt.shape %n : tensor<?xf32> -> tensor<1xi64>
  %y = pfrt.slice %x ends(%b : tensor<1xi64>) {starts = array<i64: 0>, axes = array<i64: 0>} : tensor<?x4xf32> -> tensor<?x4xf32>
  %z = pfrt.slice %x ends(%m : tensor<1xi64>) {starts = array<i64: 0>, axes = array<i64: 0>} : tensor<?x4xf32> -> tensor<?x4xf32>
  func.return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}
// CHECK-LABEL: @slice
// CHECK: %z = pfrt.slice %x ends
// CHECK-NEXT: func.return %x, %z

// -----

// min(s, 40) broadcasts with s to s: the positions of BERT take nothing away from its sequence.
func.func @capped(%p: tensor<40x8xf32>, %x: tensor<?x8xf32>) -> tensor<?x?x?xf32> {
  %s = pfrt.shape %x {end = 1 : i64} : tensor<?x8xf32> -> tensor<1xi64>
  %two = pfrt.constant dense<2> : tensor<1xi64>
  %four = pfrt.constant dense<4> : tensor<1xi64>
  %q = pfrt.slice %p ends(%s : tensor<1xi64>) {starts = array<i64: 0>, axes = array<i64: 0>} : tensor<40x8xf32> -> tensor<?x8xf32>
  %a = pfrt.add %x, %q : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %v = pfrt.concat %s, %two, %four {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %y = pfrt.reshape %a, %v : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  func.return %y : tensor<?x?x?xf32>
}
// CHECK-LABEL: @capped
// CHECK: pfrt.reshape %a {shape = array<i64: 0, 2, 4>}

// -----

// In a branch sizes from around it are known; those found inside stay inside.
func.func @branches(%c: tensor<i1>, %x: tensor<?x4xf32>) -> tensor<?x?xf32> {
  %y = pfrt.if %c -> (tensor<?x?xf32>) {
    %s = pfrt.shape %x : tensor<?x4xf32> -> tensor<2xi64>
    %r = pfrt.reshape %x, %s : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<?x?xf32>
    pfrt.yield %r : tensor<?x?xf32>
  } else {
    %n = pfrt.neg %x : tensor<?x4xf32> -> tensor<?x4xf32>
    pfrt.yield %n : tensor<?x4xf32>
  } : tensor<i1>
  func.return %y : tensor<?x?xf32>
}
// CHECK-LABEL: @branches
// CHECK-NOT: pfrt.reshape
// CHECK: pfrt.yield %x

// -----

// A sum of opaque integers may wrap: n < n + 1 is not taken for true.
func.func @wraps(%n: tensor<i64>) -> tensor<i1> {
  %one = pfrt.constant dense<1> : tensor<i64>
  %k = pfrt.neg %n : tensor<i64> -> tensor<i64>
  %m = pfrt.add %k, %one : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %y = pfrt.less %k, %m : (tensor<i64>, tensor<i64>) -> tensor<i1>
  func.return %y : tensor<i1>
}
// CHECK-LABEL: @wraps
// CHECK: pfrt.less

// -----

// Bounds that nobody knows leave every dimension open that they may cut.
func.func @open(%x: tensor<20x5xf32>, %s: tensor<2xi64>, %e: tensor<2xi64>) -> tensor<?x?xf32> {
  %y = pfrt.slice %x starts(%s : tensor<2xi64>) ends(%e : tensor<2xi64>) : tensor<20x5xf32> -> tensor<?x?xf32>
  func.return %y : tensor<?x?xf32>
}
// CHECK-LABEL: @open
// CHECK-NEXT: pfrt.slice {{.*}} -> tensor<?x?xf32>
