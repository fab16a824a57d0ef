// RUN: pfrt-opt %s -p pfrt-infer-shapes --split-input-file | filecheck %s

// Known dimensions flow forward, into the type of the function.
func.func @forward(%x: tensor<2x8xf32>) -> tensor<?x?xf32> {
  %a = pfrt.relu %x : tensor<2x8xf32> -> tensor<*xf32>
  %b = pfrt.neg %a : tensor<*xf32> -> tensor<?x?xf32>
  func.return %b : tensor<?x?xf32>
}
// CHECK-LABEL: @forward(%x: tensor<2x8xf32>) -> tensor<2x8xf32>
// CHECK-NEXT: pfrt.relu %x : tensor<2x8xf32> -> tensor<2x8xf32>
// CHECK-NEXT: pfrt.neg %a : tensor<2x8xf32> -> tensor<2x8xf32>

// -----

// What is declared stays, where operands say less.
func.func @declared(%x: tensor<?x8xf32>) -> tensor<2x?xf32> {
  %a = pfrt.relu %x : tensor<?x8xf32> -> tensor<2x?xf32>
  func.return %a : tensor<2x?xf32>
}
// CHECK-LABEL: @declared
// CHECK-NEXT: pfrt.relu %x : tensor<?x8xf32> -> tensor<2x8xf32>

// -----

// The result of an if is what both branches agree on.
func.func @branches(%c: tensor<i1>, %x: tensor<2x8xf32>, %y: tensor<3x8xf32>) -> tensor<*xf32> {
  %r = pfrt.if %c -> (tensor<*xf32>) {
    %a = pfrt.relu %x : tensor<2x8xf32> -> tensor<?x?xf32>
    pfrt.yield %a : tensor<?x?xf32>
  } else {
    pfrt.yield %y : tensor<3x8xf32>
  } : tensor<i1>
  func.return %r : tensor<*xf32>
}
// CHECK-LABEL: @branches
// CHECK-NEXT: pfrt.if %c -> (tensor<?x8xf32>)
// CHECK-NEXT: pfrt.relu %x : tensor<2x8xf32> -> tensor<2x8xf32>

// -----

// A loop carries the type that every iteration keeps.
func.func @kept(%m: tensor<i64>, %x: tensor<4xf32>) -> (tensor<?xf32>, tensor<?x?xf32>) {
  %r, %s = pfrt.loop trip(%m) carry(%x) -> (tensor<?xf32>, tensor<?x?xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?xf32>):
    %w = pfrt.relu %v : tensor<?xf32> -> tensor<?xf32>
    pfrt.yield %go, %w, %w : tensor<i1>, tensor<?xf32>, tensor<?xf32>
  } : trip tensor<i64> carry(tensor<4xf32>)
  func.return %r, %s : tensor<?xf32>, tensor<?x?xf32>
}
// CHECK-LABEL: @kept
// CHECK-NEXT: -> (tensor<4xf32>, tensor<?x4xf32>)
// CHECK-NEXT: %v: tensor<4xf32>
// CHECK-NEXT: pfrt.relu %v : tensor<4xf32> -> tensor<4xf32>

// -----

// A dimension that grows in a loop stays unknown, also inside.
func.func @grows(%m: tensor<i64>, %x: tensor<0x4xf32>, %y: tensor<1x4xf32>) -> tensor<?x?xf32> {
  %r = pfrt.loop trip(%m) carry(%x) -> (tensor<?x?xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?x?xf32>):
    %w = pfrt.concat %v, %y {axis = 0 : i64} : (tensor<?x?xf32>, tensor<1x4xf32>) -> tensor<?x?xf32>
    pfrt.yield %go, %w : tensor<i1>, tensor<?x?xf32>
  } : trip tensor<i64> carry(tensor<0x4xf32>)
  func.return %r : tensor<?x?xf32>
}
// CHECK-LABEL: @grows
// CHECK-NEXT: -> (tensor<?x4xf32>)
// CHECK-NEXT: %v: tensor<?x4xf32>
// CHECK-NEXT: (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x4xf32>

// -----

// A scan's region takes slices as long as its inputs say; its outputs are as long as the scan.
func.func @scan(%s: tensor<2xf32>, %xs: tensor<3x2xf32>) -> (tensor<?xf32>, tensor<?x?xf32>) {
  %y, %z = pfrt.scan carry(%s) over(%xs) -> (tensor<?xf32>, tensor<?x?xf32>) {
  ^bb0(%v: tensor<?xf32>, %x: tensor<?xf32>):
    %w = pfrt.add %v, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    pfrt.yield %w, %w : tensor<?xf32>, tensor<?xf32>
  } {scan_output_axes = array<i64: 1>} : carry(tensor<2xf32>) over(tensor<3x2xf32>)
  func.return %y, %z : tensor<?xf32>, tensor<?x?xf32>
}
// CHECK-LABEL: @scan
// CHECK-NEXT: -> (tensor<2xf32>, tensor<2x3xf32>)
// CHECK-NEXT: ^bb0(%v: tensor<2xf32>, %x: tensor<2xf32>):
// CHECK-NEXT: pfrt.add %v, %x : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>

// -----

// What a sequence holds is what a map's region takes, and gives.
func.func @map(%a: tensor<2xf32>) -> !pfrt.sequence<tensor<*xf32>> {
  %s = pfrt.sequence_construct %a : tensor<2xf32> -> !pfrt.sequence<tensor<?xf32>>
  %r = pfrt.sequence_map over(%s) -> (!pfrt.sequence<tensor<*xf32>>) {
  ^bb0(%x: tensor<?xf32>):
    %y = pfrt.neg %x : tensor<?xf32> -> tensor<?xf32>
    pfrt.yield %y : tensor<?xf32>
  } : over(!pfrt.sequence<tensor<?xf32>>)
  func.return %r : !pfrt.sequence<tensor<*xf32>>
}
// CHECK-LABEL: @map
// CHECK: pfrt.sequence_map over(%s) -> (!pfrt.sequence<tensor<2xf32>>)
// CHECK-NEXT: ^bb0(%x: tensor<2xf32>):
