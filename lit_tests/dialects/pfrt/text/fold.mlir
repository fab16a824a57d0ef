// RUN: pfrt-opt %s -p pfrt-fold-constants,pfrt-canonicalize,dce | filecheck %s

// What is made of constant texts is constant.
func.func @f() -> (tensor<2x!pfrt.string>, tensor<2xi1>, tensor<2xf32>) {
  // CHECK-NOT: string_concat
  // CHECK-DAG: pfrt.constant #pfrt.strings<[2], ["1.5", "-2"]> : tensor<2x!pfrt.string>
  // CHECK-DAG: pfrt.constant dense<[false, true]> : tensor<2xi1>
  // CHECK-DAG: pfrt.constant dense<[1.500000e+00, -2.000000e+00]> : tensor<2xf32>
  %a = pfrt.constant #pfrt.strings<[2], ["1.", "-"]> : tensor<2x!pfrt.string>
  %b = pfrt.constant #pfrt.strings<[2], ["5", "2"]> : tensor<2x!pfrt.string>
  %0 = pfrt.string_concat %a, %b : (tensor<2x!pfrt.string>, tensor<2x!pfrt.string>) -> tensor<2x!pfrt.string>
  %1 = pfrt.regex_full_match %0 {pattern = "-\\d"} : tensor<2x!pfrt.string> -> tensor<2xi1>
  %2 = pfrt.cast %0 {to = f32} : tensor<2x!pfrt.string> -> tensor<2xf32>
  func.return %0, %1, %2 : tensor<2x!pfrt.string>, tensor<2xi1>, tensor<2xf32>
}
