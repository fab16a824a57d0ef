// RUN: pfrt-opt %s -p "pfrt-partition{strategy=pipeline devices=2 latency=0}" | filecheck %s --check-prefix=PIPELINE
// RUN: pfrt-opt %s -p "pfrt-partition{strategy=data devices=2}" | filecheck %s --check-prefix=DATA
// RUN: pfrt-opt %s -p "pfrt-partition{strategy=model tensor=2 devices=2}" | filecheck %s --check-prefix=TENSOR
// RUN: pfrt-opt %s -p "pfrt-partition{strategy=automatic devices=3 micro_batches=4}" | filecheck %s --check-prefix=AUTOMATIC
// RUN: pfrt-opt %s -p "pfrt-partition{strategy=manual devices=2}" --verify-diagnostics | filecheck %s --check-prefix=UNTAGGED
// RUN: pfrt-opt %s -p "pfrt-partition{strategy=pipeline devices=cpu:0:100,cpu:1:100}" --verify-diagnostics | filecheck %s --check-prefix=FULL
// RUN: pfrt-opt %s -p "pfrt-partition{strategy=sideways}" --verify-diagnostics | filecheck %s --check-prefix=UNKNOWN
// RUN: pfrt-run %s --pipeline "pfrt-partition{strategy=hybrid devices=4 latency=0}" --compare reference | filecheck %s --check-prefix=RUNS

// Each device has a function; what one makes for the other is sent; the proven gap is said.
// PIPELINE:      func.func @main{{.*}}pfrt.partition = ["pipeline: {{.*}}proven gap 0.00%
// PIPELINE-NEXT:   %{{.*}} = func.call @main_numpy_0_0(%x)
// PIPELINE-NEXT:   pfrt.send {{.*}} {source = "numpy:0", destination = "numpy:1"}
// PIPELINE-NEXT:   pfrt.receive {{.*}} {destination = "numpy:1"}
// PIPELINE-NEXT:   func.call @main_numpy_1_0
// PIPELINE-NEXT:   func.return

// Both devices have the whole model, and half of the rows.
// DATA:        pfrt.scatter_slices %x {sizes = array<i64: 2, 2>} : (tensor<4x8xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>)
// DATA-NEXT:   func.call @main_numpy_0_0
// DATA-NEXT:   func.call @main_numpy_1_0
// DATA-NEXT:   pfrt.all_gather

// Columns of the first product, rows of the second one, and a sum; the bias is cut as the columns.
// TENSOR:        func.call @main_numpy_0_0(%x)
// TENSOR-NEXT:   func.call @main_numpy_1_0(%x)
// TENSOR-NEXT:   pfrt.all_reduce
// TENSOR-NEXT:   func.call @main_numpy_0_1
// TENSOR:      func.func private @main_numpy_0_0
// TENSOR:        pfrt.constant dense<2.500000e-01> : tensor<8xf32>
// TENSOR:        pfrt.matmul {{.*}} tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>

// Sending would take longer than all of it.
// AUTOMATIC:     "chosen: pipeline{{.*}}pfrt.micro_batches = 4 : i64
// AUTOMATIC-NEXT:  func.call @main_numpy_0_0(%x)
// AUTOMATIC-NEXT:  func.return

// UNTAGGED: pfrt-partition: node "pfrt.matmul#0": has no pfrt.target; devices are numpy:0, numpy:1; manual needs a plan, or a device on each op
// FULL: pfrt-partition: node "pfrt.matmul#0": needs 768 bytes, and the largest device has 100
// UNKNOWN: pfrt-partition: there is no strategy "sideways"; there are manual, data, model, pipeline, hybrid, automatic
// RUNS: reference: agrees
func.func @main(%x: tensor<4x8xf32> {pfrt.name = "x"}) -> (tensor<4x8xf32> {pfrt.name = "y"}) {
  %w = pfrt.constant dense<0.5> : tensor<8x16xf32>
  %b = pfrt.constant dense<0.25> : tensor<16xf32>
  %v = pfrt.constant dense<0.75> : tensor<16x8xf32>
  %a = pfrt.matmul %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %c = pfrt.add %a, %b : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  %d = pfrt.relu %c : tensor<4x16xf32> -> tensor<4x16xf32>
  %e = pfrt.matmul %d, %v : tensor<4x16xf32>, tensor<16x8xf32> -> tensor<4x8xf32>
  %f = pfrt.softmax %e : tensor<4x8xf32> -> tensor<4x8xf32>
  func.return %f : tensor<4x8xf32>
}
