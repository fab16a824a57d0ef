// RUN: pfrt-opt %s -p 'pfrt-fold-constants{max-bytes=64 exclude="keep"}' --split-input-file | filecheck %s

// A chain of constants becomes one, with the name of the last; what nothing uses is removed.
func.func @chain() -> tensor<2xf32> {
  %c = pfrt.constant dense<[-1.0, 2.0]> as "c" : tensor<2xf32>
  %d = pfrt.constant dense<[5.0, 6.0]> : tensor<2xf32>
  %a = pfrt.relu %c as "a" : tensor<2xf32> -> tensor<2xf32>
  %b = pfrt.neg %a as "b" : tensor<2xf32> -> tensor<2xf32>
  func.return %b : tensor<2xf32>
}
// CHECK-LABEL: @chain
// CHECK-NEXT: %b = pfrt.constant dense<[{{-?}}0.0{{.*}}, -2.0{{.*}}]> as "b" : tensor<2xf32>
// CHECK-NEXT: func.return %b

// -----

// The shape of a static tensor is known, and so is what is reshaped to it.
func.func @shape(%x: tensor<2x3xf32>, %y: tensor<6xf32>) -> tensor<?x?xf32> {
  %s = pfrt.shape %x : tensor<2x3xf32> -> tensor<2xi64>
  %r = pfrt.reshape %y, %s : (tensor<6xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  %z = pfrt.relu %r : tensor<?x?xf32> -> tensor<?x?xf32>
  func.return %z : tensor<?x?xf32>
}
// CHECK-LABEL: @shape
// CHECK-SAME: -> tensor<2x3xf32>
// CHECK-NEXT: pfrt.reshape %y {shape = array<i64: 2, 3>} : (tensor<6xf32>) -> tensor<2x3xf32>
// CHECK-NEXT: pfrt.relu %r : tensor<2x3xf32> -> tensor<2x3xf32>

// -----

// A result within the limit is folded, one over it and over its operands is not.
func.func @limit() -> (tensor<8x2xf32>, tensor<17x2xf32>) {
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %a = pfrt.expand %c {shape = array<i64: 8, 2>} : (tensor<2xf32>) -> tensor<8x2xf32>
  %b = pfrt.expand %c {shape = array<i64: 17, 2>} : (tensor<2xf32>) -> tensor<17x2xf32>
  func.return %a, %b : tensor<8x2xf32>, tensor<17x2xf32>
}
// CHECK-LABEL: @limit
// CHECK: pfrt.constant dense<{{.*}}> : tensor<8x2xf32>
// CHECK-NEXT: pfrt.expand

// -----

// A fill is one element, however large its result.
func.func @fill() -> tensor<17xf32> {
  %b = pfrt.constant_of_shape {shape = array<i64: 17>} : () -> tensor<17xf32>
  func.return %b : tensor<17xf32>
}
// CHECK-LABEL: @fill
// CHECK-NEXT: pfrt.constant dense<0.0{{.*}}> : tensor<17xf32>

// -----

// Excluded names stay.
func.func @exclude() -> tensor<2xf32> {
  %c = pfrt.constant dense<[-1.0, 2.0]> : tensor<2xf32>
  %a = pfrt.relu %c as "keep" : tensor<2xf32> -> tensor<2xf32>
  func.return %a : tensor<2xf32>
}
// CHECK-LABEL: @exclude
// CHECK-NEXT: pfrt.constant
// CHECK-NEXT: pfrt.relu

// -----

// A weight whose values are not at hand stays a weight, and so does what is computed from it.
func.func @absent() -> tensor<2xf32> {
  %c = pfrt.constant #pfrt.weight<"00"> : tensor<2xf32>
  %a = pfrt.relu %c : tensor<2xf32> -> tensor<2xf32>
  func.return %a : tensor<2xf32>
}
// CHECK-LABEL: @absent
// CHECK-NEXT: pfrt.constant #pfrt.weight<"00">
// CHECK-NEXT: pfrt.relu

// -----

// Regions are folded inside, control flow itself is not.
func.func @regions(%c: tensor<i1>, %x: tensor<2xf32>) -> tensor<2xf32> {
  %k = pfrt.constant dense<[-1.0, 2.0]> : tensor<2xf32>
  %y = pfrt.if %c -> (tensor<2xf32>) {
    %a = pfrt.neg %k : tensor<2xf32> -> tensor<2xf32>
    pfrt.yield %a : tensor<2xf32>
  } else {
    pfrt.yield %x : tensor<2xf32>
  } : tensor<i1>
  func.return %y : tensor<2xf32>
}
// CHECK-LABEL: @regions
// CHECK-NEXT: pfrt.if
// CHECK-NEXT: pfrt.constant dense<[1.0{{.*}}, -2.0{{.*}}]>

// -----

// Inside a loop the shape of a value that grows is not known.
func.func @grows(%m: tensor<i64>, %x: tensor<1xf32>) -> tensor<?xf32> {
  %r = pfrt.loop trip(%m) carry(%x) -> (tensor<?xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?xf32>):
    %n = pfrt.size %v : tensor<?xf32> -> tensor<i64>
    %f = pfrt.cast %n {to = f32} : tensor<i64> -> tensor<f32>
    %w = pfrt.concat %v, %v {axis = 0 : i64} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    %z = pfrt.add %w, %f : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
    pfrt.yield %go, %z : tensor<i1>, tensor<?xf32>
  } : trip tensor<i64> carry(tensor<1xf32>)
  func.return %r : tensor<?xf32>
}
// CHECK-LABEL: @grows
// CHECK: pfrt.size %v : tensor<?xf32> -> tensor<i64>
