// RUN: pfrt-opt %s -p pfrt-recognize-attention,pfrt-canonicalize --split-input-file | filecheck %s

// Heads are taken apart and put together on all sides: nothing is left but the op.
func.func @packed(%q: tensor<?x?x24xf32> {pfrt.name = "q", pfrt.dims = ["B", "L", ""]}, %k: tensor<?x?x24xf32> {pfrt.name = "k", pfrt.dims = ["B", "L", ""]}, %v: tensor<?x?x24xf32> {pfrt.name = "v", pfrt.dims = ["B", "L", ""]}, %m: tensor<?x1x1x?xf32> {pfrt.name = "m", pfrt.dims = ["B", "", "", "L"]}) -> tensor<?x?x24xf32> {
  %c = pfrt.constant dense<2.82842708> : tensor<f32>
  %q0 = pfrt.reshape %q {shape = array<i64: 0, 0, 3, 8>} : (tensor<?x?x24xf32>) -> tensor<?x?x3x8xf32>
  %k0 = pfrt.reshape %k {shape = array<i64: 0, 0, 3, 8>} : (tensor<?x?x24xf32>) -> tensor<?x?x3x8xf32>
  %v0 = pfrt.reshape %v {shape = array<i64: 0, 0, 3, 8>} : (tensor<?x?x24xf32>) -> tensor<?x?x3x8xf32>
  %q1 = pfrt.transpose %q0 {perm = array<i64: 0, 2, 1, 3>} : tensor<?x?x3x8xf32> -> tensor<?x3x?x8xf32>
  %k1 = pfrt.transpose %k0 {perm = array<i64: 0, 2, 3, 1>} : tensor<?x?x3x8xf32> -> tensor<?x3x8x?xf32>
  %v1 = pfrt.transpose %v0 {perm = array<i64: 0, 2, 1, 3>} : tensor<?x?x3x8xf32> -> tensor<?x3x?x8xf32>
  %s = pfrt.matmul %q1, %k1 : tensor<?x3x?x8xf32>, tensor<?x3x8x?xf32> -> tensor<?x3x?x?xf32>
  %d = pfrt.div %s, %c : (tensor<?x3x?x?xf32>, tensor<f32>) -> tensor<?x3x?x?xf32>
  %a = pfrt.add %m, %d : (tensor<?x1x1x?xf32>, tensor<?x3x?x?xf32>) -> tensor<?x3x?x?xf32>
  %p = pfrt.softmax %a {axis = -1 : i64} : tensor<?x3x?x?xf32> -> tensor<?x3x?x?xf32>
  %o = pfrt.matmul %p, %v1 : tensor<?x3x?x?xf32>, tensor<?x3x?x8xf32> -> tensor<?x3x?x8xf32>
  %t = pfrt.transpose %o {perm = array<i64: 0, 2, 1, 3>} : tensor<?x3x?x8xf32> -> tensor<?x?x3x8xf32>
  %y = pfrt.reshape %t as "y" {shape = array<i64: 0, 0, 24>} : (tensor<?x?x3x8xf32>) -> tensor<?x?x24xf32>
  func.return %y : tensor<?x?x24xf32>
}
// CHECK-LABEL: @packed
// CHECK-NEXT: %y = pfrt.attention %q, %k, %v mask(%m : tensor<?x1x1x?xf32>) as "y" {q_num_heads = 3 : i64, kv_num_heads = 3 : i64}
// CHECK-NEXT: func.return

// -----

