// RUN: pfrt-opt %s -p pfrt-fuse-elementwise --explain 2>&1 | filecheck %s

// A result that is used elsewhere, and nothing that would stay inside.
func.func @both_leave(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %e = pfrt.exp %a as "e" : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.tanh %e as "y" : tensor<4xf32> -> tensor<4xf32>
  func.return %e, %y : tensor<4xf32>, tensor<4xf32>
}
// CHECK: pfrt.exp "e" stays as it is, because it is not only used by pfrt.tanh "y", and nothing stays inside

// Rows of which nothing says that they are as many.
func.func @unknown(%a: tensor<?x4xf32>, %b: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %t = pfrt.tanh %a as "t" : tensor<?x4xf32> -> tensor<?x4xf32>
  %y = pfrt.add %t, %b as "y" : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}
// CHECK: pfrt.tanh "t" stays as it is, because its shape is not known to broadcast to that of pfrt.add "y"
