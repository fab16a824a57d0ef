// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A buffer has a program.
func.func @main(%x: tensor<1x6xf32>, %i: tensor<1x2x3xi32>) {
  wse.scatter %x to @own by %i : tensor<1x6xf32>, tensor<1x2x3xi32>
  func.return
}
// CHECK: wse.scatter: C1: @own is no @program::@buffer

// -----

// The index has an entry for each element of each PE.
func.func @main(%x: tensor<1x6xf32>, %i: tensor<6xi32>) {
  wse.scatter %x to @p::@own by %i : tensor<1x6xf32>, tensor<6xi32>
  func.return
}
// CHECK: wse.scatter: C2: the index is a tensor<6xi32>, no tensor of rows x columns x elements of i32

// -----

// A machine has a profile.
wse.run @p on "wse9"
// CHECK: wse.run: C1: wse9 is none of wse2, wse3, wse3-si

// -----

// A step says several things.
wse.run @p on "wse2" steps [1 : i64]
// CHECK: wse.run: C2: 1 : i64 is no dictionary

// -----

// Something is run.
wse.run @p on "wse2" images 0
// CHECK: wse.run: C3: 0 images, 1 runs

// -----

// What sends weights on is the program's.
func.func @main(%w: tensor<6xf32>, %i: tensor<2x1x1x3xi32>) {
  wse.stream %w to @p::@edge by %i launch @feed until "sent" : tensor<6xf32>, tensor<2x1x1x3xi32>
  func.return
}
// CHECK: wse.stream: C1: @feed is no @program::@name

// -----

// The index of what is sent has rounds.
func.func @main(%w: tensor<6xf32>, %i: tensor<1x1x3xi32>) {
  wse.stream %w to @p::@edge by %i launch @p::@feed until "sent" : tensor<6xf32>, tensor<1x1x3xi32>
  func.return
}
// CHECK: wse.stream: C2: the index is a tensor<1x1x3xi32>

// -----

// A buffer that is read has a program, too.
func.func @main(%i: tensor<1x2x3xi32>) {
  %y = wse.gather @own by %i : tensor<1x2x3xi32> -> tensor<1x6xf32>
  func.return
}
// CHECK: wse.gather: C1: @own is no @program::@buffer

// -----

// The index is known.
func.func @main(%i: tensor<1x2x?xi32>) {
  %y = wse.gather @p::@own by %i : tensor<1x2x?xi32> -> tensor<1x6xf32>
  func.return
}
// CHECK: wse.gather: C2: the index is a tensor<1x2x?xi32>

// -----

// What is read is as long as is known.
func.func @main(%i: tensor<1x2x3xi32>) {
  %y = wse.gather @p::@own by %i : tensor<1x2x3xi32> -> tensor<?x6xf32>
  func.return
}
// CHECK: wse.gather: C3: the result is a tensor<?x6xf32>

// -----

// Features are split over columns or rows.
func.func private @f() attributes {a = #wse.layout<planes, 1 parts, 1 slots>}
// CHECK: wse.layout: planes is neither columns nor rows

// -----

// There is at least one part.
func.func private @f() attributes {a = #wse.layout<rows, 0 parts, 1 slots>}
// CHECK: wse.layout: parts, slots and grain are at least 1

// -----

// There is at least one PE.
func.func private @f() attributes {a = #wse.grid<"wse2", 0 x 4, f32>}
// CHECK: wse.grid: columns and rows are at least 1

// -----

// PEs compute in two types.
func.func private @f() attributes {a = #wse.grid<"wse2", 4 x 4, f64>}
// CHECK: wse.grid: f64 is none of f32, f16