// The root of the scale on either side, a mask that fills in the lowest number, no heads to pack.
func.func @filled(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x6x8xf32>, %v: tensor<1x2x6x8xf32>, %hide: tensor<4x6xi1>) -> tensor<1x2x4x8xf32> {
  %c = pfrt.constant dense<0.5> : tensor<1xf32>
  %low = pfrt.constant dense<-3.40282347e+38> : tensor<f32>
  %kt = pfrt.transpose %k {perm = array<i64: 0, 1, 3, 2>} : tensor<1x2x6x8xf32> -> tensor<1x2x8x6xf32>
  %qc = pfrt.mul %q, %c : (tensor<1x2x4x8xf32>, tensor<1xf32>) -> tensor<1x2x4x8xf32>
  %kc = pfrt.mul %kt, %c : (tensor<1x2x8x6xf32>, tensor<1xf32>) -> tensor<1x2x8x6xf32>
  %s = pfrt.matmul %qc, %kc : tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32> -> tensor<1x2x4x6xf32>
  %m = pfrt.where %hide, %low, %s : (tensor<4x6xi1>, tensor<f32>, tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %p = pfrt.softmax %m {axis = 3 : i64} : tensor<1x2x4x6xf32> -> tensor<1x2x4x6xf32>
  %y = pfrt.matmul %p, %v : tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32> -> tensor<1x2x4x8xf32>
  func.return %y : tensor<1x2x4x8xf32>
}
// CHECK-LABEL: @filled
// CHECK: %[[M:.*]] = pfrt.where %hide, %{{.*}}, %{{.*}} -> tensor<4x6xf32>
// CHECK-NEXT: pfrt.attention %q, %k, %v mask(%[[M]] : tensor<4x6xf32>) {scale = 2.5{{0*}}e-01 : f32}

// -----

// A guard against NaN is what the op does anyway; keys that come transposed are turned.
func.func @guarded(%q: tensor<1x2x4x8xf32>, %kt: tensor<1x2x8x6xf32>, %v: tensor<1x2x6x8xf32>) -> tensor<1x2x4x8xf32> {
  %zero = pfrt.constant dense<0.0> : tensor<f32>
  %s = pfrt.matmul %q, %kt : tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32> -> tensor<1x2x4x6xf32>
  %p = pfrt.softmax %s {axis = 3 : i64} : tensor<1x2x4x6xf32> -> tensor<1x2x4x6xf32>
  %n = pfrt.is_nan %p : tensor<1x2x4x6xf32> -> tensor<1x2x4x6xi1>
  %g = pfrt.where %n, %zero, %p : (tensor<1x2x4x6xi1>, tensor<f32>, tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %y = pfrt.matmul %g, %v : tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32> -> tensor<1x2x4x8xf32>
  func.return %y : tensor<1x2x4x8xf32>
}
// CHECK-LABEL: @guarded
// CHECK: %[[K:.*]] = pfrt.transpose %kt {perm = array<i64: 0, 1, 3, 2>}
// CHECK-NEXT: pfrt.attention %q, %[[K]], %v {scale = 1.0{{0*}}e+00 : f32}
// CHECK-NEXT: func.return

// -----

// A number beside which scores count cannot be added: a query that sees nothing would change.
func.func @counting(%q: tensor<1x2x4x8xf32>, %kt: tensor<1x2x8x6xf32>, %v: tensor<1x2x6x8xf32>, %hide: tensor<4x6xi1>) -> tensor<1x2x4x8xf32> {
  %low = pfrt.constant dense<-10000.0> : tensor<f32>
  %s = pfrt.matmul %q, %kt : tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32> -> tensor<1x2x4x6xf32>
  %m = pfrt.where %hide, %low, %s : (tensor<4x6xi1>, tensor<f32>, tensor<1x2x4x6xf32>) -> tensor<1x2x4x6xf32>
  %p = pfrt.softmax %m {axis = 3 : i64} : tensor<1x2x4x6xf32> -> tensor<1x2x4x6xf32>
  %y = pfrt.matmul %p, %v : tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32> -> tensor<1x2x4x8xf32>
  func.return %y : tensor<1x2x4x8xf32>
}
// CHECK-LABEL: @counting
// CHECK-NOT: pfrt.attention

// -----

// Scores that a mask would broadcast have more batches than the queries.
func.func @broadcast(%q: tensor<1x2x4x8xf32>, %kt: tensor<1x2x8x6xf32>, %v: tensor<1x2x6x8xf32>, %m: tensor<3x1x4x6xf32>) -> tensor<3x2x4x8xf32> {
  %s = pfrt.matmul %q, %kt : tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32> -> tensor<1x2x4x6xf32>
  %a = pfrt.add %s, %m : (tensor<1x2x4x6xf32>, tensor<3x1x4x6xf32>) -> tensor<3x2x4x6xf32>
  %p = pfrt.softmax %a {axis = 3 : i64} : tensor<3x2x4x6xf32> -> tensor<3x2x4x6xf32>
  %y = pfrt.matmul %p, %v : tensor<3x2x4x6xf32>, tensor<1x2x6x8xf32> -> tensor<3x2x4x8xf32>
  func.return %y : tensor<3x2x4x8xf32>
}
// CHECK-LABEL: @broadcast
// CHECK-NOT: pfrt.attention

// -----

// A mask of one key is for all keys, which the op must be told.
func.func @one_key(%q: tensor<1x2x4x8xf32>, %kt: tensor<1x2x8x6xf32>, %v: tensor<1x2x6x8xf32>, %m: tensor<4x1xf32>) -> tensor<1x2x4x8xf32> {
  %s = pfrt.matmul %q, %kt : tensor<1x2x4x8xf32>, tensor<1x2x8x6xf32> -> tensor<1x2x4x6xf32>
  %a = pfrt.add %s, %m : (tensor<1x2x4x6xf32>, tensor<4x1xf32>) -> tensor<1x2x4x6xf32>
  %p = pfrt.softmax %a {axis = 3 : i64} : tensor<1x2x4x6xf32> -> tensor<1x2x4x6xf32>
  %y = pfrt.matmul %p, %v : tensor<1x2x4x6xf32>, tensor<1x2x6x8xf32> -> tensor<1x2x4x8xf32>
  func.return %y : tensor<1x2x4x8xf32>
}
// CHECK-LABEL: @one_key
// CHECK: pfrt.attention {{.*}} mask(%m : tensor<4x1xf32>) {{.*}}broadcast_mask = true

// -----

// Keys and values that go on from the past are results of the op; so are those of the model.
func.func @past(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x4x8xf32>, %v: tensor<1x2x4x8xf32>, %pk: tensor<1x2x?x8xf32> {pfrt.name = "pk", pfrt.dims = ["", "", "P", ""]}, %pv: tensor<1x2x?x8xf32> {pfrt.name = "pv", pfrt.dims = ["", "", "P", ""]}) -> (tensor<1x2x4x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) {
  %ks = pfrt.concat %pk, %k as "ks" {axis = 2 : i64} : (tensor<1x2x?x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x?x8xf32>
  %vs = pfrt.concat %pv, %v as "vs" {axis = 2 : i64} : (tensor<1x2x?x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x?x8xf32>
  %kt = pfrt.transpose %ks {perm = array<i64: 0, 1, 3, 2>} : tensor<1x2x?x8xf32> -> tensor<1x2x8x?xf32>
  %s = pfrt.matmul %q, %kt : tensor<1x2x4x8xf32>, tensor<1x2x8x?xf32> -> tensor<1x2x4x?xf32>
  %p = pfrt.softmax %s {axis = 3 : i64} : tensor<1x2x4x?xf32> -> tensor<1x2x4x?xf32>
  %y = pfrt.matmul %p, %vs as "y" : tensor<1x2x4x?xf32>, tensor<1x2x?x8xf32> -> tensor<1x2x4x8xf32>
  func.return %y, %ks, %vs : tensor<1x2x4x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>
}
// CHECK-LABEL: @past
// CHECK-NEXT: %y, %[[K:.*]], %[[V:.*]] = pfrt.attention %q, %k, %v past_key(%pk : {{.*}}) past_value(%pv : {{.*}}) as "y", "ks", "vs" {{.*}}present = true
// CHECK-NEXT: func.return %y, %[[K]], %[[V]]

// -----

// Queries, keys and values that are made together are split instead of stacked.
func.func @stacked(%x: tensor<?x5x24xf32>) -> tensor<?x5x8xf32> {
  %c = pfrt.constant dense<0.5> : tensor<f32>
  %i0 = pfrt.constant dense<0> : tensor<i64>
  %r = pfrt.reshape %x {shape = array<i64: 0, 5, 3, 2, 4>} : (tensor<?x5x24xf32>) -> tensor<?x5x3x2x4xf32>
  %t = pfrt.transpose %r {perm = array<i64: 2, 0, 3, 1, 4>} : tensor<?x5x3x2x4xf32> -> tensor<3x?x2x5x4xf32>
  %q = pfrt.gather %t, %i0 : (tensor<3x?x2x5x4xf32>, tensor<i64>) -> tensor<?x2x5x4xf32>
  %k0 = pfrt.slice %t {starts = array<i64: 1>, ends = array<i64: 2>, axes = array<i64: 0>} : tensor<3x?x2x5x4xf32> -> tensor<1x?x2x5x4xf32>
  %k = pfrt.squeeze %k0 {axes = array<i64: 0>} : (tensor<1x?x2x5x4xf32>) -> tensor<?x2x5x4xf32>
  %v0, %v1, %v2 = pfrt.split %t {num_outputs = 3 : i64} : (tensor<3x?x2x5x4xf32>) -> (tensor<1x?x2x5x4xf32>, tensor<1x?x2x5x4xf32>, tensor<1x?x2x5x4xf32>)
  %v = pfrt.squeeze %v2 {axes = array<i64: 0>} : (tensor<1x?x2x5x4xf32>) -> tensor<?x2x5x4xf32>
  %kt = pfrt.transpose %k {perm = array<i64: 0, 1, 3, 2>} : tensor<?x2x5x4xf32> -> tensor<?x2x4x5xf32>
  %s = pfrt.matmul %q, %kt : tensor<?x2x5x4xf32>, tensor<?x2x4x5xf32> -> tensor<?x2x5x5xf32>
  %d = pfrt.mul %s, %c : (tensor<?x2x5x5xf32>, tensor<f32>) -> tensor<?x2x5x5xf32>
  %p = pfrt.softmax %d {axis = 3 : i64} : tensor<?x2x5x5xf32> -> tensor<?x2x5x5xf32>
  %o = pfrt.matmul %p, %v : tensor<?x2x5x5xf32>, tensor<?x2x5x4xf32> -> tensor<?x2x5x4xf32>
  %u = pfrt.transpose %o {perm = array<i64: 0, 2, 1, 3>} : tensor<?x2x5x4xf32> -> tensor<?x5x2x4xf32>
  %y = pfrt.reshape %u {shape = array<i64: 0, 5, 8>} : (tensor<?x5x2x4xf32>) -> tensor<?x5x8xf32>
  func.return %y : tensor<?x5x8xf32>
}
// CHECK-LABEL: @stacked
// CHECK-NEXT: %[[Q:.*]], %[[K:.*]], %[[V:.*]] = pfrt.split %x {num_outputs = 3 : i64, axis = 2 : i64}
// CHECK-NEXT: pfrt.attention %[[Q]], %[[K]], %[[V]] {q_num_heads = 2 : i64, kv_num_heads = 2 : i64}
// CHECK-NEXT: func.return

// -----

// Without batches of heads there is one head.
func.func @one_head(%q: tensor<6x4x8xf32>, %kt: tensor<6x8x5xf32>, %v: tensor<6x5x8xf32>, %m: tensor<6x4x5xf32>) -> tensor<6x4x8xf32> {
  %s = pfrt.matmul %q, %kt : tensor<6x4x8xf32>, tensor<6x8x5xf32> -> tensor<6x4x5xf32>
  %a = pfrt.add %s, %m : (tensor<6x4x5xf32>, tensor<6x4x5xf32>) -> tensor<6x4x5xf32>
  %p = pfrt.softmax %a {axis = 2 : i64} : tensor<6x4x5xf32> -> tensor<6x4x5xf32>
  %y = pfrt.matmul %p, %v : tensor<6x4x5xf32>, tensor<6x5x8xf32> -> tensor<6x4x8xf32>
  func.return %y : tensor<6x4x8xf32>
}
// CHECK-LABEL: @one_head
// CHECK: %[[M:.*]] = pfrt.unsqueeze %m {axes = array<i64: 1>}
// CHECK: pfrt.attention %q, %{{.*}}, %v mask(%[[M]] : tensor<6x1x4x5xf32>) {{.*}}q_num_heads = 1

// -----

// A query that sees nothing: its softmax is no number, which the op would make 0.
func.func @blind(%q: tensor<1x1x1x8xf32>, %kt: tensor<1x1x8x2xf32>, %v: tensor<1x1x2x8xf32>) -> tensor<1x1x1x8xf32> {
  %m = pfrt.constant dense<"0x000080FF000080FF"> : tensor<1x2xf32>
  %s = pfrt.matmul %q, %kt : tensor<1x1x1x8xf32>, tensor<1x1x8x2xf32> -> tensor<1x1x1x2xf32>
  %a = pfrt.add %s, %m : (tensor<1x1x1x2xf32>, tensor<1x2xf32>) -> tensor<1x1x1x2xf32>
  %p = pfrt.softmax %a {axis = -1 : i64} : tensor<1x1x1x2xf32> -> tensor<1x1x1x2xf32>
  %y = pfrt.matmul %p, %v : tensor<1x1x1x2xf32>, tensor<1x1x2x8xf32> -> tensor<1x1x1x8xf32>
  func.return %y : tensor<1x1x1x8xf32>
}
// CHECK-LABEL: @blind
// CHECK: pfrt.softmax
