// RUN: pfrt-opt %s -p pfrt-infer-shapes --split-input-file --verify-diagnostics | filecheck %s
// RUN: pfrt-opt %s -p pfrt-fold-constants --split-input-file --verify-diagnostics | filecheck %s --check-prefix=FOLD

// What is passed refines the function, and what it returns the call; folding goes on inside.
// CHECK-LABEL: func.func @main
// CHECK:         func.call @f(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
// CHECK:       func.func private @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32>
// CHECK-NEXT:    pfrt.exp %x : tensor<4x8xf32> -> tensor<4x8xf32>
// FOLD-LABEL:  func.func @main
// FOLD:          func.call @f(%{{.*}}) : (tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @main(%x: tensor<4x8xf32>) -> tensor<?x?xf32> {
  %a = pfrt.relu %x : tensor<4x8xf32> -> tensor<?x?xf32>
  %b = func.call @f(%a) : (tensor<?x?xf32>) -> tensor<?x?xf32>
  func.return %b : tensor<?x?xf32>
}
func.func private @f(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %y = pfrt.exp %x : tensor<?x?xf32> -> tensor<?x?xf32>
  func.return %y : tensor<?x?xf32>
}

// -----

// A function that is called with several types is copied, since a call has exactly its types.
// CHECK-LABEL: func.func @main
// CHECK:         func.call @f_1(%{{.*}}) : (tensor<4xf32>) -> tensor<1xi64>
// CHECK:         func.call @f(%{{.*}}) : (tensor<8xf32>) -> tensor<1xi64>
// CHECK:       func.func private @f(%x: tensor<8xf32>)
// CHECK:       func.func private @f_1(%x: tensor<4xf32>)
// FOLD-LABEL:  func.func @main
// FOLD:        func.func private @f(%x: tensor<8xf32>) -> tensor<1xi64>
// FOLD-NEXT:     pfrt.constant dense<8>
// FOLD:        func.func private @f_1(%x: tensor<4xf32>) -> tensor<1xi64>
// FOLD-NEXT:     pfrt.constant dense<4>
func.func @main(%x: tensor<4xf32>, %z: tensor<8xf32>) -> (tensor<1xi64>, tensor<1xi64>) {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<?xf32>
  %b = pfrt.relu %z : tensor<8xf32> -> tensor<?xf32>
  %c = func.call @f(%a) : (tensor<?xf32>) -> tensor<1xi64>
  %d = func.call @f(%b) : (tensor<?xf32>) -> tensor<1xi64>
  func.return %c, %d : tensor<1xi64>, tensor<1xi64>
}
func.func private @f(%x: tensor<?xf32>) -> tensor<1xi64> {
  %s = pfrt.shape %x : tensor<?xf32> -> tensor<1xi64>
  func.return %s : tensor<1xi64>
}

// -----

// One that calls itself keeps its types, and a declaration takes what is passed.
// CHECK-LABEL: func.func @main
// CHECK:         func.call @itself(%{{.*}}) : (tensor<?xf32>) -> tensor<?xf32>
// CHECK:         func.call @outside(%{{.*}}) : (tensor<4xf32>) -> tensor<?xf32>
// CHECK:       func.func private @outside(tensor<4xf32>) -> tensor<?xf32>
func.func @main(%x: tensor<4xf32>, %z: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<?xf32>
  %b = func.call @itself(%z) : (tensor<?xf32>) -> tensor<?xf32>
  %c = func.call @outside(%a) : (tensor<?xf32>) -> tensor<?xf32>
  func.return %b, %c : tensor<?xf32>, tensor<?xf32>
}
func.func private @itself(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = func.call @itself(%x) : (tensor<?xf32>) -> tensor<?xf32>
  func.return %y : tensor<?xf32>
}
func.func private @outside(tensor<?xf32>) -> tensor<?xf32>

// -----

// What a loop calls takes the place of the call: the types in a loop are found by trial.
// CHECK:       pfrt.loop
// CHECK:         ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<i1>, %[[S:.*]]: tensor<4xf32>):
// CHECK-NEXT:    %[[Y:.*]] = pfrt.neg %[[S]] : tensor<4xf32> -> tensor<4xf32>
// CHECK-NEXT:    pfrt.yield %{{.*}}, %[[Y]] : tensor<i1>, tensor<4xf32>
func.func @main(%n: tensor<i64>, %x: tensor<4xf32>) -> tensor<?xf32> {
  %r = pfrt.loop trip(%n) carry(%x) -> (tensor<?xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<?xf32>):
    %y = func.call @f(%s) : (tensor<?xf32>) -> tensor<?xf32>
    pfrt.yield %c, %y : tensor<i1>, tensor<?xf32>
  } : trip tensor<i64> carry(tensor<4xf32>)
  func.return %r : tensor<?xf32>
}
func.func private @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = func.call @g(%x) : (tensor<?xf32>) -> tensor<?xf32>
  func.return %y : tensor<?xf32>
}
func.func private @g(%x: tensor<?xf32>) -> tensor<?xf32> {
  %y = pfrt.neg %x : tensor<?xf32> -> tensor<?xf32>
  func.return %y : tensor<?xf32>
}

// -----

// Nothing takes the place of a call of what is only declared.
// CHECK: pfrt-infer-shapes: func.call{{.*}}: types are not inferred through calls in loops; inline it
func.func @main(%n: tensor<i64>, %x: tensor<4xf32>) -> tensor<?xf32> {
  %r = pfrt.loop trip(%n) carry(%x) -> (tensor<?xf32>) {
  ^bb0(%i: tensor<i64>, %c: tensor<i1>, %s: tensor<?xf32>):
    %y = func.call @f(%s) : (tensor<?xf32>) -> tensor<?xf32>
    pfrt.yield %c, %y : tensor<i1>, tensor<?xf32>
  } : trip tensor<i64> carry(tensor<4xf32>)
  func.return %r : tensor<?xf32>
}
func.func private @f(tensor<?xf32>) -> tensor<?xf32>
