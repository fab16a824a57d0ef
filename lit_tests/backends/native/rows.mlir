// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=generic},plan-allocate' -t native-llvm | filecheck %s

// Calls become a kernel each; two of the same kind share one.
func.func @main(%x: memref<3x50xf32>) -> memref<3x50xf32> {
  %s = plan.constant {value = dense<0.5> : tensor<50xf32>} : memref<50xf32>
  %a = plan.alloc : memref<3x50xf32>
  %b = plan.alloc : memref<3x50xf32>
  %y = plan.new : memref<3x50xf32>
  plan.call @layer_normalization(%x, %s) into(%a) {params = {axis = 1 : i64, epsilon = 1.0e-5 : f32}, absent = array<i64: 2>} : (memref<3x50xf32>, memref<50xf32>) into(memref<3x50xf32>)
  plan.call @softmax(%a) into(%b) {params = {axis = 1 : i64}} : (memref<3x50xf32>) into(memref<3x50xf32>)
  plan.call @softmax(%b) into(%y) {params = {axis = 1 : i64}} : (memref<3x50xf32>) into(memref<3x50xf32>)
  func.return %y : memref<3x50xf32>
}
// CHECK: builtin.module @norm
// CHECK: llvm.sqrt
// CHECK: builtin.module @softmax
// CHECK: llvm.vector.reduce.fmax.v8f32
// CHECK-NOT: builtin.module @softmax
