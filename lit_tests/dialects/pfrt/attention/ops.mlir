// RUN: pfrt-opt %s --split-input-file | filecheck %s

// All that can be given with a past: results in their order.
func.func @f(%q: tensor<2x8x4x16xf16>, %k: tensor<2x2x6x16xf16>, %v: tensor<2x2x6x32xf32>, %m: tensor<4x9xi1>, %pk: tensor<2x2x3x16xf16>, %pv: tensor<2x2x3x32xf32>) {
  // CHECK: pfrt.attention %q, %k, %v mask(%m : tensor<4x9xi1>) past_key(%pk : tensor<2x2x3x16xf16>) past_value(%pv : tensor<2x2x3x32xf32>) as "y", "pk", "pv", "qk" {is_causal = true, left_window_size = 2 : i64, present = true, qk_matmul_output_mode = 3 : i64, right_window_size = 0 : i64, scale = 5.000000e-01 : f32, softcap = 2.000000e+00 : f32, softmax_precision = f32} : tensor<2x8x4x16xf16>, tensor<2x2x6x16xf16>, tensor<2x2x6x32xf32> -> tensor<2x8x4x32xf16>, tensor<2x2x9x16xf16>, tensor<2x2x9x32xf32>, tensor<2x8x4x9xf16>
  %y, %a, %b, %c = pfrt.attention %q, %k, %v mask(%m : tensor<4x9xi1>) past_key(%pk : tensor<2x2x3x16xf16>) past_value(%pv : tensor<2x2x3x32xf32>) as "y", "pk", "pv", "qk" {is_causal = true, left_window_size = 2 : i64, present = true, qk_matmul_output_mode = 3 : i64, right_window_size = 0 : i64, scale = 5.000000e-01 : f32, softcap = 2.000000e+00 : f32, softmax_precision = f32} : tensor<2x8x4x16xf16>, tensor<2x2x6x16xf16>, tensor<2x2x6x32xf32> -> tensor<2x8x4x32xf16>, tensor<2x2x9x16xf16>, tensor<2x2x9x32xf32>, tensor<2x8x4x9xf16>
  func.return
}

// -----

// Heads side by side, a number of keys for each batch, nothing known of how many there are.
func.func @f(%q: tensor<?x?x64xf32>, %k: tensor<?x?x32xf32>, %v: tensor<?x?x48xf32>, %l: tensor<?xi64>) -> tensor<?x?x96xf32> {
  // CHECK: pfrt.attention %q, %k, %v lengths(%l : tensor<?xi64>) {kv_num_heads = 2 : i64, q_num_heads = 4 : i64} : tensor<?x?x64xf32>, tensor<?x?x32xf32>, tensor<?x?x48xf32> -> tensor<?x?x96xf32>
  %y = pfrt.attention %q, %k, %v lengths(%l : tensor<?xi64>) {kv_num_heads = 2 : i64, q_num_heads = 4 : i64} : tensor<?x?x64xf32>, tensor<?x?x32xf32>, tensor<?x?x48xf32> -> tensor<?x?x96xf32>
  func.return %y : tensor<?x?x96xf32>
}

// -----

// Scores without the past's keys and values, the rank of x unknown.
func.func @f(%q: tensor<*xf32>, %k: tensor<*xf32>, %v: tensor<*xf32>) -> tensor<?x?x?x?xf32> {
  // CHECK: pfrt.attention %q, %k, %v {qk_matmul_output_mode = 0 : i64} : tensor<*xf32>, tensor<*xf32>, tensor<*xf32> -> tensor<*xf32>, tensor<?x?x?x?xf32>
  %y, %s = pfrt.attention %q, %k, %v {qk_matmul_output_mode = 0 : i64} : tensor<*xf32>, tensor<*xf32>, tensor<*xf32> -> tensor<*xf32>, tensor<?x?x?x?xf32>
  func.return %s : tensor<?x?x?x?xf32>
}

// -----

// Rows of the caches for each position, and caches with a row for each.
func.func @f(%x: tensor<?x3x32xf32>, %c: tensor<50x2xf32>, %d: tensor<?x3x2xf32>, %p: tensor<?x3xi64>) -> (tensor<?x3x32xf32>, tensor<?x3x32xf32>) {
  // CHECK: pfrt.rotary_embedding %x, %c, %c positions(%p : tensor<?x3xi64>) {num_heads = 4 : i64, rotary_embedding_dim = 4 : i64} : tensor<?x3x32xf32>, tensor<50x2xf32>, tensor<50x2xf32> -> tensor<?x3x32xf32>
  %0 = pfrt.rotary_embedding %x, %c, %c positions(%p : tensor<?x3xi64>) {num_heads = 4 : i64, rotary_embedding_dim = 4 : i64} : tensor<?x3x32xf32>, tensor<50x2xf32>, tensor<50x2xf32> -> tensor<?x3x32xf32>
  // CHECK: pfrt.rotary_embedding %x, %d, %d {interleaved = true, num_heads = 8 : i64} : tensor<?x3x32xf32>, tensor<?x3x2xf32>, tensor<?x3x2xf32> -> tensor<?x3x32xf32>
  %1 = pfrt.rotary_embedding %x, %d, %d {interleaved = true, num_heads = 8 : i64} : tensor<?x3x32xf32>, tensor<?x3x2xf32>, tensor<?x3x2xf32> -> tensor<?x3x32xf32>
  func.return %0, %1 : tensor<?x3x32xf32>, tensor<?x3x32xf32>
}

// -----

// A state of another type, a decay for each element of a key, one rate for all heads.
func.func @f(%q: tensor<2x?x64xf16>, %k: tensor<2x?x32xf16>, %v: tensor<2x?x64xf16>, %s: tensor<2x4x8x16xf32>, %g: tensor<2x?x32xf16>, %r: tensor<2x?x1xf16>) -> (tensor<2x?x128xf16>, tensor<2x4x8x16xf32>) {
  // CHECK: pfrt.linear_attention %q, %k, %v state(%s : tensor<2x4x8x16xf32>) decay(%g : tensor<2x?x32xf16>) beta(%r : tensor<2x?x1xf16>) {kv_num_heads = 4 : i64, q_num_heads = 8 : i64, scale = 5.000000e-01 : f32} : tensor<2x?x64xf16>, tensor<2x?x32xf16>, tensor<2x?x64xf16> -> tensor<2x?x128xf16>, tensor<2x4x8x16xf32>
  %y, %n = pfrt.linear_attention %q, %k, %v state(%s : tensor<2x4x8x16xf32>) decay(%g : tensor<2x?x32xf16>) beta(%r : tensor<2x?x1xf16>) {kv_num_heads = 4 : i64, q_num_heads = 8 : i64, scale = 5.000000e-01 : f32} : tensor<2x?x64xf16>, tensor<2x?x32xf16>, tensor<2x?x64xf16> -> tensor<2x?x128xf16>, tensor<2x4x8x16xf32>
  func.return %y, %n : tensor<2x?x128xf16>, tensor<2x4x8x16xf32>
}
