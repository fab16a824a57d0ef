// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// An if whose branches see the values around them.
func.func @if(%c: tensor<i1>, %a: tensor<4xf32>) -> tensor<4xf32> {
  %y = pfrt.if %c -> (tensor<4xf32>) as "y" {
    pfrt.yield %a : tensor<4xf32>
  } else {
    %n = pfrt.neg %a : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %n : tensor<4xf32>
  } : tensor<i1>
  func.return %y : tensor<4xf32>
}
// CHECK-LABEL: @if
// CHECK-NEXT: %y = pfrt.if %c -> (tensor<4xf32>) as "y" {
// CHECK-NEXT: pfrt.yield %a : tensor<4xf32>
// CHECK-NEXT: } else {
// CHECK: } : tensor<i1>

// -----

// An if without results, whose condition has one element in one dimension.
func.func @nothing(%c: tensor<1xi1>) {
  pfrt.if %c -> () {
    pfrt.yield
  } else {
    pfrt.yield
  } : tensor<1xi1>
  func.return
}
// CHECK-LABEL: @nothing
// CHECK-NEXT: pfrt.if %c -> () {

// -----

// A loop with everything: trip count, condition, carried values, scan outputs.
func.func @loop(%m: tensor<i64>, %c: tensor<i1>, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>) {
  %n, %s = pfrt.loop trip(%m) while(%c) carry(%x) -> (tensor<4xf32>, tensor<?x4xf32>) as "n", "s" {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
    %w = pfrt.neg %v : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %go, %w, %w : tensor<i1>, tensor<4xf32>, tensor<4xf32>
  } : trip tensor<i64> while tensor<i1> carry(tensor<4xf32>)
  func.return %n, %s : tensor<4xf32>, tensor<?x4xf32>
}
// CHECK-LABEL: @loop
// CHECK-NEXT: %n, %s = pfrt.loop trip(%m) while(%c) carry(%x) -> (tensor<4xf32>, tensor<?x4xf32>) as "n", "s" {
// CHECK-NEXT: ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
// CHECK: } : trip tensor<i64> while tensor<i1> carry(tensor<4xf32>)

// -----

// A loop whose carried value changes its shape.
func.func @grows(%c: tensor<i1>, %x: tensor<1xf32>) -> tensor<?xf32> {
  %n = pfrt.loop while(%c) carry(%x) -> (tensor<?xf32>) {
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<?xf32>):
    %w = pfrt.concat %v, %v {axis = 0 : i64} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    pfrt.yield %go, %w : tensor<i1>, tensor<?xf32>
  } : while tensor<i1> carry(tensor<1xf32>)
  func.return %n : tensor<?xf32>
}
// CHECK-LABEL: @grows
// CHECK-NEXT: pfrt.loop while(%c) carry(%x) -> (tensor<?xf32>) {
