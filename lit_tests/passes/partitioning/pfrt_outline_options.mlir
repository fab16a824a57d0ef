// RUN: pfrt-opt %s -p "pfrt-outline{target=dev ops=Relu min_ops=2}" | filecheck %s --check-prefix=SMALL
// RUN: pfrt-opt %s -p "pfrt-outline{target=dev ops=*}" | filecheck %s --check-prefix=ALL
// RUN: pfrt-opt %s -p "pfrt-outline" | filecheck %s --check-prefix=NONE
// RUN: pfrt-opt %s -p "pfrt-outline{target=dev}" --verify-diagnostics | filecheck %s --check-prefix=UNKNOWN
// RUN: pfrt-opt %s -p "pfrt-outline{ops=Relu}" --verify-diagnostics | filecheck %s --check-prefix=TARGETLESS
// RUN: pfrt-run %s --pipeline "pfrt-outline{target=reference ops=Relu}" --compare reference | filecheck %s --check-prefix=RUNS

// SMALL:      func.func @main
// SMALL-NEXT:   func.call @main_dev_0
// SMALL-NEXT:   pfrt.exp
// SMALL-NEXT:   pfrt.relu
// ALL:        func.func @main
// ALL-NEXT:     func.call @main_dev_0
// ALL-NEXT:     func.return
// NONE-NOT:   func.call
// UNKNOWN: pfrt-outline: there is no target "dev"; those that say what they run are: none; or list it in ops
// TARGETLESS: pfrt-outline: ops are given, but not the target that runs them
// RUNS: reference: agrees
func.func @main(%x: tensor<4xf32> {pfrt.name = "x"}) -> (tensor<4xf32> {pfrt.name = "y"}) {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.relu %a : tensor<4xf32> -> tensor<4xf32>
  %c = pfrt.exp %b : tensor<4xf32> -> tensor<4xf32>
  %d = pfrt.relu %c : tensor<4xf32> -> tensor<4xf32>
  func.return %d : tensor<4xf32>
}
