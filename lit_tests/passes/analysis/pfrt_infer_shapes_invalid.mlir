// RUN: not pfrt-opt %s --disable-verify -p pfrt-infer-shapes 2>&1 | filecheck %s

// A declared type that cannot be names the op.
func.func @contradiction(%x: tensor<2x8xf32>) -> tensor<3x?xf32> {
  %a = pfrt.relu %x as "act" : tensor<2x8xf32> -> tensor<3x?xf32>
  func.return %a : tensor<3x?xf32>
}
// CHECK: pfrt.relu "act"{{.*}}: result 0 is declared tensor<3x?xf32>, but its operands give tensor<2x8xf32>
