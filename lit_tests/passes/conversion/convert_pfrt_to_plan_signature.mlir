// RUN: not pfrt-opt %s -p convert-pfrt-to-plan 2>&1 | filecheck %s

// What is no tensor has no buffer.
func.func @main(%x: tensor<4xf32>, %i: i32) -> i32 {
  func.return %i : i32
}
// CHECK: func.func: @main takes or returns a i32, which is no value of pfrt
