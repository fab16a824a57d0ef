// RUN: pfrt-opt %s -p 'pfrt-extract{inputs=c,x,"/a/h" outputs=y,"/a/h"}' | filecheck %s

// A region reads values around it; of an op with two results one is given, one still computed; what
// is given can be a result.
func.func @main(%x: tensor<4xf32> {pfrt.name = "x"}, %c: tensor<i1> {pfrt.name = "c"}) -> (tensor<2xf32> {pfrt.name = "y"}) {
  %h, %g = pfrt.split %x as "/a/h", "g" {num_outputs = 2 : i64} : (tensor<4xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  %y = pfrt.if %c -> (tensor<2xf32>) as "y" {
    %t = pfrt.add %h, %g : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    pfrt.yield %t : tensor<2xf32>
  } else {
    pfrt.yield %h : tensor<2xf32>
  } : tensor<i1>
  func.return %y : tensor<2xf32>
}
// CHECK: func.func @main(%c: tensor<i1> {pfrt.name = "c"}, %x: tensor<4xf32> {pfrt.name = "x"}, %h: tensor<2xf32> {pfrt.name = "/a/h"}) -> (tensor<2xf32> {pfrt.name = "y"}, tensor<2xf32> {pfrt.name = "/a/h"})
// CHECK-NEXT: %{{.*}}, %g = pfrt.split %x
// CHECK: pfrt.add %h, %g
// CHECK: pfrt.yield %h
// CHECK: func.return %y, %h
