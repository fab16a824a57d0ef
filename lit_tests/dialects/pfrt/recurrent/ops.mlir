// RUN: pfrt-opt %s --split-input-file | filecheck %s

// All that an LSTM can have.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<2x16x3xf32>, %r: tensor<2x16x4xf32>, %b: tensor<2x32xf32>, %l: tensor<2xi32>, %h: tensor<2x2x4xf32>, %c: tensor<2x2x4xf32>, %p: tensor<2x12xf32>) -> (tensor<5x2x2x4xf32>, tensor<2x2x4xf32>, tensor<2x2x4xf32>) {
  // CHECK: pfrt.lstm %x, %w, %r bias(%b : tensor<2x32xf32>) lengths(%l : tensor<2xi32>) initial_h(%h : tensor<2x2x4xf32>) initial_c(%c : tensor<2x2x4xf32>) peepholes(%p : tensor<2x12xf32>) {clip = 3.000000e+00 : f32, direction = "bidirectional", input_forget = true} : tensor<5x2x3xf32>, tensor<2x16x3xf32>, tensor<2x16x4xf32> -> tensor<5x2x2x4xf32>, tensor<2x2x4xf32>, tensor<2x2x4xf32>
  %0, %1, %2 = pfrt.lstm %x, %w, %r bias(%b : tensor<2x32xf32>) lengths(%l : tensor<2xi32>) initial_h(%h : tensor<2x2x4xf32>) initial_c(%c : tensor<2x2x4xf32>) peepholes(%p : tensor<2x12xf32>) {clip = 3.000000e+00 : f32, direction = "bidirectional", input_forget = true} : tensor<5x2x3xf32>, tensor<2x16x3xf32>, tensor<2x16x4xf32> -> tensor<5x2x2x4xf32>, tensor<2x2x4xf32>, tensor<2x2x4xf32>
  func.return %0, %1, %2 : tensor<5x2x2x4xf32>, tensor<2x2x4xf32>, tensor<2x2x4xf32>
}

// -----

// A GRU of unknown batch and steps, the batch first.
func.func @f(%x: tensor<?x?x3xf16>, %w: tensor<1x12x3xf16>, %r: tensor<1x12x4xf16>) -> (tensor<?x?x1x4xf16>, tensor<?x1x4xf16>) {
  // CHECK: pfrt.gru %x, %w, %r {layout = 1 : i64, linear_before_reset = true} : tensor<?x?x3xf16>, tensor<1x12x3xf16>, tensor<1x12x4xf16> -> tensor<?x?x1x4xf16>, tensor<?x1x4xf16>
  %0, %1 = pfrt.gru %x, %w, %r {layout = 1 : i64, linear_before_reset = true} : tensor<?x?x3xf16>, tensor<1x12x3xf16>, tensor<1x12x4xf16> -> tensor<?x?x1x4xf16>, tensor<?x1x4xf16>
  func.return %0, %1 : tensor<?x?x1x4xf16>, tensor<?x1x4xf16>
}

// -----

// An RNN of other activations, the last with a parameter.
func.func @f(%x: tensor<5x2x3xf32>, %w: tensor<2x4x3xf32>, %r: tensor<2x4x4xf32>) -> (tensor<5x2x2x4xf32>, tensor<2x2x4xf32>) {
  // CHECK: pfrt.rnn %x, %w, %r {activation_alpha = dense<5.000000e-01> : tensor<1xf32>, activations = ["Relu", "Elu"], direction = "bidirectional"} : tensor<5x2x3xf32>, tensor<2x4x3xf32>, tensor<2x4x4xf32> -> tensor<5x2x2x4xf32>, tensor<2x2x4xf32>
  %0, %1 = pfrt.rnn %x, %w, %r {activation_alpha = dense<5.000000e-01> : tensor<1xf32>, activations = ["Relu", "Elu"], direction = "bidirectional"} : tensor<5x2x3xf32>, tensor<2x4x3xf32>, tensor<2x4x4xf32> -> tensor<5x2x2x4xf32>, tensor<2x2x4xf32>
  func.return %0, %1 : tensor<5x2x2x4xf32>, tensor<2x2x4xf32>
}

// -----

// The size of the state from rows of weights.
func.func @f(%x: tensor<*xf32>, %w: tensor<1x16x3xf32>, %r: tensor<*xf32>) -> (tensor<?x1x?x4xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) {
  // CHECK: pfrt.lstm %x, %w, %r : tensor<*xf32>, tensor<1x16x3xf32>, tensor<*xf32> -> tensor<?x1x?x4xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>
  %0, %1, %2 = pfrt.lstm %x, %w, %r : tensor<*xf32>, tensor<1x16x3xf32>, tensor<*xf32> -> tensor<?x1x?x4xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>
  func.return %0, %1, %2 : tensor<?x1x?x4xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>
}
