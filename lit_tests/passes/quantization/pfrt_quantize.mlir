// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=static-int8 activation-dtype=ui8 symmetric=false}' --split-input-file | filecheck %s --check-prefix=STATIC
// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=static-int8 granularity=channel exclude="g"}' --split-input-file | filecheck %s --check-prefix=CHANNEL
// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=dynamic-int8}' --split-input-file | filecheck %s --check-prefix=DYNAMIC
// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=fp16 exclude="Gemm"}' --split-input-file | filecheck %s --check-prefix=HALF

// A recorded range gives the scale; what follows from it (relu, a movement) need not be recorded.
func.func @main(%x: tensor<1x2x2x2xf32> {pfrt.name = "x", pfrt.range = array<f32: -1.0, 1.55>}) -> tensor<1x2xf32> {
  %w = pfrt.constant dense<[[[[1.0]], [[-2.0]]], [[[0.5]], [[0.25]]]]> : tensor<2x2x1x1xf32>
  %v = pfrt.constant dense<1.0> : tensor<2x8xf32>
  %0 = pfrt.conv %x, %w as "c" {pfrt.ranges = array<f32: -5.1, 5.1>} : (tensor<1x2x2x2xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x2x2xf32>
  %1 = pfrt.relu %0 : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %2 = pfrt.flatten %1 : tensor<1x2x2x2xf32> -> tensor<1x8xf32>
  %3 = pfrt.gemm %2, %v as "g" {trans_b = true} : (tensor<1x8xf32>, tensor<2x8xf32>) -> tensor<1x2xf32>
  func.return %3 : tensor<1x2xf32>
}
// The zero point of [-1, 1.55] is 100, of [0, 5.1] 0; relu's result is rounded, then moved.
// STATIC: pfrt.constant dense<1.000000e-02> : tensor<f32>
// STATIC-NEXT: pfrt.constant dense<100> : tensor<ui8>
// STATIC-NEXT: pfrt.quantize_linear %x
// STATIC: pfrt.conv
// STATIC: pfrt.relu
// STATIC-NEXT: pfrt.constant dense<2.000000e-02> : tensor<f32>
// STATIC-NEXT: pfrt.constant dense<0> : tensor<ui8>
// STATIC-NEXT: [[Q:%\d+]] = pfrt.quantize_linear
// STATIC-NEXT: [[D:%\d+]] = pfrt.dequantize_linear [[Q]]
// STATIC-NEXT: pfrt.flatten [[D]]
// STATIC: pfrt.gemm

// A scale for each feature of the weights, symmetric ones; what is excluded is as it was.
// CHANNEL: pfrt.constant dense<{{\[\[\[\[}}64]], {{\[\[}}-127]]], {{\[\[\[}}127]], {{\[\[}}64]]]]> : tensor<2x2x1x1xi8>
// CHANNEL-NEXT: pfrt.constant {{.*}} : tensor<2xf32>
// CHANNEL-NEXT: pfrt.dequantize_linear {{.*}} {axis = 0 : i64}
// CHANNEL: pfrt.relu
// CHANNEL-NEXT: pfrt.flatten
// CHANNEL-NEXT: pfrt.gemm

// Data are rounded when they are there; the weights of the gemm are turned.
// DYNAMIC: pfrt.dynamic_quantize_linear %x
// DYNAMIC: pfrt.conv_integer
// DYNAMIC: pfrt.cast
// DYNAMIC: pfrt.dynamic_quantize_linear
// DYNAMIC: pfrt.constant {{.*}} : tensor<8x2xi8>
// DYNAMIC: pfrt.matmul_integer

// All ops but the excluded one are of f16, arguments and results of functions are not.
// HALF: pfrt.cast %x {to = f16}
// HALF: pfrt.conv {{.*}} -> tensor<1x2x2x2xf16>
// HALF: pfrt.flatten {{.*}} -> tensor<1x8xf16>
// HALF-NEXT: pfrt.cast {{.*}} {to = f32}
// HALF-NEXT: pfrt.gemm {{.*}} -> tensor<1x2xf32>

// -----

// A value that two products take is rounded once, for both.
func.func @shared(%x: tensor<1x2xf32> {pfrt.name = "x", pfrt.range = array<f32: -1.0, 1.55>}) -> (tensor<1x1xf32>, tensor<1x1xf32>) {
  %v = pfrt.constant dense<1.0> : tensor<2x1xf32>
  %w = pfrt.constant dense<2.0> : tensor<2x1xf32>
  %0 = pfrt.matmul %x, %v : tensor<1x2xf32>, tensor<2x1xf32> -> tensor<1x1xf32>
  %1 = pfrt.matmul %x, %w : tensor<1x2xf32>, tensor<2x1xf32> -> tensor<1x1xf32>
  func.return %0, %1 : tensor<1x1xf32>, tensor<1x1xf32>
}
// STATIC-LABEL: @shared
// STATIC: pfrt.quantize_linear
// STATIC-NEXT: [[D:%x.*]] = pfrt.dequantize_linear {{.*}} -> tensor<1x2xf32>
// STATIC-NOT: pfrt.quantize_linear
// STATIC: pfrt.matmul [[D]],
// STATIC: pfrt.matmul [[D]],
