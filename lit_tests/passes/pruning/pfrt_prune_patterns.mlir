// RUN: pfrt-opt %s -p 'pfrt-prune{granularity=nm}' | filecheck %s --check-prefix=NM
// RUN: pfrt-opt %s -p 'pfrt-prune{granularity=block block=1,2}' | filecheck %s --check-prefix=BLOCK
// RUN: pfrt-opt %s -p 'pfrt-prune{granularity=structured}' | filecheck %s --check-prefix=CHANNELS
// RUN: pfrt-opt %s -p 'pfrt-prune{criterion=lamp sparsity=0.5}' | filecheck %s --check-prefix=LAMP
// RUN: pfrt-opt %s -p 'pfrt-prune{exclude="first" targets="second.weight=0.75"}' | filecheck %s --check-prefix=NAMES

// Two of four consecutive inputs stay of each output, whichever way the weights lie.
// Blocks go as a whole. A channel goes with the weights that read it.
// LAMP takes more of the layer in which more is small. Names may be a layer's or its weights'.
func.func @main(%x: tensor<1x4xf32> {pfrt.name = "x"}) -> (tensor<1x2xf32> {pfrt.name = "y"}) {
  %w = pfrt.constant dense<[[1.0, 2.0, 9.0, 8.0], [7.0, 3.0, 4.0, 6.0]]> as "first.weight" : tensor<2x4xf32>
  %v = pfrt.constant dense<[[1.0, 0.1], [0.2, 5.0]]> as "second.weight" : tensor<2x2xf32>
  %h = pfrt.gemm %x, %w {trans_b = true} : (tensor<1x4xf32>, tensor<2x4xf32>) -> tensor<1x2xf32>
  %y = pfrt.gemm %h, %v : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
// NM: dense<{{\[\[}}0.000000e+00, 0.000000e+00, 9.000000e+00, 8.000000e+00], [7.000000e+00, 0.000000e+00, 0.000000e+00, 6.000000e+00]]> as "first.weight" {pfrt.pruned = {criterion = "magnitude", granularity = "nm", mask = dense<57> : tensor<1xui8>, pattern = array<i64: 2, 4>}}
// NM: as "second.weight" :
// BLOCK: dense<{{\[\[}}0.000000e+00, 0.000000e+00, 9.000000e+00, 8.000000e+00], [0.000000e+00, 0.000000e+00, 4.000000e+00, 6.000000e+00]]> as "first.weight"
// BLOCK: dense<{{\[\[}}0.000000e+00, 1.000000e-01], [0.000000e+00, 5.000000e+00]]> as "second.weight"
// CHANNELS: as "first.weight" : tensor<1x4xf32>
// CHANNELS: as "second.weight" : tensor<1x2xf32>
// LAMP: dense<{{\[\[}}0.000000e+00, 0.000000e+00, 9.000000e+00, 8.000000e+00], [7.000000e+00, 0.000000e+00, 4.000000e+00, 6.000000e+00]]> as "first.weight"
// LAMP: dense<{{\[\[}}0.000000e+00, 0.000000e+00], [0.000000e+00, 5.000000e+00]]> as "second.weight"
// NAMES: dense<{{\[\[}}1.000000e+00, 2.000000e+00, 9.000000e+00, 8.000000e+00], [7.000000e+00, 3.000000e+00, 4.000000e+00, 6.000000e+00]]> as "first.weight" :
// NAMES: dense<{{\[\[}}0.000000e+00, 0.000000e+00], [0.000000e+00, 5.000000e+00]]> as "second.weight"
