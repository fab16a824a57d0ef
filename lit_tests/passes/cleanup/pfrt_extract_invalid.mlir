// RUN: not pfrt-opt %s -p 'pfrt-extract{outputs=hiden}' 2>&1 | filecheck %s --check-prefix=CLOSE
// RUN: not pfrt-opt %s -p 'pfrt-extract{inputs=quite-another}' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// RUN: not pfrt-opt %s -p 'pfrt-extract{inputs=hidden,b outputs=y}' 2>&1 | filecheck %s --check-prefix=MISSING
// RUN: not pfrt-opt %s -p 'pfrt-extract{outputs=y,y}' 2>&1 | filecheck %s --check-prefix=TWICE
// RUN: not pfrt-opt %s -p 'pfrt-extract{inputs=b}' 2>&1 | filecheck %s --check-prefix=CONSTANT

func.func @main(%a: tensor<4xf32> {pfrt.name = "a"}, %b: tensor<4xf32> {pfrt.name = "b"}, %c: tensor<4xf32>) -> (tensor<4xf32> {pfrt.name = "y"}) {
  %h = pfrt.relu %a as "hidden" : tensor<4xf32> -> tensor<4xf32>
  %s = pfrt.add %h, %a : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %t = pfrt.add %s, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = pfrt.add %t, %c as "y" : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
// CLOSE: there is no value "hiden" to be an output; did you mean "hidden"?
// UNKNOWN: there is no value "quite-another" to be an input; there are "a", "b", "arg2", "hidden", "y"
// MISSING: output "y" depends on "arg2", "a", which the inputs do not cut off; add them to the inputs, or values computed from them
// TWICE: output "y" is given twice
// CONSTANT: output "y" depends on "arg2", "a"
