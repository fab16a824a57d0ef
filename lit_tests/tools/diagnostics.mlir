// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// The verifier's complaint names the op, its value, and the node it came from.
func.func @main(%x: tensor<2xf32>) -> tensor<3xf32> {
  %0 = pfrt.relu %x as "y" : tensor<2xf32> -> tensor<3xf32> loc("act"("m.onnx":4:0))
  func.return %0 : tensor<3xf32>
}
// CHECK: diagnostics.mlir: pfrt.relu "y" (node "act", m.onnx:4): result 0 is declared tensor<3xf32>, but its operands give tensor<2xf32>

// -----

// Lines are those of the whole file.
func.func @main() {
  pfrt.rel
}
// CHECK: diagnostics.mlir:14:3: there is no operation pfrt.rel; did you mean pfrt.relu?

// -----

// A value is defined before it is used.
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = pfrt.relu %1 as "y" : tensor<2xf32> -> tensor<2xf32>
  %1 = pfrt.relu %x : tensor<2xf32> -> tensor<2xf32>
  func.return %0 : tensor<2xf32>
}
// CHECK: pfrt.relu "y": uses a value that is not defined before it

// -----

// A good piece is printed.
func.func @good() {
  func.return
}
// CHECK: // -----
// CHECK-NEXT: builtin.module {
// CHECK-NEXT: func.func @good()
