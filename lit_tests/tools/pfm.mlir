// A module is written as .pfm by extension or by target, with its weights, locations and names, and
// reads back as the same text.
// RUN: rm -rf %t && mkdir -p %t
// RUN: pfrt-opt %s -p pfrt-fold-constants -o %t/m.mlir
// RUN: pfrt-opt %t/m.mlir -o %t/m.pfm
// RUN: pfrt-opt %t/m.pfm -o %t/again.mlir
// RUN: cmp %t/m.mlir %t/again.mlir
// RUN: cmp %t/m.weights %t/again.weights
// RUN: pfrt-opt %t/m.mlir -t pfm > %t/again.pfm
// RUN: cmp %t/m.pfm %t/again.pfm
// RUN: pfrt-opt --frontend pfm < %t/m.pfm | filecheck %s
// RUN: pfrt-run %t/m.pfm | filecheck %s --check-prefix=VALUES
// RUN: pfrt-run --inspect %t/m.pfm | filecheck %s --check-prefix=INSPECT

func.func @main() -> tensor<2048xf32> {
  %one = pfrt.constant dense<1.0> : tensor<1xf32> loc("one"("m.onnx":1:0))
  %0 = pfrt.expand %one as "big" {shape = array<i64: 2048>} : (tensor<1xf32>) -> tensor<2048xf32>
  func.return %0 : tensor<2048xf32>
}

// CHECK: pfrt.constant #pfrt.weight<"{{[0-9a-f]+}}"> as "big" : tensor<2048xf32>
// VALUES: result0: tensor(float) [2048] min 1 max 1 mean 1
// INSPECT: all checksums are right
// INSPECT: tensors     big: float 2048, 8,192 bytes at 4,096
