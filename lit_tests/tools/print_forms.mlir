// The ways to print one module; locations are left out unless asked for.
// RUN: pfrt-opt %s | filecheck %s --check-prefix=PLAIN
// RUN: pfrt-opt %s --print-debuginfo | filecheck %s --check-prefix=LOC
// RUN: pfrt-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC
// RUN: pfrt-opt %s -t 'mlir{print-generic-format=true}' | filecheck %s --check-prefix=GENERIC
// RUN: pfrt-opt -p cse - < %s | filecheck %s --check-prefix=PLAIN

func.func @main(%x: tensor<?xf32> {pfrt.name = "é", pfrt.dims = ["N"]}) -> tensor<?xf32> {
  %0 = pfrt.relu %x as "日本 \"a\"" : tensor<?xf32> -> tensor<?xf32> loc("node é"("m.onnx":7:0))
  func.return %0 : tensor<?xf32>
}

// PLAIN: %0 = pfrt.relu %x as "\E6\97\A5\E6\9C\AC \22a\22" : tensor<?xf32> -> tensor<?xf32>
// PLAIN-NOT: loc(
// LOC: loc("node \C3\A9"("m.onnx":7:0))
// GENERIC: "pfrt.relu"(%x) <{names = #pfrt.names<"\E6\97\A5\E6\9C\AC \22a\22">}>
