// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Queries and keys hold one type.
func.func @f(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x4x8xf16>) {
  %0 = pfrt.attention %q, %k, %q : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf16>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C1: needs one element type, got f32, f16

// -----

// No mask of complex numbers.
func.func @f(%q: tensor<1x2x4x8xf32>, %m: tensor<4x4xcomplex<f32>>) {
  %0 = pfrt.attention %q, %q, %q mask(%m : tensor<4x4xcomplex<f32>>) : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C1: the mask cannot be tensor<4x4xcomplex<f32>>

// -----

// Lengths are i64.
func.func @f(%q: tensor<1x2x4x8xf32>, %l: tensor<1xi32>) {
  %0 = pfrt.attention %q, %q, %q lengths(%l : tensor<1xi32>) : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C1: lengths must be i64, got tensor<1xi32>

// -----

// Heads side by side that nobody counted.
func.func @f(%q: tensor<1x4x16xf32>) {
  %0 = pfrt.attention %q, %q, %q {q_num_heads = 2 : i64} : tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32> -> tensor<1x4x16xf32>
  func.return
}
// CHECK: pfrt.attention: C2: needs positive numbers of heads, got 2, 0

// -----

// Packed queries and unpacked keys.
func.func @f(%q: tensor<1x4x16xf32>, %k: tensor<1x2x4x8xf32>) {
  %0 = pfrt.attention %q, %k, %k {q_num_heads = 2 : i64, kv_num_heads = 2 : i64} : tensor<1x4x16xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x4x16xf32>
  func.return
}
// CHECK: pfrt.attention: C2: q, k and v need 3 or 4 dimensions, got tensor<1x2x4x8xf32>

// -----

// Heads that cannot share keys evenly.
func.func @f(%q: tensor<1x3x4x8xf32>, %k: tensor<1x2x4x8xf32>) {
  %0 = pfrt.attention %q, %k, %k : tensor<1x3x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x3x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C3: 3 heads of q for 2 of k

// -----

// Heads of 16 / 3 elements.
func.func @f(%q: tensor<1x4x16xf32>) {
  %0 = pfrt.attention %q, %q, %q {q_num_heads = 3 : i64, kv_num_heads = 1 : i64} : tensor<1x4x16xf32>, tensor<1x4x16xf32>, tensor<1x4x16xf32> -> tensor<1x4x16xf32>
  func.return
}
// CHECK: pfrt.attention: C3: 3 heads do not divide tensor<1x4x16xf32>

// -----

// Fewer values than keys.
func.func @f(%q: tensor<1x2x4x8xf32>, %v: tensor<1x2x3x8xf32>) {
  %0 = pfrt.attention %q, %q, %v : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x3x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C4: v must be tensor<1x2x4x8xf32>, got tensor<1x2x3x8xf32>

// -----

// Not the heads that the shape shows.
func.func @f(%q: tensor<1x2x4x8xf32>) {
  %0 = pfrt.attention %q, %q, %q {q_num_heads = 4 : i64} : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C4: q_num_heads is 4, the shapes have 2

// -----

// Past keys without their values.
func.func @f(%q: tensor<1x2x4x8xf32>) {
  %0 = pfrt.attention %q, %q, %q past_key(%q : tensor<1x2x4x8xf32>) : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C5: past_key and past_value must be given together

// -----

// Lengths of what has a past.
func.func @f(%q: tensor<1x2x4x8xf32>, %l: tensor<1xi64>) {
  %0 = pfrt.attention %q, %q, %q past_key(%q : tensor<1x2x4x8xf32>) past_value(%q : tensor<1x2x4x8xf32>) lengths(%l : tensor<1xi64>) : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C5: nonpad_kv_seqlen cannot be given with a past

// -----

// A mask for more keys than there are.
func.func @f(%q: tensor<1x2x4x8xf32>, %m: tensor<4x5xi1>) {
  %0 = pfrt.attention %q, %q, %q mask(%m : tensor<4x5xi1>) : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C6: the mask cannot be tensor<4x5xi1>

// -----

// A negative cap.
func.func @f(%q: tensor<1x2x4x8xf32>) {
  %0 = pfrt.attention %q, %q, %q {softcap = -1.0 : f32} : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C7: softcap must not be negative, got -1.0

// -----

// A softmax of integers.
func.func @f(%q: tensor<1x2x4x8xf32>) {
  %0 = pfrt.attention %q, %q, %q {softmax_precision = i32} : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>
  func.return
}
// CHECK: pfrt.attention: C7: softmax_precision cannot be i32

// -----

// Scores that were not asked for.
func.func @f(%q: tensor<1x2x4x8xf32>) {
  %0, %1 = pfrt.attention %q, %q, %q : tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32> -> tensor<1x2x4x8xf32>, tensor<1x2x4x4xf32>
  func.return
}
// CHECK: pfrt.attention: C8: 2 results, not 1

// -----

// Positions are i64.
func.func @f(%x: tensor<2x4x3x8xf32>, %c: tensor<50x4xf32>, %p: tensor<2x3xi32>) {
  %0 = pfrt.rotary_embedding %x, %c, %c positions(%p : tensor<2x3xi32>) : tensor<2x4x3x8xf32>, tensor<50x4xf32>, tensor<50x4xf32> -> tensor<2x4x3x8xf32>
  func.return
}
// CHECK: pfrt.rotary_embedding: C1: positions must be i64, got tensor<2x3xi32>

// -----

// Heads side by side that nobody counted.
func.func @f(%x: tensor<2x3x8xf32>, %c: tensor<2x3x4xf32>) {
  %0 = pfrt.rotary_embedding %x, %c, %c : tensor<2x3x8xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32> -> tensor<2x3x8xf32>
  func.return
}
// CHECK: pfrt.rotary_embedding: C2: 0 heads do not divide tensor<2x3x8xf32>

// -----

// More than a head has.
func.func @f(%x: tensor<2x4x3x8xf32>, %c: tensor<2x3x5xf32>) {
  %0 = pfrt.rotary_embedding %x, %c, %c {rotary_embedding_dim = 10 : i64} : tensor<2x4x3x8xf32>, tensor<2x3x5xf32>, tensor<2x3x5xf32> -> tensor<2x4x3x8xf32>
  func.return
}
// CHECK: pfrt.rotary_embedding: C3: cannot turn 10 elements of heads of 8

// -----

// Caches that are twice as wide as they should be.
func.func @f(%x: tensor<2x4x3x8xf32>, %c: tensor<2x3x8xf32>) {
  %0 = pfrt.rotary_embedding %x, %c, %c : tensor<2x4x3x8xf32>, tensor<2x3x8xf32>, tensor<2x3x8xf32> -> tensor<2x4x3x8xf32>
  func.return
}
// CHECK: pfrt.rotary_embedding: C4: cos_cache must be tensor<2x3x4xf32>, got tensor<2x3x8xf32>

// -----

// All but the state have one type.
func.func @f(%q: tensor<1x3x8xf32>, %k: tensor<1x3x8xf16>) {
  %0, %1 = pfrt.linear_attention %q, %k, %q {kv_num_heads = 2 : i64, q_num_heads = 2 : i64, update_rule = "linear"} : tensor<1x3x8xf32>, tensor<1x3x8xf16>, tensor<1x3x8xf32> -> tensor<1x3x8xf32>, tensor<1x2x4x4xf32>
  func.return
}
// CHECK: pfrt.linear_attention: C1: needs one element type, got f32, f16, f32

// -----

// Fewer heads of queries than of keys.
func.func @f(%q: tensor<1x3x8xf32>) {
  %0, %1 = pfrt.linear_attention %q, %q, %q {kv_num_heads = 2 : i64, q_num_heads = 1 : i64, update_rule = "linear"} : tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x3x8xf32>, tensor<1x2x4x4xf32>
  func.return
}
// CHECK: pfrt.linear_attention: C2: 1 heads of q for 2 of k

// -----

// A decay of no known form.
func.func @f(%q: tensor<1x3x8xf32>, %g: tensor<1x3x3xf32>) {
  %0, %1 = pfrt.linear_attention %q, %q, %q decay(%g : tensor<1x3x3xf32>) {kv_num_heads = 2 : i64, q_num_heads = 2 : i64, update_rule = "gated"} : tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x3x8xf32>, tensor<1x2x4x4xf32>
  func.return
}
// CHECK: pfrt.linear_attention: C3: decay must have 2 or 8 columns

// -----

// A rate that nothing uses.
func.func @f(%q: tensor<1x3x8xf32>, %g: tensor<1x3x2xf32>) {
  %0, %1 = pfrt.linear_attention %q, %q, %q beta(%g : tensor<1x3x2xf32>) {kv_num_heads = 2 : i64, q_num_heads = 2 : i64, update_rule = "linear"} : tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x3x8xf32>, tensor<1x2x4x4xf32>
  func.return
}
// CHECK: pfrt.linear_attention: C4: "linear" has no beta

// -----

// A rule that nobody knows.
func.func @f(%q: tensor<1x3x8xf32>) {
  %0, %1 = pfrt.linear_attention %q, %q, %q {kv_num_heads = 2 : i64, q_num_heads = 2 : i64, update_rule = "gilded"} : tensor<1x3x8xf32>, tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x3x8xf32>, tensor<1x2x4x4xf32>
  func.return
}
// CHECK: pfrt.linear_attention: C4: unknown update_rule "gilded"
