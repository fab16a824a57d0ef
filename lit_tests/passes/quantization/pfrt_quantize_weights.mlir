// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=weight-only weight-dtype=i4 block-size=4}' --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=weight-only weight-dtype=ui4 block-size=4 symmetric=false}' --split-input-file | filecheck %s --check-prefix=SHIFTED

// Four inputs share a scale in each row of transposed weights; the last block may be shorter.
// CHECK-LABEL: @rows
// CHECK: %[[W:.*]] = pfrt.dequantize_linear %{{.*}}, %{{.*}} {block_size = 4 : i64} : (tensor<2x6xi4>, tensor<2x2xf32>) -> tensor<2x6xf32>
// CHECK: pfrt.gemm %x, %[[W]]
// SHIFTED-LABEL: @rows
// SHIFTED: pfrt.dequantize_linear %{{.*}}, %{{.*}}, %{{.*}} {block_size = 4 : i64} : (tensor<2x6xui4>, tensor<2x2xf32>, tensor<2x2xui4>)
func.func @rows(%x: tensor<?x6xf32>) -> tensor<?x2xf32> {
  %w = pfrt.constant dense<[[1.0, -2.0, 3.0, 7.0, 0.5, 1.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]> : tensor<2x6xf32>
  %y = pfrt.gemm %x, %w {trans_b = true} : (tensor<?x6xf32>, tensor<2x6xf32>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}

// -----

// Weights whose columns are outputs have blocks along their rows.
// CHECK-LABEL: @columns
// CHECK: pfrt.dequantize_linear %{{.*}}, %{{.*}} {axis = 0 : i64, block_size = 4 : i64} : (tensor<4x2xi4>, tensor<1x2xf32>)
func.func @columns(%x: tensor<3x?x4xf32>) -> tensor<3x?x2xf32> {
  %w = pfrt.constant dense<[[1.0, -2.0], [3.0, 7.0], [0.5, 1.0], [0.0, 1.0]]> : tensor<4x2xf32>
  %y = pfrt.matmul %x, %w : tensor<3x?x4xf32>, tensor<4x2xf32> -> tensor<3x?x2xf32>
  func.return %y : tensor<3x?x2xf32>
}

// -----

// A convolution's weights are rows of channels and taps, and get their shape back.
// CHECK-LABEL: @taps
// CHECK: %[[R:.*]] = pfrt.dequantize_linear %{{.*}}, %{{.*}} {block_size = 4 : i64} : (tensor<1x9xi4>, tensor<1x3xf32>)
// CHECK: pfrt.reshape %[[R]]
// CHECK-SAME: tensor<1x1x3x3xf32>
func.func @taps(%x: tensor<1x1x8x8xf32>) -> tensor<1x1x6x6xf32> {
  %w = pfrt.constant dense<[[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]]> : tensor<1x1x3x3xf32>
  %y = pfrt.conv %x, %w : (tensor<1x1x8x8xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x6x6xf32>
  func.return %y : tensor<1x1x6x6xf32>
}

// -----

// Fewer inputs than a block are not worth a scale.
// CHECK-LABEL: @narrow
// CHECK-NOT: dequantize_linear
func.func @narrow(%x: tensor<?x3xf32>) -> tensor<?x2xf32> {
  %w = pfrt.constant dense<1.0> : tensor<3x2xf32>
  %y = pfrt.matmul %x, %w : tensor<?x3xf32>, tensor<3x2xf32> -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
