// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s
// RUN: pfrt-run %s --dim N=3 --compare reference | filecheck %s --check-prefix=RUNS

// RUNS: reference: agrees

// What devices send each other, in one process: every op prints as it is read.
// CHECK:      %s = pfrt.send %x {source = "numpy:0", destination = "numpy:1"} : tensor<?x4xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %r = pfrt.receive %s {destination = "numpy:1"} : tensor<?x4xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %a, %b = pfrt.scatter_slices %r {sizes = array<i64: 1, 1>} : (tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK-NEXT: %c, %d = pfrt.broadcast %x : (tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK-NEXT: %g = pfrt.all_gather %a, %b of %x as "whole" : tensor<?x4xf32>, tensor<?x4xf32> of tensor<?x4xf32> -> tensor<?x4xf32>
// CHECK-NEXT: %h = pfrt.all_gather %c, %d {axis = 1 : i64} : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
// CHECK-NEXT: %q = pfrt.all_reduce %c, %d, %g : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @main(%x: tensor<?x4xf32> {pfrt.name = "x", pfrt.dims = ["N", ""]}) -> (tensor<?x4xf32> {pfrt.name = "y"}, tensor<?x4xf32> {pfrt.name = "z"}) {
  %s = pfrt.send %x {source = "numpy:0", destination = "numpy:1"} : tensor<?x4xf32> -> tensor<?x4xf32>
  %r = pfrt.receive %s {destination = "numpy:1"} : tensor<?x4xf32> -> tensor<?x4xf32>
  %a, %b = pfrt.scatter_slices %r {axis = 0 : i64, sizes = array<i64: 1, 1>} : (tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  %c, %d = pfrt.broadcast %x : (tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  %g = pfrt.all_gather %a, %b of %x as "whole" {axis = 0 : i64} : tensor<?x4xf32>, tensor<?x4xf32> of tensor<?x4xf32> -> tensor<?x4xf32>
  %h = pfrt.all_gather %c, %d {axis = 1 : i64} : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
  %q = pfrt.all_reduce %c, %d, %g : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %g, %q : tensor<?x4xf32>, tensor<?x4xf32>
}
