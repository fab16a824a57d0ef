// RUN: not pfrt-opt %s -p "wse-place,wse-lower-tiles" 2>&1 | filecheck %s
// RUN: not pfrt-opt %s -p "wse-lower-tiles" 2>&1 | filecheck %s --check-prefix UNPLACED

// Tiles come after routes.
func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = pfrt.relu %x : tensor<1x4xf32> -> tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}
// CHECK: there is no @main_wafer with its routes: run wse-route
// UNPLACED: no value has a place on the wafer; run wse-place before
