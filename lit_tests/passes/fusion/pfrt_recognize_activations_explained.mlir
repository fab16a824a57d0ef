// RUN: pfrt-opt %s -p pfrt-recognize-activations --explain 2>&1 | filecheck %s

// Why not: another use, a factor that would be rounded.
func.func @main(%x: tensor<4xf32>, %z: tensor<4xf64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf64>) {
  %c = pfrt.constant dense<0.1> : tensor<f64>
  %s = pfrt.sigmoid %x as "s" : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.mul %x, %s as "y" : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %f = pfrt.mul %z, %c : (tensor<4xf64>, tensor<f64>) -> tensor<4xf64>
  %g = pfrt.sigmoid %f : tensor<4xf64> -> tensor<4xf64>
  %w = pfrt.mul %z, %g as "w" : (tensor<4xf64>, tensor<4xf64>) -> tensor<4xf64>
  func.return %y, %s, %w : tensor<4xf32>, tensor<4xf32>, tensor<4xf64>
}
// CHECK-DAG: pfrt.mul "y" stays as it is, because pfrt.sigmoid "s" is also used by func.return (pattern "swish")
// CHECK-DAG: pfrt.mul "w" stays as it is, because alpha would be 0.1, which is no f32 (pattern "swish with a factor")
