// RUN: pfrt-opt %s -p pfrt-canonicalize,pfrt-fold-constants | filecheck %s

// Constant numbers become properties whatever their rank; windows and filters become constants.
// CHECK-LABEL: @constants
// CHECK:         pfrt.dft %x {dft_length = 4 : i64, axis = 1 : i64}
// CHECK:         pfrt.constant dense<[0, 1, 0]> : tensor<3xi64>
// CHECK:         pfrt.constant dense<{{.*}}> : tensor<9x2xf32>
func.func @constants(%x: tensor<2x?x1xf32>) -> (tensor<2x?x2xf32>, tensor<?xi64>, tensor<?x?xf32>) {
  %a = pfrt.constant dense<1> : tensor<i64>
  %n = pfrt.constant dense<4> : tensor<1xi64>
  %0 = pfrt.dft %x length(%n : tensor<1xi64>) axis(%a : tensor<i64>) : tensor<2x?x1xf32> -> tensor<2x?x2xf32>
  %w = pfrt.constant dense<3> : tensor<i64>
  %1 = pfrt.hann_window %w {output_datatype = f32, periodic = false} : (tensor<i64>) -> tensor<?xf32>
  %2 = pfrt.cast %1 {to = i64} : tensor<?xf32> -> tensor<?xi64>
  %bins = pfrt.constant dense<2> : tensor<i64>
  %length = pfrt.constant dense<16> : tensor<i64>
  %rate = pfrt.constant dense<8000> : tensor<i64>
  %low = pfrt.constant dense<0.0> : tensor<f32>
  %high = pfrt.constant dense<4000.0> : tensor<f32>
  %3 = pfrt.mel_weight_matrix %bins, %length, %rate, %low, %high : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  func.return %0, %2, %3 : tensor<2x?x2xf32>, tensor<?xi64>, tensor<?x?xf32>
}
