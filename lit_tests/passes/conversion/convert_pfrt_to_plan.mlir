// RUN: pfrt-opt %s -p convert-pfrt-to-plan --split-input-file | filecheck %s

// A late algorithm reads the argument and fills the result directly; what is between is placed.
func.func @main(%x: tensor<4xf32> {pfrt.name = "x"}) -> (tensor<4xf32> {pfrt.name = "y"}) {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.neg %a : tensor<4xf32> -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CHECK: func.func @main(%x: memref<4xf32> {pfrt.name = "x"}) -> (memref<4xf32> {pfrt.name = "y"})
// CHECK-NEXT: %a = plan.alloc : memref<4xf32>
// CHECK-NEXT: plan.call @relu(%x) into(%a) : (memref<4xf32>) into(memref<4xf32>)
// CHECK-NEXT: %y = plan.new : memref<4xf32>
// CHECK-NEXT: plan.call @neg(%a) into(%y)
// CHECK-NEXT: func.return %y : memref<4xf32>

// -----

// Shapes known at run time only: calls own their results.
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = pfrt.relu %x : tensor<?xf32> -> tensor<?xf32>
  func.return %y : tensor<?xf32>
}
// CHECK: %y = plan.call @relu(%x) : (memref<?xf32>) -> memref<?xf32>
// CHECK-NEXT: func.return %y

// -----

