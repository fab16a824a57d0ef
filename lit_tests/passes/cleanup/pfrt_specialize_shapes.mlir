// RUN: pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="x=2x?" dims="M=5"}' --split-input-file | filecheck %s

// A given shape and a given dimension; a name binds in every input, and is dropped.
func.func @main(%x: tensor<?x?xf32> {pfrt.name = "x", pfrt.dims = ["N", "K"]}, %y: tensor<?x?xf32> {pfrt.name = "y", pfrt.dims = ["N", "M"]}) -> (tensor<?x?xf32> {pfrt.name = "z", pfrt.dims = ["N", "K"]}) {
  %z = pfrt.relu %x : tensor<?x?xf32> -> tensor<?x?xf32>
  func.return %z : tensor<?x?xf32>
}
// CHECK: func.func @main(%x: tensor<2x?xf32> {pfrt.name = "x", pfrt.dims = ["", "K"]}, %y: tensor<2x5xf32> {pfrt.name = "y"}) -> (tensor<2x?xf32> {pfrt.name = "z", pfrt.dims = ["", "K"]})
// CHECK-NEXT: pfrt.relu %x : tensor<2x?xf32> -> tensor<2x?xf32>

// -----

// An input of unknown rank gets the rank of the given shape.
func.func @main(%x: tensor<*xf32> {pfrt.name = "x"}, %y: tensor<?xf32> {pfrt.dims = ["M"]}) -> tensor<*xf32> {
  func.return %x : tensor<*xf32>
}
// CHECK: func.func @main(%x: tensor<2x?xf32> {pfrt.name = "x"}, %y: tensor<5xf32>{{.*}}) -> tensor<2x?xf32>
