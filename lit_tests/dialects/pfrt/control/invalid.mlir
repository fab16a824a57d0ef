// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// The condition is boolean.
%c = "test.op"() : () -> tensor<i64>
pfrt.if %c -> () {
  pfrt.yield
} else {
  pfrt.yield
} : tensor<i64>
// CHECK: pfrt.if: C1: the condition must hold one i1, got tensor<i64>

// -----

// The condition has one element.
%c = "test.op"() : () -> tensor<2xi1>
pfrt.if %c -> () {
  pfrt.yield
} else {
  pfrt.yield
} : tensor<2xi1>
// CHECK: pfrt.if: C1: the condition must hold one i1, got tensor<2xi1>

// -----

// Both branches yield a value for each result.
%c, %x = "test.op"() : () -> (tensor<i1>, tensor<4xf32>)
%y = pfrt.if %c -> (tensor<4xf32>) {
  pfrt.yield %x : tensor<4xf32>
} else {
  pfrt.yield
} : tensor<i1>
// CHECK: pfrt.if: C2: 1 results, but the regions yield 1 and 0

// -----

// Both branches yield elements of one type.
%c, %x, %z = "test.op"() : () -> (tensor<i1>, tensor<4xf32>, tensor<4xi64>)
%y = pfrt.if %c -> (tensor<4xf32>) {
  pfrt.yield %x : tensor<4xf32>
} else {
  pfrt.yield %z : tensor<4xi64>
} : tensor<i1>
// CHECK: pfrt.if: C3: the regions yield tensor<4xf32> and tensor<4xi64> for one result

// -----

// The declared result fits what the branches yield.
%c, %x = "test.op"() : () -> (tensor<i1>, tensor<4xf32>)
%y = pfrt.if %c -> (tensor<5xf32>) {
  pfrt.yield %x : tensor<4xf32>
} else {
  pfrt.yield %x : tensor<4xf32>
} : tensor<i1>
// CHECK: pfrt.if: result 0 is declared tensor<5xf32>, but its operands give tensor<4xf32>

// -----

// A loop's region takes iteration, condition and what is carried.
%m, %x = "test.op"() : () -> (tensor<i64>, tensor<4xf32>)
%y = pfrt.loop trip(%m) carry(%x) -> (tensor<4xf32>) {
^bb0(%i: tensor<i64>, %go: tensor<i1>):
  pfrt.yield %go, %x : tensor<i1>, tensor<4xf32>
} : trip tensor<i64> carry(tensor<4xf32>)
// CHECK: pfrt.loop: C1: 1 carried values need 3 region arguments, got 2

// -----

// It yields the condition and a value for each result.
%m, %x = "test.op"() : () -> (tensor<i64>, tensor<4xf32>)
%y = pfrt.loop trip(%m) carry(%x) -> (tensor<4xf32>) {
^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<4xf32>):
  pfrt.yield %go : tensor<i1>
} : trip tensor<i64> carry(tensor<4xf32>)
// CHECK: pfrt.loop: C2: 1 results need 2 yielded values, got 1

// -----

// A carried value's argument describes what every iteration starts from.
%m, %x = "test.op"() : () -> (tensor<i64>, tensor<4xf32>)
%y = pfrt.loop trip(%m) carry(%x) -> (tensor<4xf32>) {
^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<5xf32>):
  pfrt.yield %go, %x : tensor<i1>, tensor<4xf32>
} : trip tensor<i64> carry(tensor<4xf32>)
// CHECK: pfrt.loop: C3: argument tensor<5xf32> does not describe tensor<4xf32> and tensor<4xf32>

// -----

// The trip count is an i64.
%m = "test.op"() : () -> tensor<i32>
pfrt.loop trip(%m) -> () {
^bb0(%i: tensor<i64>, %go: tensor<i1>):
  pfrt.yield %go : tensor<i1>
} : trip tensor<i32>
// CHECK: pfrt.loop: C4: the trip count must hold one i64, got tensor<i32>

// -----

// The trip count is one number.
%m = "test.op"() : () -> tensor<4xi64>
pfrt.loop trip(%m) -> () {
^bb0(%i: tensor<i64>, %go: tensor<i1>):
  pfrt.yield %go : tensor<i1>
} : trip tensor<4xi64>
// CHECK: pfrt.loop: C4: the trip count must hold one i64, got tensor<4xi64>

// -----

// The region's first arguments are the iteration and the condition.
%m = "test.op"() : () -> tensor<i64>
pfrt.loop trip(%m) -> () {
^bb0(%i: tensor<7xf32>, %go: tensor<i1>):
  pfrt.yield %go : tensor<i1>
} : trip tensor<i64>
// CHECK: pfrt.loop: C4: the iteration must hold one i64, got tensor<7xf32>

// -----

// What is yielded first is the next condition.
%m, %x = "test.op"() : () -> (tensor<i64>, tensor<4xf32>)
pfrt.loop trip(%m) -> () {
^bb0(%i: tensor<i64>, %go: tensor<i1>):
  pfrt.yield %x : tensor<4xf32>
} : trip tensor<i64>
// CHECK: pfrt.loop: C4: the yielded condition must hold one i1, got tensor<4xf32>

// -----

// A yield ends the region of a branch or a loop, not a function.
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  pfrt.yield %x : tensor<4xf32>
}
// CHECK: 'pfrt.yield' expects parent op to be one of 'pfrt.fused', 'pfrt.if', 'pfrt.loop'

// -----

// What a loop stacks are tensors.
%m, %s = "test.op"() : () -> (tensor<i64>, !pfrt.sequence<tensor<f32>>)
%y = pfrt.loop trip(%m) -> (tensor<?xf32>) {
^bb0(%i: tensor<i64>, %go: tensor<i1>):
  pfrt.yield %go, %s : tensor<i1>, !pfrt.sequence<tensor<f32>>
} : trip tensor<i64>
// CHECK: pfrt.loop: C5: needs a tensor, got !pfrt.sequence<tensor<f32>>
