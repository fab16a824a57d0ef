// Each level of lowering runs and gives the same outputs, byte for byte.
// RUN: rm -rf %t && mkdir %t
// RUN: pfrt-run %s --output %t/model.npz
// RUN: pfrt-opt %s -p 'pfrt-fold-constants,cse' -o %t/opt.mlir
// RUN: pfrt-run %t/opt.mlir --output %t/opt.npz --expect %t/model.npz --rtol 0 --atol 0 | filecheck %s
// RUN: pfrt-opt %t/opt.mlir -p 'convert-pfrt-to-plan,plan-allocate' -o %t/plan.mlir
// RUN: pfrt-run %t/plan.mlir --output %t/plan.npz
// RUN: cmp %t/model.npz %t/plan.npz
// RUN: cmp %t/model.npz %t/opt.npz
// RUN: pfrt-run %s --pipeline 'cse,convert-pfrt-to-plan' --output %t/lowered.npz
// RUN: cmp %t/model.npz %t/lowered.npz
// RUN: pfrt-run %t/plan.mlir --inspect | filecheck %s --check-prefix=INSPECT

func.func @main(%x: tensor<2x3xf32> {pfrt.name = "x"}) -> (tensor<2x3xf32> {pfrt.name = "y"}) {
  %0 = pfrt.relu %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = pfrt.add %0, %x : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  func.return %1 : tensor<2x3xf32>
}

// CHECK: model.npz: agrees
// CHECK-NEXT: y: max |{{.*}}| 0, relative to max |expected| 0
// INSPECT: operators {{.*}}@add 1
