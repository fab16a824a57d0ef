// RUN: pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="arg0=","arg1=7"}' | filecheck %s

// Inputs without names go by their position; nothing after the sign is the shape of a scalar.
func.func @main(%x: tensor<*xf32>, %y: tensor<?xf32>) {
  func.return
}
// CHECK: func.func @main(%x: tensor<f32>, %y: tensor<7xf32>)
