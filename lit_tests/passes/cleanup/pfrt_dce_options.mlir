// RUN: pfrt-opt %s -p 'pfrt-dce{remove-initializers=false remove-identity=false remove-dropout=false}' | filecheck %s

// Each of the three can be kept; dead ops go all the same.
func.func @kept(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %w = pfrt.constant dense<0.0> as "w" : tensor<f32>
  %no = pfrt.constant dense<false> : tensor<i1>
  %d = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.identity %x : tensor<4xf32> -> tensor<4xf32>
  %z, %mask = pfrt.dropout %x, %w, %no : (tensor<4xf32>, tensor<f32>, tensor<i1>) -> (tensor<4xf32>, tensor<4xi1>)
  %unused = pfrt.constant dense<2.0> as "unused" : tensor<f32>
  func.return %y, %z : tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @kept
// CHECK-NOT: pfrt.relu
// CHECK: pfrt.identity
// CHECK-NEXT: pfrt.dropout
// CHECK-NEXT: pfrt.constant dense<2.0{{.*}}> as "unused"
