// Large constants travel in a side file: `-o` writes it, the IR beside it finds it, `--weights`
// names another, and IR without it still passes through.
// RUN: rm -rf %t && mkdir -p %t/alone
// RUN: pfrt-opt %s -p pfrt-fold-constants -o %t/m.mlir
// RUN: filecheck %s --check-prefix=WRITTEN < %t/m.mlir
// RUN: pfrt-run %t/m.mlir | filecheck %s --check-prefix=VALUES
// RUN: cp %t/m.mlir %t/alone/m.mlir
// RUN: pfrt-opt %t/alone/m.mlir -p pfrt-canonicalize,cse | filecheck %s --check-prefix=WRITTEN
// RUN: not pfrt-run %t/alone/m.mlir 2>&1 | filecheck %s --check-prefix=MISSING
// RUN: pfrt-run %t/alone/m.mlir --weights %t/m.weights | filecheck %s --check-prefix=VALUES
// RUN: pfrt-opt %t/alone/m.mlir --weights %t/m.weights -o %t/alone/again.mlir
// RUN: cmp %t/m.weights %t/alone/again.weights

func.func @main() -> tensor<2048xf32> {
  %one = pfrt.constant dense<1.0> : tensor<1xf32>
  %0 = pfrt.expand %one as "big" {shape = array<i64: 2048>} : (tensor<1xf32>) -> tensor<2048xf32>
  func.return %0 : tensor<2048xf32>
}

// WRITTEN: pfrt.constant #pfrt.weight<"{{[0-9a-f]+}}"> as "big" : tensor<2048xf32>
// VALUES: result0: tensor(float) [2048] min 1 max 1 mean 1
// MISSING: pfrt-run: error: {{.*}}the values of weight "{{[0-9a-f]+}}" are missing; give the side file with --weights FILE
