// RUN: not pfrt-opt %s -p convert-pfrt-to-plan 2>&1 | filecheck %s

// What cannot be lowered is listed, with its place.
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = "test.op"(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("custom"("m.onnx":2:0))
  %b = arith.addf %a, %a : tensor<4xf32>
  func.return %b : tensor<4xf32>
}
// CHECK: cannot lower test.op (node "custom", m.onnx:2), arith.addf
