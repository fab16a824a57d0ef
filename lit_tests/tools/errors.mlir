// Every error is one line that says what, where and what to do.
// RUN: not pfrt-opt %s -p pfrt-canonicalise 2>&1 | filecheck %s --check-prefix=PASS
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{dim=1}' 2>&1 | filecheck %s --check-prefix=OPTION
// RUN: not pfrt-opt %s -p 'pfrt-canonicalize{' 2>&1 | filecheck %s --check-prefix=SYNTAX
// RUN: not pfrt-opt %s.missing.mlir 2>&1 | filecheck %s --check-prefix=FILE
// RUN: not pfrt-opt %s.h5 2>&1 | filecheck %s --check-prefix=FORMAT
// RUN: not pfrt-opt %s --nope 2>&1 | filecheck %s --check-prefix=FLAG
// RUN: not pfrt-opt %s -o %t.missing/out.mlir 2>&1 | filecheck %s --check-prefix=OUTPUT
// RUN: not pfrt-opt %s -p 'pfrt-specialize-shapes{shapes="y=2"}' 2>&1 | filecheck %s --check-prefix=FAILED
// RUN: not pfrt-run %s -i z=%t.npy 2>&1 | filecheck %s --check-prefix=INPUT

func.func @main(%x: tensor<?xf32> {pfrt.name = "x", pfrt.dims = ["N"]}) -> tensor<?xf32> {
  func.return %x : tensor<?xf32>
}

// PASS: pfrt-opt: error: unknown pass "pfrt-canonicalise"; did you mean "pfrt-canonicalize"?
// OPTION: pfrt-opt: error: pfrt-specialize-shapes: unknown option "dim"; did you mean "dims"? its options are shapes (list of str), dims (list of str)
// SYNTAX: pfrt-opt: error: expected an option's name or `}` at column 19 of the pipeline, found the end
// FILE: errors.mlir.missing.mlir: no such file; check the path
// FORMAT: errors.mlir.h5: no frontend reads ".h5" files; the extensions are .mlir, .onnx, .onnxtxt
// FLAG: pfrt-opt: error: unrecognized arguments: --nope; pfrt-opt --help explains the options
// OUTPUT: out.mlir: cannot write: No such file or directory
// FAILED: pfrt-opt: error: pfrt-specialize-shapes: {{.*}}"y"
// INPUT: pfrt-run: error: {{.*}}.npy: no such file; check the path
