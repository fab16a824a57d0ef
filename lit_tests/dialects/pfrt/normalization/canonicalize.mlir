// RUN: pfrt-opt %s -p pfrt-canonicalize --split-input-file | filecheck %s

// An axis counted from the end is counted from the beginning, once the rank is known.
func.func @axis(%x: tensor<?x2x3xf32>, %s: tensor<3xf32>) -> (tensor<?x2x3xf32>, tensor<?x2x3xf32>, tensor<?x2x3xf32>) {
  %a = pfrt.softmax %x as "probabilities" : tensor<?x2x3xf32> -> tensor<?x2x3xf32>
  %b = pfrt.log_softmax %x {axis = -3 : i64} : tensor<?x2x3xf32> -> tensor<?x2x3xf32>
  %c = pfrt.layer_normalization %x, %s {axis = -1 : i64} : (tensor<?x2x3xf32>, tensor<3xf32>) -> tensor<?x2x3xf32>
  func.return %a, %b, %c : tensor<?x2x3xf32>, tensor<?x2x3xf32>, tensor<?x2x3xf32>
}
// CHECK-LABEL: @axis
// CHECK-NEXT:    pfrt.softmax %x as "probabilities" {axis = 2 : i64}
// CHECK-NEXT:    pfrt.log_softmax %x {axis = 0 : i64}
// CHECK-NEXT:    pfrt.layer_normalization %x, %s {axis = 2 : i64}

// -----

// The same of those that are used less often.
func.func @rare(%x: tensor<2x3xf32>, %s: tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %a = pfrt.hardmax %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %b = pfrt.lp_normalization %x {p = 1 : i64} : tensor<2x3xf32> -> tensor<2x3xf32>
  %c = pfrt.rms_normalization %x, %s : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  func.return %a, %b, %c : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}
// CHECK-LABEL: @rare
// CHECK-NEXT:    pfrt.hardmax %x {axis = 1 : i64}
// CHECK-NEXT:    pfrt.lp_normalization %x {p = 1 : i64, axis = 1 : i64}
// CHECK-NEXT:    pfrt.rms_normalization %x, %s {axis = 1 : i64}

// -----

// While the rank is unknown, so is the axis.
func.func @unknown_rank(%x: tensor<*xf32>) -> tensor<*xf32> {
  %a = pfrt.softmax %x : tensor<*xf32> -> tensor<*xf32>
  func.return %a : tensor<*xf32>
}
// CHECK-LABEL: @unknown_rank
// CHECK-NEXT:    pfrt.softmax %x : tensor<*xf32>
