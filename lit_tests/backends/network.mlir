// RUN: pfrt-run %s --backend numpy --opt-level 0
// RUN: pfrt-run %s --backend reference --opt-level 0

// A residual block: values that live across others keep their memory.
func.func @residual() {
  %x = pfrt.constant dense<[[1.0, -2.0]]> : tensor<1x2xf32>
  %w = pfrt.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %b = pfrt.constant dense<[1.0, -1.0]> : tensor<2xf32>
  %e = pfrt.constant dense<[[4.0, 6.0]]> : tensor<1x2xf32>
  %r = pfrt.relu %x : tensor<1x2xf32> -> tensor<1x2xf32>
  %h = pfrt.gemm %r, %w, %b {trans_b = true} : (tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %g = pfrt.gemm %h, %w {alpha = 0.5 : f32} : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32>
  %s = pfrt.add %g, %h : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %y = pfrt.sub %s, %r : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %z = pfrt.sub %y, %h : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  %t = pfrt.add %z, %r : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  check.expect_close %t, %e : tensor<1x2xf32>
  func.return
}

// Batch norm with statistics that are known beforehand: (x - mean) / sqrt(var + epsilon) * scale + bias.
func.func @batch_norm() {
  %x = pfrt.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %scale = pfrt.constant dense<[2.0, 1.0]> : tensor<2xf32>
  %bias = pfrt.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %mean = pfrt.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %var = pfrt.constant dense<[3.0, 0.0]> : tensor<2xf32>
  %e = pfrt.constant dense<[[1.0, -1.0], [3.0, 1.0]]> : tensor<2x2xf32>
  %y = pfrt.batch_normalization %x, %scale, %bias, %mean, %var {epsilon = 1.0 : f32} : (tensor<2x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x2xf32>
  check.expect_close %y, %e : tensor<2x2xf32>
  func.return
}

// Softmax does not overflow; along another axis than the last.
func.func @softmax() {
  %x = pfrt.constant dense<[[1000.0, 0.0], [1000.0, -1000.0]]> : tensor<2x2xf32>
  %e = pfrt.constant dense<[[0.5, 1.0], [0.5, 0.0]]> : tensor<2x2xf32>
  %l = pfrt.constant dense<[[-0.6931472, 0.0], [-0.6931472, -1000.0]]> : tensor<2x2xf32>
  %y = pfrt.softmax %x {axis = 0 : i64} : tensor<2x2xf32> -> tensor<2x2xf32>
  %z = pfrt.log_softmax %x {axis = 0 : i64} : tensor<2x2xf32> -> tensor<2x2xf32>
  check.expect_close %y, %e : tensor<2x2xf32>
  check.expect_close %z, %l : tensor<2x2xf32>
  func.return
}

// A loop counts to its trip count, and collects what it sees.
func.func @loop() {
  %m = pfrt.constant dense<3> : tensor<i64>
  %x = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %e = pfrt.constant dense<[8.0, 16.0]> : tensor<2xf32>
  %f = pfrt.constant dense<[[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]]> : tensor<3x2xf32>
  %n, %s = pfrt.loop trip(%m) carry(%x) -> (tensor<2xf32>, tensor<?x2xf32>) {
  ^bb0(%i: tensor<i64>, %cond: tensor<i1>, %v: tensor<2xf32>):
    %w = pfrt.add %v, %v : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    pfrt.yield %cond, %w, %v : tensor<i1>, tensor<2xf32>, tensor<2xf32>
  } : trip tensor<i64> carry(tensor<2xf32>)
  check.expect_eq %n, %e : tensor<2xf32>
  check.expect_eq %s, %f : tensor<?x2xf32>, tensor<3x2xf32>
  func.return
}
