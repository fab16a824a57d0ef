// RUN: pfrt-opt %s --load-plugin %S/Inputs/operators.py | filecheck %s --check-prefix=PARSED
// RUN: pfrt-opt %s --load-plugin=%S/Inputs/operators.py -p pfrt-optimize | filecheck %s --check-prefix=FOLDED
// RUN: pfrt-opt %s --load-plugin %S/Inputs/operators.py -p convert-pfrt-to-plan | filecheck %s --check-prefix=PLAN
// RUN: pfrt-run %s --load-plugin %S/Inputs/operators.py --compare reference | filecheck %s --check-prefix=RUN-IT
// RUN: not pfrt-opt %s 2>&1 | filecheck %s --check-prefix=WITHOUT

// An operator that a file defines: in text, folded by its kernel, in a plan, run.
// PARSED:   com_example.scale %x bias(%x : tensor<2xf32>) as "y" {by = 2.000000e+00 : f64} : tensor<2xf32> -> tensor<2xf32>
// FOLDED:   com_example.scale %x
// FOLDED-NEXT: pfrt.constant dense<[3.000000e+00, 6.000000e+00]>
// PLAN:     plan.call @com_example.scale(%x, %x) into(
// RUN-IT:   reference: agrees
// WITHOUT:  there is no operation com_example.scale; if a plugin defines it, load that first (--load-plugin)
func.func @main(%x: tensor<2xf32> {pfrt.name = "x"}) -> (tensor<2xf32> {pfrt.name = "y"}, tensor<2xf32> {pfrt.name = "z"}) {
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = com_example.scale %x bias(%x : tensor<2xf32>) as "y" {by = 2.0 : f64} : tensor<2xf32> -> tensor<2xf32>
  %z = com_example.scale %c {by = 3.0 : f64} : tensor<2xf32> -> tensor<2xf32>
  func.return %y, %z : tensor<2xf32>, tensor<2xf32>
}
