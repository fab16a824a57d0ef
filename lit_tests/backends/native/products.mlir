// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=generic}' -t native-llvm | filecheck %s

// A product becomes tiles of two heights, whose sums stay in vectors as wide as a panel of weights.
func.func @main(%x: memref<5x40xf32>) -> memref<5x33xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x33xf32>} : memref<40x33xf32>
  %y = plan.new : memref<5x33xf32>
  plan.call @matmul(%x, %w) into(%y) {absent = array<i64: 2, 3>} : (memref<5x40xf32>, memref<40x33xf32>) into(memref<5x33xf32>)
  func.return %y : memref<5x33xf32>
}
// CHECK: builtin.module @gemm
// CHECK: llvm.func internal @tile_3x1(%{{.*}}: !llvm.ptr
// CHECK: vector<8xf32>
// CHECK: llvm.func internal @tile_2x1
// CHECK: llvm.func @gemm(%{{.*}}: !llvm.ptr)
// CHECK: llvm.call @tile_3x1
