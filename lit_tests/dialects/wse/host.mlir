// RUN: pfrt-opt %s --split-input-file | filecheck %s

// What the host does with a program.
func.func @main(%x: tensor<1x6xf32>, %i: tensor<1x2x3xi32>) -> tensor<1x6xf32> {
  wse.scatter %x to @p::@own by %i : tensor<1x6xf32>, tensor<1x2x3xi32>
  wse.run @p on "wse2" steps [{name = "dense"}]
  %y = wse.gather @p::@own by %i : tensor<1x2x3xi32> -> tensor<1x6xf32>
  func.return %y : tensor<1x6xf32>
}
// CHECK: wse.scatter %x to @p::@own by %i : tensor<1x6xf32>, tensor<1x2x3xi32>
// CHECK-NEXT: wse.run @p on "wse2" steps [{name = "dense"}]
// CHECK-NEXT: %y = wse.gather @p::@own by %i : tensor<1x2x3xi32> -> tensor<1x6xf32>

// -----

// Weights that come while the program runs, images in several runs.
func.func @main(%w: tensor<6xf32>, %i: tensor<2x1x1x3xi32>) {
  wse.stream %w to @p::@edge by %i launch @p::@feed until "sent" : tensor<6xf32>, tensor<2x1x1x3xi32>
  wse.run @p on "wse3" images 4 runs 2
  func.return
}
// CHECK: wse.stream %w to @p::@edge by %i launch @p::@feed until "sent" : tensor<6xf32>, tensor<2x1x1x3xi32>
// CHECK-NEXT: wse.run @p on "wse3" images 4 runs 2

// -----

// Attributes of mapped functions and values.
func.func private @f() attributes {wse.grid = #wse.grid<"wse3-si", 8 x 4, f16>, a = #wse.layout<rows, 4 parts, 2 slots, grain 16>, b = #wse.layout<columns, 1 parts, 1 slots>}
// CHECK: wse.grid = #wse.grid<"wse3-si", 8 x 4, f16>, a = #wse.layout<rows, 4 parts, 2 slots, grain 16>, b = #wse.layout<columns, 1 parts, 1 slots>
