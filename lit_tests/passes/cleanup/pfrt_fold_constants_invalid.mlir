// RUN: not pfrt-opt %s -p pfrt-fold-constants 2>&1 | filecheck %s

// An op that cannot be computed is named, with the reason.
func.func @main() -> tensor<1xf32> {
  %x = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %i = pfrt.constant dense<[7]> : tensor<1xi64>
  %y = pfrt.gather %x, %i as "pick" : (tensor<2xf32>, tensor<1xi64>) -> tensor<1xf32>
  func.return %y : tensor<1xf32>
}
// CHECK: pfrt.gather "pick"{{.*}}: cannot be computed: {{.*}}7
