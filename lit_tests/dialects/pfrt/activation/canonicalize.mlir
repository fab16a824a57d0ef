// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// Relu of relu is relu, under the name of the outer one.
func.func @relu_of_relu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pfrt.relu %x as "inner" : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.relu %a as "outer" : tensor<4xf32> -> tensor<4xf32>
  func.return %b : tensor<4xf32>
}
// CHECK-LABEL: @relu_of_relu
// CHECK-NEXT:    pfrt.relu %x as "outer"
// CHECK-NEXT:    func.return

// -----

// Bounds that are constants become properties; f64 keeps its precision.
func.func @constant_bounds(%x: tensor<4xf64>) -> tensor<4xf64> {
  %low = pfrt.constant dense<1.000000e-01> : tensor<f64>
  %high = pfrt.constant dense<6.000000e+00> : tensor<f64>
  %y = pfrt.clip %x min(%low : tensor<f64>) max(%high : tensor<f64>) : tensor<4xf64> -> tensor<4xf64>
  func.return %y : tensor<4xf64>
}
// CHECK-LABEL: @constant_bounds
// CHECK-NEXT:    pfrt.clip %x {min = 1.000000e-01 : f64, max = 6.000000e+00 : f64}

// -----

// A bound that is not constant stays an operand.
func.func @mixed_bounds(%x: tensor<4xi8>, %low: tensor<i8>) -> tensor<4xi8> {
  %high = pfrt.constant dense<6> : tensor<i8>
  %y = pfrt.clip %x min(%low : tensor<i8>) max(%high : tensor<i8>) : tensor<4xi8> -> tensor<4xi8>
  func.return %y : tensor<4xi8>
}
// CHECK-LABEL: @mixed_bounds
// CHECK-NEXT:    pfrt.clip %x min(%low : tensor<i8>) {max = 6 : i64}

// -----

// Clip without bounds is nothing.
func.func @no_bounds(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = pfrt.clip %x : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK-LABEL: @no_bounds
// CHECK-NEXT:    func.return %x
