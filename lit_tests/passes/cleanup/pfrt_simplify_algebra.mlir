// RUN: pfrt-opt %s -p pfrt-simplify-algebra --split-input-file | filecheck %s

// x + 0.0 turns -0.0 into 0.0, so it stays; x + -0.0 and x - 0.0 change nothing.
func.func @zeros(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %z = pfrt.constant dense<0.0> : tensor<f32>
  %m = pfrt.constant dense<-0.0> : tensor<f32>
  %a = pfrt.add %x, %z : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = pfrt.add %x, %m : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = pfrt.sub %x, %z : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %d = pfrt.sub %x, %m : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %a, %b, %c, %d : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @zeros
// CHECK: %a = pfrt.add %x, %z
// CHECK-NEXT: %d = pfrt.sub %x, %m
// CHECK-NEXT: func.return %a, %x, %x, %d

// -----

// What is never -0.0 can do without + 0.0; integers always.
func.func @never(%x: tensor<4xf32>, %n: tensor<4xi64>) -> (tensor<4xf32>, tensor<4xi64>) {
  %z = pfrt.constant dense<0.0> : tensor<f32>
  %i = pfrt.constant dense<0> : tensor<i64>
  %e = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %a = pfrt.add %e, %z : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = pfrt.add %n, %i : (tensor<4xi64>, tensor<i64>) -> tensor<4xi64>
  func.return %a, %b : tensor<4xf32>, tensor<4xi64>
}
// CHECK-LABEL: @never
// CHECK: func.return %e, %n

// -----

// A constant that makes the result larger is more than a factor of 1; so it may be in an unknown dimension.
func.func @grows(%x: tensor<1xf32>, %y: tensor<?xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %o = pfrt.constant dense<1.0> : tensor<4xf32>
  %a = pfrt.mul %x, %o : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = pfrt.mul %y, %o : (tensor<?xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %a, %b : tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @grows
// CHECK: pfrt.mul %x
// CHECK-NEXT: pfrt.mul %y

// -----

// Division by a power of two is a multiplication; not by three, and not if the inverse overflows.
func.func @divide(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %eight = pfrt.constant dense<8.0> : tensor<f32>
  %three = pfrt.constant dense<3.0> : tensor<f32>
  %tiny = pfrt.constant dense<1.401298464324817e-45> : tensor<f32>
  %a = pfrt.div %x, %eight : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = pfrt.div %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = pfrt.div %x, %tiny : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @divide
// CHECK: %[[C:.*]] = pfrt.constant dense<1.250000e-01>
// CHECK-NEXT: pfrt.mul %x, %[[C]]
// CHECK-NEXT: pfrt.div %x, %three
// CHECK-NEXT: pfrt.div %x, %tiny

// -----

// A square is a product; the root of what may be -0.0 or -inf stays a power.
func.func @power(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %two = pfrt.constant dense<2.0> : tensor<f32>
  %half = pfrt.constant dense<0.5> : tensor<f32>
  %eps = pfrt.constant dense<9.999999e-06> : tensor<f32>
  %a = pfrt.pow %x, %two : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %v = pfrt.add %a, %eps : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = pfrt.pow %v, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = pfrt.pow %x, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @power
// CHECK: %a = pfrt.mul %x, %x
// CHECK: %b = pfrt.sqrt %v
// CHECK-NEXT: %c = pfrt.pow %x, %half

// -----

// Signs are carried by subtraction and constants.
func.func @signs(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %three = pfrt.constant dense<3.0> : tensor<f32>
  %n = pfrt.neg %y : tensor<4xf32> -> tensor<4xf32>
  %a = pfrt.add %x, %n : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = pfrt.sub %x, %n : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %c = pfrt.mul %n, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @signs
// CHECK: pfrt.sub %x, %y
// CHECK-NEXT: pfrt.add %x, %y
// CHECK: %[[C:.*]] = pfrt.constant dense<-3.0{{.*}}>
// CHECK-NEXT: pfrt.mul %y, %[[C]]

// -----

// Constants of integers are merged, which wrap; those of floats are not, which round.
func.func @merge(%n: tensor<4xi8>, %x: tensor<4xf32>) -> (tensor<4xi8>, tensor<4xf32>) {
  %c = pfrt.constant dense<100> : tensor<i8>
  %d = pfrt.constant dense<0.1> : tensor<f32>
  %a = pfrt.add %n, %c : (tensor<4xi8>, tensor<i8>) -> tensor<4xi8>
  %b = pfrt.add %a, %c : (tensor<4xi8>, tensor<i8>) -> tensor<4xi8>
  %e = pfrt.add %x, %d : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %f = pfrt.add %e, %d : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  func.return %b, %f : tensor<4xi8>, tensor<4xf32>
}
// CHECK-LABEL: @merge
// CHECK: %[[C:.*]] = pfrt.constant dense<-56> : tensor<i8>
// CHECK-NEXT: pfrt.add %n, %[[C]]
// CHECK-NEXT: %e = pfrt.add
// CHECK-NEXT: pfrt.add %e, %d

// -----

// Clips of clips are one, relu among them, unless a lower bound exceeds its upper one.
func.func @clips(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = pfrt.clip %x {min = -1.0 : f32, max = 8.0 : f32} : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.relu %a : tensor<4xf32> -> tensor<4xf32>
  %c = pfrt.clip %b {max = 6.0 : f32} : tensor<4xf32> -> tensor<4xf32>
  %d = pfrt.relu %c : tensor<4xf32> -> tensor<4xf32>
  %e = pfrt.clip %a {min = 3.0 : f32, max = 2.0 : f32} : tensor<4xf32> -> tensor<4xf32>
  func.return %c, %d, %e : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @clips
// CHECK: %c = pfrt.clip %x {min = 0.0{{.*}}, max = 6.0{{.*}}}
// CHECK-NEXT: %e = pfrt.clip %a
// CHECK-NEXT: func.return %c, %c, %e

// -----

// Choices that are known, or of one thing; a negated condition changes sides.
func.func @where(%c: tensor<4xi1>, %x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %t = pfrt.constant dense<true> : tensor<i1>
  %n = pfrt.not %c : tensor<4xi1> -> tensor<4xi1>
  %a = pfrt.where %t, %x, %y : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %b = pfrt.where %c, %x, %x : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %d = pfrt.where %n, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %a, %b, %d : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @where
// CHECK: %d = pfrt.where %c, %y, %x
// CHECK-NEXT: func.return %x, %x, %d

// -----

// Operands given twice, functions applied twice, and what is never negative.
func.func @twice(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = pfrt.max %x, %x, %y : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %f = pfrt.floor %x : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.floor %f : tensor<4xf32> -> tensor<4xf32>
  %s = pfrt.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
  %r = pfrt.relu %s : tensor<4xf32> -> tensor<4xf32>
  func.return %a, %b, %r : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @twice
// CHECK: pfrt.max %x, %y :
// CHECK: func.return %a, %f, %s

// -----

// A recurrent network starts from zero anyway.
func.func @state(%x: tensor<?x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>, %n: tensor<3xi64>) -> tensor<?x1x2x4xf32> {
  %zeros = pfrt.constant_of_shape %n : (tensor<3xi64>) -> tensor<?x?x?xf32>
  %h = pfrt.slice %zeros {starts = array<i64: 0>, ends = array<i64: 1>, axes = array<i64: 0>} : tensor<?x?x?xf32> -> tensor<?x?x?xf32>
  %y, %yh, %yc = pfrt.lstm %x, %w, %r initial_h(%h : tensor<?x?x?xf32>) initial_c(%h : tensor<?x?x?xf32>) : tensor<?x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<?x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return %y : tensor<?x1x2x4xf32>
}
// CHECK-LABEL: @state
// CHECK: pfrt.lstm %x, %w, %r :

// -----

// Where bounds of 0.0 and -0.0 meet, and where one stands between equal operands, order decides.
func.func @zeros(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = pfrt.clip %x {min = -0.0 : f32, max = 1.0 : f32} : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.relu %a : tensor<4xf32> -> tensor<4xf32>
  %m = pfrt.min %x, %y, %x : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %b, %m : tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @zeros
// CHECK: %b = pfrt.relu %a
// CHECK-NEXT: pfrt.min %x, %y, %x
