// RUN: not pfrt-opt %s -p 'pfrt-prune{sparsity=2}' 2>&1 | filecheck %s --check-prefix=PART
// RUN: not pfrt-opt %s -p 'pfrt-prune{granularity=nm n=5}' 2>&1 | filecheck %s --check-prefix=NM
// RUN: not pfrt-opt %s -p 'pfrt-prune{block=4}' 2>&1 | filecheck %s --check-prefix=BLOCK
// RUN: not pfrt-opt %s -p 'pfrt-prune{targets="fc"}' 2>&1 | filecheck %s --check-prefix=TARGET
// RUN: not pfrt-opt %s -p 'pfrt-prune{targets="other=0.5"}' 2>&1 | filecheck %s --check-prefix=NAME
// RUN: not pfrt-opt %s -p 'pfrt-prune{criterion=movement}' 2>&1 | filecheck %s --check-prefix=GRADIENTS
// RUN: not pfrt-opt %s -p 'pfrt-prune{criterion=wanda}' 2>&1 | filecheck %s --check-prefix=INPUTS
// RUN: not pfrt-opt %s -p 'pfrt-prune{data="%s"}' 2>&1 | filecheck %s --check-prefix=DATA
// RUN: not pfrt-opt %s -p 'pfrt-prune{granularity=structured criterion=lamp}' 2>&1 | filecheck %s --check-prefix=CHANNELS
// RUN: not pfrt-opt %s -p 'pfrt-prune{exclude="head*"}' 2>&1 | filecheck %s --check-prefix=EXCLUDED
// RUN: not pfrt-opt %s -p 'pfrt-prune{granularity=structured exclude="head*"}' 2>&1 | filecheck %s --check-prefix=EXCLUDED
// RUN: not pfrt-opt %s -p 'pfrt-prune{granularity=structured norm=3}' 2>&1 | filecheck %s --check-prefix=NORM

// Options that make no sense, names of no layer, and criteria without what they ask for: one line.
func.func @main(%x: tensor<1x4xf32> {pfrt.name = "x"}) -> (tensor<1x2xf32> {pfrt.name = "y"}) {
  %w = pfrt.constant dense<1.0> as "fc.weight" : tensor<4x2xf32>
  %y = pfrt.matmul %x, %w as "y" : tensor<1x4xf32>, tensor<4x2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
// PART: pfrt-prune: sparsity is a part, from 0 to 1, not 2
// NM: pfrt-prune: of 4 inputs not 5 can stay
// BLOCK: pfrt-prune: block takes two sizes, of outputs and of inputs
// TARGET: pfrt-prune: targets are NAME=SPARSITY, from 0 to 1, not "fc"
// NAME: there is no layer "other" to have a sparsity of its own; there are "fc.weight"
// GRADIENTS: pfrt.matmul "y": criterion movement has no gradients of "fc.weight"
// INPUTS: pfrt.matmul "y": criterion wanda has no record of what "fc.weight" is fed
// DATA: cannot read arrays
// CHANNELS: criterion lamp says nothing of whole channels
// EXCLUDED: pfrt-prune: nothing is called "head*", which is excluded; there are "fc.weight"
// NORM: of is channels, flops or parameters, multiple at least 1, norm 1 or 2, not channels, 1, 3
