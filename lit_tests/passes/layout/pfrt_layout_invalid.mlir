// RUN: not pfrt-opt %s -p "pfrt-layout{target=chwn}" 2>&1 | filecheck %s

// Layouts are those that ops know.
func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32> {
  func.return %x : tensor<1x8x4x4xf32>
}
// CHECK: pfrt-layout: there is no layout "chwn"
