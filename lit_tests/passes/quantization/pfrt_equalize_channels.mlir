// RUN: pfrt-opt %s -p pfrt-equalize-channels --split-input-file | filecheck %s

// Channels of 8 and 2, and of 1 and 4, meet at 4 and 2; relu is between, the bias goes along.
func.func @main(%x: tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32> {
  %w1 = pfrt.constant dense<[[[[8.0]]], [[[1.0]]]]> : tensor<2x1x1x1xf32>
  %b = pfrt.constant dense<[4.0, 4.0]> : tensor<2xf32>
  %w2 = pfrt.constant dense<[[[[2.0]], [[4.0]]]]> : tensor<1x2x1x1xf32>
  %0 = pfrt.conv %x, %w1, %b : (tensor<1x1x2x2xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x2x2x2xf32>
  %1 = pfrt.relu %0 : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %2 = pfrt.conv %1, %w2 : (tensor<1x2x2x2xf32>, tensor<1x2x1x1xf32>) -> tensor<1x1x2x2xf32>
  func.return %2 : tensor<1x1x2x2xf32>
}
// CHECK: dense<{{\[\[\[\[}}4.000000e+00]]], {{\[\[\[}}2.000000e+00]]]]>
// CHECK: dense<[2.000000e+00, 8.000000e+00]>
// CHECK: dense<{{\[\[\[\[}}4.000000e+00]], {{\[\[}}2.000000e+00]]]]>

// -----

// A sigmoid between, and a second user: both stay.
func.func @kept(%x: tensor<1x2xf32>) -> (tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x2xf32>) {
  %w1 = pfrt.constant dense<[[8.0, 1.0], [8.0, 1.0]]> : tensor<2x2xf32>
  %w2 = pfrt.constant dense<[[2.0], [4.0]]> : tensor<2x1xf32>
  %w3 = pfrt.constant dense<[[8.0, 1.0], [8.0, 1.0]]> : tensor<2x2xf32>
  %w4 = pfrt.constant dense<[[2.0], [4.0]]> : tensor<2x1xf32>
  %0 = pfrt.matmul %x, %w1 : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %1 = pfrt.sigmoid %0 : tensor<1x2xf32> -> tensor<1x2xf32>
  %2 = pfrt.matmul %1, %w2 : tensor<1x2xf32>, tensor<2x1xf32> -> tensor<1x1xf32>
  %3 = pfrt.matmul %x, %w3 : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %4 = pfrt.matmul %3, %w4 : tensor<1x2xf32>, tensor<2x1xf32> -> tensor<1x1xf32>
  func.return %2, %4, %3 : tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x2xf32>
}
// CHECK-LABEL: @kept
// CHECK-NEXT: dense<{{\[\[}}8.000000e+00, 1.000000e+00], {{.*}}]>
// CHECK-NEXT: dense<{{\[\[}}2.000000e+00], [4.000000e+00]]>
