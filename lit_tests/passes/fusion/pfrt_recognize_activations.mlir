// RUN: pfrt-opt %s -p pfrt-recognize-activations,pfrt-canonicalize --split-input-file | filecheck %s

// Gelu as TorchScript exports it; the result keeps the name of the last op.
func.func @gelu(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %root = pfrt.constant dense<1.41421354> : tensor<f32>
  %one = pfrt.constant dense<1.0> : tensor<f32>
  %half = pfrt.constant dense<0.5> : tensor<f32>
  %d = pfrt.div %x, %root : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %e = pfrt.erf %d : tensor<?x8xf32> -> tensor<?x8xf32>
  %a = pfrt.add %e, %one : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  %m = pfrt.mul %x, %a : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = pfrt.mul %m, %half as "y" : (tensor<?x8xf32>, tensor<f32>) -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}
// CHECK-LABEL: @gelu
// CHECK-NEXT: %y = pfrt.gelu %x as "y"
// CHECK-NEXT: func.return

// -----

// Operands in the other order, constants that are vectors of one number, halves first.
func.func @gelu_by_tanh(%x: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %three = pfrt.constant dense<3.0> : tensor<f32>
  %cubic = pfrt.constant dense<0.044715> : tensor<2xf32>
  %root = pfrt.constant dense<0.7978845608> : tensor<1x1xf32>
  %one = pfrt.constant dense<1.0> : tensor<f32>
  %half = pfrt.constant dense<0.5> : tensor<f32>
  %h = pfrt.mul %half, %x : (tensor<f32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %p = pfrt.pow %x, %three : (tensor<2x2xf32>, tensor<f32>) -> tensor<2x2xf32>
  %c = pfrt.mul %cubic, %p : (tensor<2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %s = pfrt.add %c, %x : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %i = pfrt.mul %root, %s : (tensor<1x1xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %t = pfrt.tanh %i : tensor<2x2xf32> -> tensor<2x2xf32>
  %a = pfrt.add %one, %t : (tensor<f32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = pfrt.mul %a, %h : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}
// CHECK-LABEL: @gelu_by_tanh
// CHECK-NEXT: pfrt.gelu %x {approximate = "tanh"}
// CHECK-NEXT: func.return

// -----

// A value inside that is also a result blocks the match.
func.func @used_outside(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %s = pfrt.sigmoid %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.mul %s, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y, %s : tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @used_outside
// CHECK: pfrt.mul

// -----

// A constant that would give the result more dimensions is no number.
func.func @more_dimensions(%x: tensor<4xf32>) -> tensor<1x4xf32> {
  %six = pfrt.constant dense<6.0> : tensor<1x1xf32>
  %h = pfrt.hard_swish %x : tensor<4xf32> -> tensor<4xf32>
  %three = pfrt.constant dense<3.0> : tensor<f32>
  %a = pfrt.add %h, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = pfrt.clip %a {min = 0.0 : f32, max = 6.0 : f32} : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.div %c, %six : (tensor<4xf32>, tensor<1x1xf32>) -> tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}
// CHECK-LABEL: @more_dimensions
// CHECK: pfrt.div

// -----

// What is recognised may be part of what is recognised next: softplus, then mish.
func.func @mish(%x: tensor<?xf32>) -> tensor<?xf32> {
  %one = pfrt.constant dense<1.0> : tensor<f32>
  %e = pfrt.exp %x : tensor<?xf32> -> tensor<?xf32>
  %a = pfrt.add %e, %one : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %l = pfrt.log %a : tensor<?xf32> -> tensor<?xf32>
  %t = pfrt.tanh %l : tensor<?xf32> -> tensor<?xf32>
  %y = pfrt.mul %x, %t : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  func.return %y : tensor<?xf32>
}
// CHECK-LABEL: @mish
// CHECK-NEXT: pfrt.mish %x
// CHECK-NEXT: func.return

// -----

// HardSwish by a clip, and a factor in the sigmoid of a swish.
func.func @hard_swish(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %three = pfrt.constant dense<3.0> : tensor<f32>
  %six = pfrt.constant dense<6.0> : tensor<f32>
  %factor = pfrt.constant dense<1.702> : tensor<f32>
  %a = pfrt.add %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %c = pfrt.clip %a {min = 0.0 : f32, max = 6.0 : f32} : tensor<4xf32> -> tensor<4xf32>
  %d = pfrt.div %c, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %y = pfrt.mul %x, %d : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %f = pfrt.mul %x, %factor : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %s = pfrt.sigmoid %f : tensor<4xf32> -> tensor<4xf32>
  %z = pfrt.mul %x, %s : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @hard_swish
// CHECK-NEXT: pfrt.hard_swish %x
// CHECK-NEXT: pfrt.swish %x {alpha = 1.702{{0*}}e+00 : f32}
// CHECK-NEXT: func.return

// -----

// A number next to 1 is not 1, and in f64 an f32 is not one sixth.
func.func @nearly(%x: tensor<4xf32>, %z: tensor<4xf64>) -> (tensor<4xf32>, tensor<4xf64>, tensor<4xf64>) {
  %one = pfrt.constant dense<1.0000009> : tensor<f32>
  %e = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %p = pfrt.add %e, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %s = pfrt.log %p : tensor<4xf32> -> tensor<4xf32>
  %h = pfrt.hard_sigmoid %z {alpha = 0.166666672 : f32} : tensor<4xf64> -> tensor<4xf64>
  %m = pfrt.mul %h, %z : (tensor<4xf64>, tensor<4xf64>) -> tensor<4xf64>
  %three = pfrt.constant dense<3.0> : tensor<f64>
  %six = pfrt.constant dense<6.0> : tensor<f64>
  %a = pfrt.add %z, %three : (tensor<4xf64>, tensor<f64>) -> tensor<4xf64>
  %c = pfrt.clip %a {min = 0.0 : f32, max = 6.0 : f32} : tensor<4xf64> -> tensor<4xf64>
  %d = pfrt.div %c, %six : (tensor<4xf64>, tensor<f64>) -> tensor<4xf64>
  func.return %s, %m, %d : tensor<4xf32>, tensor<4xf64>, tensor<4xf64>
}
// CHECK-LABEL: @nearly
// CHECK: pfrt.log
// CHECK: pfrt.mul
// CHECK: pfrt.div
