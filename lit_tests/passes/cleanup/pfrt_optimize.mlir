// RUN: pfrt-opt %s -p pfrt-optimize --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-optimize{level=0}' --split-input-file | filecheck %s --check-prefix=NONE
// RUN: pfrt-opt %s -p 'pfrt-optimize{skip=CSEPass,pfrt-fold-constants}' --split-input-file | filecheck %s --check-prefix=SKIP
// RUN: not pfrt-opt %s -p 'pfrt-optimize{level=4}' 2>&1 | filecheck %s --check-prefix=LEVEL
// RUN: not pfrt-opt %s -p 'pfrt-optimize{skip=csee}' 2>&1 | filecheck %s --check-prefix=NAME

// Equal computations are one from level 2 on.
func.func @twice(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = pfrt.exp %x : tensor<2xf32> -> tensor<2xf32>
  %b = pfrt.exp %x : tensor<2xf32> -> tensor<2xf32>
  %y = pfrt.sub %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}
// CHECK-LABEL: @twice
// CHECK-COUNT-1: pfrt.exp
// NONE-LABEL: @twice
// NONE-COUNT-2: pfrt.exp
// SKIP-LABEL: @twice
// SKIP-COUNT-2: pfrt.exp

// -----

// What depends on nothing is computed from level 1 on.
func.func @constant() -> tensor<2xf32> {
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = pfrt.neg %c : tensor<2xf32> -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}
// CHECK-LABEL: @constant
// CHECK-NOT: pfrt.neg
// NONE-LABEL: @constant
// NONE: pfrt.neg
// SKIP-LABEL: @constant
// SKIP: pfrt.neg

// LEVEL: pfrt-opt: error: pfrt-optimize: level 4 is not in 0..3
// NAME: pfrt-opt: error: pfrt-optimize: there is no pass "csee" to skip; did you mean "cse"?
