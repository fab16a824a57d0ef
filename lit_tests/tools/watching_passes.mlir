// What passes do can be watched: figures after each, and the lines that it changes.
// RUN: pfrt-opt %s -p pfrt-fold-constants,cse --stats 2>&1 >%t.mlir | filecheck %s --check-prefix=STATS
// RUN: pfrt-opt %s -p pfrt-fold-constants,cse --print-ir-diff | filecheck %s --check-prefix=DIFF
// RUN: pfrt-opt %s -p pfrt-specialize-shapes,pfrt-optimize{level=1} --time-passes 2>&1 >%t.mlir | filecheck %s --check-prefix=EACH

func.func @main(%x: tensor<2xf32>, %any: tensor<?xf32>) -> (tensor<2xf32>, tensor<?xf32>) {
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %n = pfrt.neg %c : tensor<2xf32> -> tensor<2xf32>
  %a = pfrt.add %x, %n : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %b = pfrt.add %x, %n : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %y = pfrt.mul %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %z = pfrt.exp %any : tensor<?xf32> -> tensor<?xf32>
  func.return %y, %z : tensor<2xf32>, tensor<?xf32>
}

// STATS:      pass                 ops  flops   bytes  parameters
// STATS-NEXT: (input)                5   >= 8  >= 88           2
// STATS-NEXT: pfrt-fold-constants    4   >= 6  >= 72           2
// STATS-NEXT: cse                    3   >= 4  >= 48           2

// DIFF:      --- before pfrt-fold-constants
// DIFF-NEXT: +++ after pfrt-fold-constants
// DIFF:      -    %n = pfrt.neg
// DIFF:      +    %n = pfrt.constant
// DIFF:      --- before cse
// DIFF:      -    %b = pfrt.add
// DIFF-NEXT: -    %y = pfrt.mul %a, %b
// DIFF-NEXT: +    %y = pfrt.mul %a, %a
// DIFF:      builtin.module

// A pass that stands for others is timed as these.
// EACH:      pfrt-specialize-shapes: {{.*}} ms
// EACH-NOT:  pfrt-optimize
// EACH:      pfrt-fold-constants: {{.*}} ms
