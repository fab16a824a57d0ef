// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=avx512 worth=2000 threads=2}' | filecheck %s

// A product of fewer multiplications than are worth it is left to NumPy.
func.func @small(%x: memref<1x40xf32>) -> memref<1x33xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x33xf32>} : memref<40x33xf32>
  %y = plan.new : memref<1x33xf32>
  plan.call @matmul(%x, %w) into(%y) : (memref<1x40xf32>, memref<40x33xf32>) into(memref<1x33xf32>)
  func.return %y : memref<1x33xf32>
}
// CHECK-LABEL: @small
// CHECK-NOT: plan.schedule

// Work is divided between as many threads as there are.
func.func @large(%x: memref<8x40xf32>) -> memref<8x33xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x33xf32>} : memref<40x33xf32>
  %y = plan.new : memref<8x33xf32>
  plan.call @matmul(%x, %w) into(%y) : (memref<8x40xf32>, memref<40x33xf32>) into(memref<8x33xf32>)
  func.return %y : memref<8x33xf32>
}
// CHECK-LABEL: @large
// CHECK: shares = 2 : i64
