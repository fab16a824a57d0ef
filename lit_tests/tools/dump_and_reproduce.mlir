// A dump has the IR before and after each pass; a reproducer has all that a run needs.
// RUN: rm -rf %t && mkdir %t
// RUN: pfrt-opt %s -p 'pfrt-specialize-shapes{dims="N=2"},pfrt-canonicalize' --dump-ir %t/dump --reproducer %t/r.mlir -o %t/out.mlir
// RUN: ls %t/dump | filecheck %s --check-prefix=FILES
// RUN: filecheck %s --check-prefix=BEFORE < %t/dump/00_input.mlir
// RUN: filecheck %s --check-prefix=AFTER < %t/dump/01_pfrt-specialize-shapes.mlir
// RUN: filecheck %s --check-prefix=REPRODUCER < %t/r.mlir
// RUN: pfrt-opt %t/r.mlir --run-reproducer -o %t/again.mlir
// RUN: cmp %t/out.mlir %t/again.mlir

func.func @main(%x: tensor<?xf32> {pfrt.name = "x", pfrt.dims = ["N"]}) -> tensor<?xf32> {
  %0 = pfrt.relu %x : tensor<?xf32> -> tensor<?xf32> loc("act"("m.onnx":1:0))
  func.return %0 : tensor<?xf32>
}

// FILES: 00_input.mlir
// FILES-NEXT: 01_pfrt-specialize-shapes.mlir
// FILES-NEXT: 02_pfrt-canonicalize.mlir
// BEFORE: pfrt.relu %x : tensor<?xf32> -> tensor<?xf32> loc("act"("m.onnx":1:0))
// AFTER: pfrt.relu %x : tensor<2xf32> -> tensor<2xf32> loc("act"("m.onnx":1:0))
// REPRODUCER: // {{RUN}}: pfrt-opt %s -p 'pfrt-specialize-shapes{dims="N=2"},pfrt-canonicalize'
// REPRODUCER: pfrt.relu %x : tensor<?xf32>
