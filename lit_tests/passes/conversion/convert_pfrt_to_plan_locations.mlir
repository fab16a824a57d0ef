// RUN: pfrt-opt %s -p convert-pfrt-to-plan,plan-allocate --print-debuginfo | filecheck %s

// A call says which node it came from, and so does its buffer.
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32> loc("act"("m.onnx":2:0))
  %y = pfrt.neg %a : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK: plan.view {{.*}} loc("act"("m.onnx":2:0))
// CHECK-NEXT: plan.call @relu{{.*}} loc("act"("m.onnx":2:0))
