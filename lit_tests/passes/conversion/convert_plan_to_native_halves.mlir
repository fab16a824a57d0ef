// RUN: pfrt-opt %s -p 'pfrt-widen-floats{regions=true},convert-pfrt-to-plan,convert-plan-to-native{cpu=avx512bf16}' --split-input-file | filecheck %s --check-prefixes=CHECK,PAIRS
// RUN: pfrt-opt %s -p 'pfrt-widen-floats{regions=true},convert-pfrt-to-plan,convert-plan-to-native{cpu=avx2}' --split-input-file | filecheck %s --check-prefixes=CHECK,AVX2

// Weights that were widened are taken as they came, and the schedule says so.
func.func @f16(%x: tensor<8x40xf32>) -> tensor<8x33xf32> {
  %w = pfrt.constant dense<0.5> : tensor<40x33xf16>
  %a = pfrt.cast %x {to = f16} : tensor<8x40xf32> -> tensor<8x40xf16>
  %b = pfrt.matmul %a, %w : tensor<8x40xf16>, tensor<40x33xf16> -> tensor<8x33xf16>
  %y = pfrt.cast %b {to = f32} : tensor<8x33xf16> -> tensor<8x33xf32>
  func.return %y : tensor<8x33xf32>
}
// CHECK-LABEL: @f16
// CHECK: plan.call @cast(%x) into(%{{.*}}) {plan.schedule
// CHECK: plan.constant {value = #pfrt.weight<"{{.*}}">} : memref<40x33xf16>
// CHECK: plan.call @matmul({{.*}}elements = "f16"}

// -----

// Those of bf16 are multiplied two at a time where the processor does that.
func.func @bf16(%x: tensor<8x40xf32>) -> tensor<8x33xf32> {
  %w = pfrt.constant dense<0.5> : tensor<40x33xbf16>
  %a = pfrt.cast %x {to = bf16} : tensor<8x40xf32> -> tensor<8x40xbf16>
  %b = pfrt.matmul %a, %w : tensor<8x40xbf16>, tensor<40x33xbf16> -> tensor<8x33xbf16>
  %y = pfrt.cast %b {to = f32} : tensor<8x33xbf16> -> tensor<8x33xf32>
  func.return %y : tensor<8x33xf32>
}
// CHECK-LABEL: @bf16
// CHECK: memref<40x33xbf16>
// PAIRS: plan.call @matmul({{.*}}elements = "bf16_pairs"}
// AVX2: plan.call @matmul({{.*}}elements = "bf16"}

// -----

// Weights that are f32 by themselves stay that, and nothing is written of it.
func.func @f32(%x: tensor<8x40xf32>) -> tensor<8x33xf32> {
  %w = pfrt.constant dense<0.5> : tensor<40x33xf32>
  %y = pfrt.matmul %x, %w : tensor<8x40xf32>, tensor<40x33xf32> -> tensor<8x33xf32>
  func.return %y : tensor<8x33xf32>
}
// CHECK-LABEL: @f32
// CHECK: plan.call @matmul
// CHECK-NOT: elements
