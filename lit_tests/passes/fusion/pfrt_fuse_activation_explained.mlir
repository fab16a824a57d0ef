// RUN: pfrt-opt %s -p pfrt-fuse-activation --explain 2>&1 | filecheck %s

// Why not: another use, an activation already.
func.func @main(%a: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %p = pfrt.matmul %a, %a as "p" : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.relu %p as "y" : tensor<2x2xf32> -> tensor<2x2xf32>
  %q = pfrt.matmul %a, %a as "q" {activation = #pfrt.activation<"relu">} : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %z = pfrt.tanh %q as "z" : tensor<2x2xf32> -> tensor<2x2xf32>
  func.return %y, %p, %z : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-DAG: pfrt.relu "y" stays as it is, because pfrt.matmul "p" is also used by func.return
// CHECK-DAG: pfrt.tanh "z" stays as it is, because pfrt.matmul "q" has an activation
