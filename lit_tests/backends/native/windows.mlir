// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=generic},plan-allocate' -t native-llvm | filecheck %s

// A pool takes the larger of what its taps read.
func.func @main() -> memref<1x2x2x8xf32> {
  %x = plan.alloc : memref<1x4x4x8xf32>
  %y = plan.alloc : memref<1x2x2x8xf32>
  %z = plan.new : memref<1x2x2x8xf32>
  plan.call @max_pool_nhwc(%x) into(%y) {params = {kernel_shape = array<i64: 2, 2>, ceil_mode = false, strides = array<i64: 2, 2>, pads = array<i64>, dilations = array<i64>, auto_pad = "NOTSET", layout = "nhwc"}} : (memref<1x4x4x8xf32>) into(memref<1x2x2x8xf32>)
  plan.call @copy(%y) into(%z) : (memref<1x2x2x8xf32>) into(memref<1x2x2x8xf32>)
  func.return %z : memref<1x2x2x8xf32>
}
// CHECK: builtin.module @windows
// CHECK-COUNT-3: llvm.maximum.v4f32
// CHECK: builtin.module @copy
