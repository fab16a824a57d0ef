// A pass says which candidates it turned down, and why, when asked.
// RUN: pfrt-opt %s -p pfrt-fuse-activation --explain 2>&1 >%t.mlir | filecheck %s
// RUN: pfrt-opt %s -p pfrt-fuse-activation 2>&1 >%t.mlir | filecheck %s --allow-empty --check-prefix=SILENT

func.func @main(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %m = pfrt.matmul %x, %w as "m" : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %y = pfrt.relu %m as "y" : tensor<2x4xf32> -> tensor<2x4xf32>
  func.return %y, %m : tensor<2x4xf32>, tensor<2x4xf32>
}

// CHECK: pfrt-opt: pfrt-fuse-activation: pfrt.relu "y" stays as it is, because pfrt.matmul "m" is also used by func.return
// SILENT-NOT: {{.}}
