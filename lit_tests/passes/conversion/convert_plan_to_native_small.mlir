// RUN: pfrt-opt %s -p 'convert-plan-to-native{cpu=avx512}' | filecheck %s

// A product that takes no longer than its call is left to NumPy.
func.func @small(%x: memref<1x40xf32>) -> memref<1x33xf32> {
  %w = plan.constant {value = dense<0.5> : tensor<40x33xf32>} : memref<40x33xf32>
  %y = plan.new : memref<1x33xf32>
  plan.call @matmul(%x, %w) into(%y) : (memref<1x40xf32>, memref<40x33xf32>) into(memref<1x33xf32>)
  func.return %y : memref<1x33xf32>
}
// CHECK-LABEL: @small
// CHECK-NOT: plan.schedule
