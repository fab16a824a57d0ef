// RUN: pfrt-opt %s -p 'pfrt-extract{inputs="/a/h" outputs=y}' | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-extract{outputs=y}' | filecheck %s --check-prefix=WHOLE
// RUN: pfrt-opt %s -p 'pfrt-extract' | filecheck %s --check-prefix=OWN

// Values become arguments and results; the constant that is used stays, what lies outside goes.
func.func @main(%x: tensor<?xf32> {pfrt.name = "x", pfrt.dims = ["N"]}, %u: tensor<f32> {pfrt.name = "u"}) -> (tensor<?xf32> {pfrt.name = "z"}, tensor<f32> {pfrt.name = "v"}) {
  %c = pfrt.constant dense<2.0> : tensor<1xf32>
  %d = pfrt.constant dense<3.0> : tensor<1xf32>
  %h = pfrt.mul %x, %d as "/a/h" : (tensor<?xf32>, tensor<1xf32>) -> tensor<?xf32>
  %y = pfrt.mul %h, %c as "y" : (tensor<?xf32>, tensor<1xf32>) -> tensor<?xf32>
  %z = pfrt.relu %y as "z" : tensor<?xf32> -> tensor<?xf32>
  %v = pfrt.relu %u as "v" : tensor<f32> -> tensor<f32>
  func.return %z, %v : tensor<?xf32>, tensor<f32>
}
// CHECK: func.func @main(%h: tensor<?xf32> {pfrt.name = "/a/h"}) -> (tensor<?xf32> {pfrt.name = "y"}) {
// CHECK-NEXT: %c = pfrt.constant dense<2.000000e+00>
// CHECK-NEXT: %y = pfrt.mul %h, %c as "y"
// CHECK-NEXT: func.return %y

// Without inputs: those of the model that are needed, with what is known of them.
// WHOLE: func.func @main(%x: tensor<?xf32> {pfrt.name = "x", pfrt.dims = ["N"]}) -> (tensor<?xf32> {pfrt.name = "y"}) {
// WHOLE-NOT: relu
// WHOLE: func.return %y

// Without either the model is what it was.
// OWN: @main(%x: {{.*}}, %u: {{.*}}) -> (tensor<?xf32> {pfrt.name = "z"}, tensor<f32> {pfrt.name = "v"})
// OWN: func.return %z, %v
