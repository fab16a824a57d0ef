// RUN: pfrt-opt %s -p 'pfrt-simplify-shapes{trust-names=false}' | filecheck %s

// Unless names are trusted, two dimensions of one name may differ.
func.func @names(%x: tensor<?x4xf32> {pfrt.dims = ["N", ""]}, %z: tensor<?xf32> {pfrt.dims = ["N"]}) -> tensor<?x?x?xf32> {
  %two = pfrt.constant dense<2> : tensor<1xi64>
  %n = pfrt.shape %z : tensor<?xf32> -> tensor<1xi64>
  %k = pfrt.shape %x {start = 1 : i64} : tensor<?x4xf32> -> tensor<1xi64>
  %v = pfrt.concat %n, %n, %two {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %y = pfrt.reshape %x, %v : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
  func.return %y : tensor<?x?x?xf32>
}
// CHECK-LABEL: @names
// CHECK: pfrt.reshape %x, %v