// A bound algorithm gets one copy of an argument for all its uses, and its result is copied out.
func.func @main(%x: tensor<1x2x3x3xf32>, %w: tensor<2x2x1x1xf32>) -> tensor<1x2x3x3xf32> {
  %a = pfrt.conv %x, %w : (tensor<1x2x3x3xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x3x3xf32>
  %b = pfrt.conv %a, %w : (tensor<1x2x3x3xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x3x3xf32>
  func.return %b : tensor<1x2x3x3xf32>
}
// CHECK: plan.call @copy(%x)
// CHECK: plan.call @copy(%w) into([[W:%.*]]) :
// CHECK: plan.call @conv_gemm_1x1({{.*}}, [[W]]) into(%a)
// CHECK-NEXT: %b = plan.alloc
// CHECK-NEXT: plan.call @conv_gemm_1x1(%a, [[W]]) into(%b)
// CHECK-NEXT: [[Y:%.*]] = plan.new
// CHECK-NEXT: plan.call @copy(%b) into([[Y]])
// CHECK-NEXT: func.return [[Y]]

// -----

// Other windows are unfolded to columns; only pads need a padded input. Short rows are first
// unfolded along themselves. The bias is absent.
func.func @main(%x: tensor<2x2x4x4xf32>) -> tensor<2x1x1x1xf32> {
  %w = pfrt.constant dense<1.0> : tensor<2x2x3x3xf32>
  %v = pfrt.constant dense<1.0> : tensor<1x2x4x4xf32>
  %a = pfrt.conv %x, %w {pads = array<i64: 1, 1, 1, 1>} : (tensor<2x2x4x4xf32>, tensor<2x2x3x3xf32>) -> tensor<2x2x4x4xf32>
  %b = pfrt.conv %a, %v : (tensor<2x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<2x1x1x1xf32>
  func.return %b : tensor<2x1x1x1xf32>
}
// CHECK: [[PADDED:%.*]] = plan.alloc : memref<2x2x6x6xf32>
// CHECK-NEXT: [[COLUMNS:%.*]] = plan.alloc : memref<2x2x3x3x4x4xf32>
// CHECK-NEXT: [[ALONG:%.*]] = plan.alloc : memref<2x2x3x6x4xf32>
// CHECK-NEXT: plan.call @conv_im2col({{.*}}, %w) into(%a) scratch([[PADDED]], [[COLUMNS]], [[ALONG]]) {{.*}}absent = array<i64: 2, 3>
// CHECK: [[COLUMNS:%.*]] = plan.alloc : memref<2x2x4x4x1x1xf32>
// CHECK-NEXT: plan.call @conv_im2col(%a, %v) into(%b) scratch([[COLUMNS]])

// -----

// A pool goes along one axis after the other, and pads nothing: scratch is what each but the last gives.
func.func @main(%x: tensor<1x1x4x6xf32>) -> tensor<1x1x2x5xf32> {
  %y = pfrt.max_pool %x {kernel_shape = array<i64: 3, 2>, strides = array<i64: 2, 1>, ceil_mode = true} : tensor<1x1x4x6xf32> -> tensor<1x1x2x5xf32>
  func.return %y : tensor<1x1x2x5xf32>
}
// CHECK: [[ROWS:%.*]] = plan.alloc : memref<1x1x2x6xf32>
// CHECK-NEXT: plan.call @max_pool({{.*}}) into(%y) scratch([[ROWS]])

// -----

// Constant statistics are folded into scale and shift once; others in every run.
func.func @main(%x: tensor<1x2xf32>, %m: tensor<2xf32>) -> tensor<1x2xf32> {
  %c = pfrt.constant dense<1.0> : tensor<2xf32>
  %a = pfrt.batch_normalization %x, %c, %c, %c, %c : (tensor<1x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %b = pfrt.batch_normalization %a, %c, %c, %m, %c : (tensor<1x2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  func.return %b : tensor<1x2xf32>
}
// CHECK: plan.call @batch_normalization_folded(
// CHECK: plan.call @batch_normalization(

// -----

// An element type that NumPy does not compute in goes to the kernel, which fills the buffer too.
func.func @main(%x: tensor<4xbf16>) -> tensor<4xbf16> {
  %y = pfrt.tanh %x : tensor<4xbf16> -> tensor<4xbf16>
  func.return %y : tensor<4xbf16>
}
// CHECK: %y = plan.new
// CHECK-NEXT: plan.call @tanh(%x) into(%y) : (memref<4xbf16>) into(memref<4xbf16>)

// -----

// A reshape is a view. Its memory is not its own, so it is copied when it leaves.
func.func @main(%x: tensor<4xf32>) -> tensor<2x2xf32> {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  %y = pfrt.reshape %a {shape = array<i64: 2, 2>} : (tensor<4xf32>) -> tensor<2x2xf32>
  func.return %y : tensor<2x2xf32>
}
// CHECK: %y = plan.reshape %a : memref<4xf32> -> memref<2x2xf32>
// CHECK-NEXT: [[Y:%.*]] = plan.new : memref<2x2xf32>
// CHECK-NEXT: plan.call @copy(%y) into([[Y]])

// -----

// Arguments, constants, and what leaves already are copied when they leave.
func.func @main(%x: tensor<2xf32>, %z: tensor<?xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<?xf32>) {
  %c = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %a = pfrt.relu %x : tensor<2xf32> -> tensor<2xf32>
  func.return %x, %c, %a, %a, %z : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<?xf32>
}
// CHECK: plan.call @copy(%x) into([[X:%.*]]) :
// CHECK: plan.call @copy(%c) into([[C:%.*]]) :
// CHECK: plan.call @copy(%a) into([[A:%.*]]) :
// CHECK: [[Z:%.*]] = plan.call @copy(%z) : (memref<?xf32>) -> memref<?xf32>
// CHECK: func.return [[X]], [[C]], %a, [[A]], [[Z]]

// -----

// A large fill of a known value is a constant that holds one element.
func.func @main(%x: tensor<1x1000xf32>) -> tensor<1x3000xf32> {
  %w = pfrt.constant_of_shape {shape = array<i64: 1000, 3000>, value = dense<2.0> : tensor<1xf32>} : () -> tensor<1000x3000xf32>
  %y = pfrt.matmul %x, %w : tensor<1x1000xf32>, tensor<1000x3000xf32> -> tensor<1x3000xf32>
  func.return %y : tensor<1x3000xf32>
}
// CHECK: %w = plan.constant {value = dense<2.0{{.*}}> : tensor<1000x3000xf32>} : memref<1000x3000xf32>

// -----

// A value from outside a branch is copied when the branch yields it; results of an if are owned.
func.func @main(%c: tensor<i1>, %x: tensor<2xf32>) -> tensor<2xf32> {
  %y = pfrt.if %c -> (tensor<2xf32>) {
    pfrt.yield %x : tensor<2xf32>
  } else {
    %a = pfrt.neg %x : tensor<2xf32> -> tensor<2xf32>
    pfrt.yield %a : tensor<2xf32>
  } : tensor<i1>
  func.return %y : tensor<2xf32>
}
// CHECK: %y = plan.if %c -> (memref<2xf32>) {
// CHECK-NEXT: [[X:%.*]] = plan.new
// CHECK-NEXT: plan.call @copy(%x) into([[X]])
// CHECK-NEXT: plan.yield [[X]]
// CHECK: %a = plan.new
// CHECK-NEXT: plan.call @neg(%x) into(%a)
// CHECK-NEXT: plan.yield %a
// CHECK: func.return %y

// -----

// A loop takes over what it carries first, and a carried value that is yielded again is copied.
func.func @main(%m: tensor<i64>, %x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %a = pfrt.neg %x : tensor<2xf32> -> tensor<2xf32>
  %y, %z = pfrt.loop trip(%m) carry(%a, %a) -> (tensor<2xf32>, tensor<2xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<2xf32>, %w: tensor<2xf32>):
    %n = pfrt.exp %v : tensor<2xf32> -> tensor<2xf32>
    pfrt.yield %go, %n, %w : tensor<i1>, tensor<2xf32>, tensor<2xf32>
  } : trip tensor<i64> carry(tensor<2xf32>, tensor<2xf32>)
  func.return %y, %z : tensor<2xf32>, tensor<2xf32>
}
// CHECK: %a = plan.new
// CHECK: plan.call @copy(%a) into([[A:%.*]]) :
// CHECK-NEXT: %y, %z = plan.loop trip(%m) carry(%a, [[A]])
// CHECK: %n = plan.new
// CHECK: plan.call @copy(%w) into([[W:%.*]]) :
// CHECK-NEXT: plan.yield {{.*}}, %n, [[W]]
// CHECK: func.return %y, %z

// -----

// A check is a call without results.
func.func @main(%x: tensor<2xf32>) {
  check.expect_close %x, %x : tensor<2xf32>
  func.return
}
// CHECK: plan.call @check_expect_close(%x, %x) {params = {{.*}}} : (memref<2xf32>, memref<2xf32>)
// CHECK-NEXT: func.return

// -----

// Every function is lowered, and the calls between them.
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = func.call @helper(%x) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}
func.func @helper(%x: tensor<2xf32>) -> tensor<2xf32> {
  %y = pfrt.relu %x : tensor<2xf32> -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}
// CHECK: %y = func.call @helper(%x) : (memref<2xf32>) -> memref<2xf32>
// CHECK-NEXT: func.return %y
// CHECK: func.func @helper(%x: memref<2xf32>) -> memref<2xf32>

// -----

// A scan is a loop that takes its slices by itself, and moves what it stacked to its axis.
func.func @main(%s: tensor<2xf32>, %xs: tensor<3x2xf32>) -> (tensor<2xf32>, tensor<2x3xf32>) {
  %y, %z = pfrt.scan carry(%s) over(%xs) -> (tensor<2xf32>, tensor<2x3xf32>) {
  ^bb0(%v: tensor<2xf32>, %x: tensor<2xf32>):
    %w = pfrt.add %v, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    pfrt.yield %w, %w : tensor<2xf32>, tensor<2xf32>
  } {scan_output_axes = array<i64: 1>} : carry(tensor<2xf32>) over(tensor<3x2xf32>)
  func.return %y, %z : tensor<2xf32>, tensor<2x3xf32>
}
// CHECK: [[LENGTH:%.*]] = plan.call @scan_length(%xs) {params = {axes = array<i64: 0>}}
// CHECK: [[FINAL:%.*]], [[STACK:%.*]] = plan.loop trip([[LENGTH]]) carry({{.*}}) -> (memref<2xf32>, memref<?x2xf32>)
// CHECK-NEXT: ^bb0([[I:%.*]]: memref<i64>, {{.*}}: memref<i1>, {{.*}}: memref<2xf32>):
// CHECK-NEXT: %x = plan.call @scan_slice(%xs, [[I]])
// CHECK: plan.call @scan_place([[STACK]]) {params = {axis = 1 : i64, backward = false}} : (memref<?x2xf32>) -> memref<2x3xf32>

// -----

// A map over sequences is a loop that appends to what it carries.
func.func @main(%s: !pfrt.sequence<tensor<2xf32>>) -> !pfrt.sequence<tensor<2xf32>> {
  %r = pfrt.sequence_map over(%s) -> (!pfrt.sequence<tensor<2xf32>>) {
  ^bb0(%x: tensor<2xf32>):
    %y = pfrt.neg %x : tensor<2xf32> -> tensor<2xf32>
    pfrt.yield %y : tensor<2xf32>
  } : over(!pfrt.sequence<tensor<2xf32>>)
  func.return %r : !pfrt.sequence<tensor<2xf32>>
}
// CHECK: [[LENGTH:%.*]] = plan.call @sequence_map_length(%s)
// CHECK-NEXT: [[EMPTY:%.*]] = plan.call @sequence_empty()
// CHECK-NEXT: plan.loop trip([[LENGTH]]) carry([[EMPTY]]) -> (!pfrt.sequence<tensor<2xf32>>)
// CHECK: %x = plan.call @sequence_at(%s, {{.*}}) : (!pfrt.sequence<tensor<2xf32>>, memref<i64>) -> memref<2xf32>
// CHECK: plan.call @sequence_insert({{.*}}, %y)

// -----

// Tensors of strings have no place in memory: they are owned, whatever their shape.
func.func @main(%s: tensor<2x!pfrt.string>) -> tensor<1x2x!pfrt.string> {
  %y = pfrt.unsqueeze %s {axes = array<i64: 0>} : (tensor<2x!pfrt.string>) -> tensor<1x2x!pfrt.string>
  func.return %y : tensor<1x2x!pfrt.string>
}
// CHECK: %y = plan.call @unsqueeze(%s) {{.*}} : (memref<2x!pfrt.string>) -> memref<1x2x!pfrt.string>

// -----

// The cheapest of several algorithms: tiles for many channels under 3 x 3, columns for few.
func.func @main(%x: tensor<1x8x8x32xf32>) -> tensor<1x8x8x32xf32> {
  %w = pfrt.constant dense<0.5> : tensor<32x32x3x3xf32>
  %v = pfrt.constant dense<1.0> : tensor<8x32x3x3xf32>
  %u = pfrt.constant dense<1.0> : tensor<32x8x3x3xf32>
  %a = pfrt.conv %x, %w {layout = "nhwc", pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x32xf32>, tensor<32x32x3x3xf32>) -> tensor<1x8x8x32xf32>
  %b = pfrt.conv %a, %v {layout = "nhwc", pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x32xf32>, tensor<8x32x3x3xf32>) -> tensor<1x8x8x8xf32>
  %y = pfrt.conv %b, %u {layout = "nhwc", pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x8xf32>, tensor<32x8x3x3xf32>) -> tensor<1x8x8x32xf32>
  func.return %y : tensor<1x8x8x32xf32>
}
// CHECK: [[SEEN:%.*]] = plan.alloc : memref<1x10x2x5x32xf32>
// CHECK-NEXT: [[ROWS:%.*]] = plan.alloc : memref<4x1x4x2x5x32xf32>
// CHECK-NEXT: [[TILES:%.*]] = plan.alloc : memref<16x16x32xf32>
// CHECK-NEXT: [[SUMS:%.*]] = plan.alloc : memref<16x16x32xf32>
// CHECK-NEXT: plan.call @conv_winograd_nhwc({{.*}}, %w) into(%a) scratch([[SEEN]], [[ROWS]], [[TILES]], [[SUMS]])
// CHECK: plan.call @conv_im2col_nhwc(%a, %v)
// CHECK: plan.call @conv_im2col_nhwc(%b, %u)

// -----

// A depthwise convolution that takes strides sees its padded input by phases of the stride.
func.func @main(%x: tensor<1x8x8x4xf32>) -> tensor<1x4x4x4xf32> {
  %w = pfrt.constant dense<1.0> : tensor<4x1x3x3xf32>
  %y = pfrt.conv %x, %w {layout = "nhwc", group = 4 : i64, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x8x4xf32>, tensor<4x1x3x3xf32>) -> tensor<1x4x4x4xf32>
  func.return %y : tensor<1x4x4x4xf32>
}
// CHECK: [[SEEN:%.*]] = plan.alloc : memref<1x9x2x5x4xf32>
// CHECK-NEXT: [[SUM:%.*]] = plan.alloc : memref<1x4x4x4xf32>
// CHECK-NEXT: plan.call @conv_depthwise_nhwc({{.*}}, %w) into(%y) scratch([[SEEN]], [[SUM]])

// -----

// Norms of rows and products of integers have algorithms of their own; a mask that ends early has not.
func.func @main(%x: tensor<2x4xf32>, %a: tensor<2x4xui8>, %q: tensor<1x1x2x4xf32>, %m: tensor<2x1xf32>) -> (tensor<2x4xf32>, tensor<2x3xi32>, tensor<1x1x2x4xf32>) {
  %s = pfrt.constant dense<1.0> : tensor<4xf32>
  %b = pfrt.constant dense<1> : tensor<4x3xi8>
  %y = pfrt.layer_normalization %x, %s : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %z = pfrt.matmul_integer %a, %b : tensor<2x4xui8>, tensor<4x3xi8> -> tensor<2x3xi32>
  %v = pfrt.attention %q, %q, %q mask(%m : tensor<2x1xf32>) : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x2x4xf32>
  func.return %y, %z, %v : tensor<2x4xf32>, tensor<2x3xi32>, tensor<1x1x2x4xf32>
}
// CHECK: plan.call @layer_normalization(%x, %s) into(%y)
// CHECK: plan.call @matmul_integer(%a, %b) into(%z)
// CHECK: plan.call @attention(%q, %q, %q, %m) into(%v) {params
