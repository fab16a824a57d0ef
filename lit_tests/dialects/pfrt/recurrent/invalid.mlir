// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// All are floats of one type.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf16>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r : tensor<5x2x3xf32>, tensor<1x16x3xf16>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C1: needs one element type, got f32, f16, f32

// -----

// Lengths are i32.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>, %l: tensor<2xi64>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r lengths(%l : tensor<2xi64>) : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C1: lengths cannot be tensor<2xi64>

// -----

// Weights are for the inputs there are.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x5xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r : tensor<5x2x3xf32>, tensor<1x16x5xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C2: w must be tensor<1x16x3xf32>, got tensor<1x16x5xf32>

// -----

// Weights of both directions.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r {direction = "bidirectional"} : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C2: w must be tensor<2x16x3xf32>, got tensor<1x16x3xf32>

// -----

// A state for each of the batch.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>, %h: tensor<1x3x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r initial_h(%h : tensor<1x3x4xf32>) : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C2: a state must be tensor<1x2x4xf32>, got tensor<1x3x4xf32>

// -----

// Three directions.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r {direction = "both"} : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C3: unknown direction "both"

// -----

// Two layouts.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r {layout = 2 : i64} : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C3: layout is 0 or 1, not 2

// -----

// Activations there are.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r {activations = ["Swish"]} : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C4: unknown activation "Swish"

// -----

// One activation for each function.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r {activations = ["Tanh", "Tanh", "Tanh", "Tanh"]} : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C4: 4 activations, needs 3

// -----

// A threshold is not negative.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r {clip = -1.0 : f32} : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C5: clip must not be negative, got -1.0

// -----

// All are floats of one type.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf16>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r : tensor<5x2x3xf32>, tensor<1x12x3xf16>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C1: needs one element type, got f32, f16, f32

// -----

// Lengths are i32.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>, %l: tensor<2xi64>) {
  %0, %1 = pfrt.gru %x, %w, %r lengths(%l : tensor<2xi64>) : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C1: lengths cannot be tensor<2xi64>

// -----

// Weights are for the inputs there are.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x5xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r : tensor<5x2x3xf32>, tensor<1x12x5xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C2: w must be tensor<1x12x3xf32>, got tensor<1x12x5xf32>

// -----

// Weights of both directions.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r {direction = "bidirectional"} : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C2: w must be tensor<2x12x3xf32>, got tensor<1x12x3xf32>

// -----

// A state for each of the batch.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>, %h: tensor<1x3x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r initial_h(%h : tensor<1x3x4xf32>) : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C2: a state must be tensor<1x2x4xf32>, got tensor<1x3x4xf32>

// -----

// Three directions.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r {direction = "both"} : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C3: unknown direction "both"

// -----

// Two layouts.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r {layout = 2 : i64} : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C3: layout is 0 or 1, not 2

// -----

// Activations there are.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r {activations = ["Swish"]} : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C4: unknown activation "Swish"

// -----

// One activation for each function.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r {activations = ["Tanh", "Tanh", "Tanh", "Tanh"]} : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C4: 4 activations, needs 2

// -----

// A threshold is not negative.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x12x3xf32>, %r: tensor<1x12x4xf32>) {
  %0, %1 = pfrt.gru %x, %w, %r {clip = -1.0 : f32} : tensor<5x2x3xf32>, tensor<1x12x3xf32>, tensor<1x12x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.gru: C5: clip must not be negative, got -1.0

// -----

// All are floats of one type.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf16>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r : tensor<5x2x3xf32>, tensor<1x4x3xf16>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C1: needs one element type, got f32, f16, f32

// -----

// Lengths are i32.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>, %l: tensor<2xi64>) {
  %0, %1 = pfrt.rnn %x, %w, %r lengths(%l : tensor<2xi64>) : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C1: lengths cannot be tensor<2xi64>

// -----

// Weights are for the inputs there are.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x5xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r : tensor<5x2x3xf32>, tensor<1x4x5xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C2: w must be tensor<1x4x3xf32>, got tensor<1x4x5xf32>

// -----

// Weights of both directions.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r {direction = "bidirectional"} : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C2: w must be tensor<2x4x3xf32>, got tensor<1x4x3xf32>

// -----

// A state for each of the batch.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>, %h: tensor<1x3x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r initial_h(%h : tensor<1x3x4xf32>) : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C2: a state must be tensor<1x2x4xf32>, got tensor<1x3x4xf32>

// -----

// Three directions.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r {direction = "both"} : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C3: unknown direction "both"

// -----

// Two layouts.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r {layout = 2 : i64} : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C3: layout is 0 or 1, not 2

// -----

// Activations there are.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r {activations = ["Swish"]} : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C4: unknown activation "Swish"

// -----

// One activation for each function.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r {activations = ["Tanh", "Tanh", "Tanh", "Tanh"]} : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C4: 4 activations, needs 1

// -----

// A threshold is not negative.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x4x3xf32>, %r: tensor<1x4x4xf32>) {
  %0, %1 = pfrt.rnn %x, %w, %r {clip = -1.0 : f32} : tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.rnn: C5: clip must not be negative, got -1.0

// -----

// Peepholes of three gates.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<1x16x3xf32>, %r: tensor<1x16x4xf32>, %p: tensor<1x16xf32>) {
  %0, %1, %2 = pfrt.lstm %x, %w, %r peepholes(%p : tensor<1x16xf32>) : tensor<5x2x3xf32>, tensor<1x16x3xf32>, tensor<1x16x4xf32> -> tensor<5x1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>
  func.return
}
// CHECK: pfrt.lstm: C2: p must be tensor<1x12xf32>, got tensor<1x16xf32>
