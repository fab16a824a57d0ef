// RUN: echo '{"ranges": {"x": {"min": -1, "max": 2.5}, "h": {"min": 0, "max": 4}}}' > %t.json
// RUN: pfrt-opt %s -p 'pfrt-record-ranges{file=%t.json}' | filecheck %s
// RUN: pfrt-opt %s -p 'pfrt-quantize{mode=static-int8}' --ranges %t.json | filecheck %s --check-prefix=QUANTIZED
// RUN: echo '{"ranges": {"b": {"min": 0, "max": 1}, "a": {"min": 0, "max": 1}, "d": {"min": 0, "max": 1}, "c": {"min": 0, "max": 1}}}' > %t.other.json
// RUN: not pfrt-opt %s -p '' --ranges %t.other.json 2>&1 | filecheck %s --check-prefix=MISSING
// RUN: not pfrt-opt %s -p '' --ranges %t.nowhere.json 2>&1 | filecheck %s --check-prefix=NOWHERE

// Ranges go to the arguments and results of their names, and quantization finds them.
// CHECK: {pfrt.name = "x", pfrt.range = array<f32: -1.000000e+00, 2.500000e+00>}
// CHECK: pfrt.relu %x as "h" {pfrt.ranges = array<f32: 0.000000e+00, 4.000000e+00>}
// QUANTIZED-COUNT-2: pfrt.quantize_linear
// MISSING: has ranges of "a", "b", "c" and 1 more, which no value is named
// NOWHERE: cannot read ranges: no such file or directory
func.func @main(%x: tensor<2x4xf32> {pfrt.name = "x"}, %w: tensor<4x4xf32> {pfrt.name = "w"}) -> (tensor<2x4xf32>, tensor<2x4xf32>) {
  %c = pfrt.constant dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]> : tensor<4x4xf32>
  %h = pfrt.relu %x as "h" : tensor<2x4xf32> -> tensor<2x4xf32>
  %a = pfrt.matmul %h, %c : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %b = pfrt.matmul %x, %c : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  func.return %a, %b : tensor<2x4xf32>, tensor<2x4xf32>
}
