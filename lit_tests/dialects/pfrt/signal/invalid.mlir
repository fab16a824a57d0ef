// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Signals are floats.
// CHECK: pfrt.dft: C1: needs floats, got tensor<1x8x1xi32>
func.func @f(%x: tensor<1x8x1xi32>) {
  %0 = pfrt.dft %x : tensor<1x8x1xi32> -> tensor<1x8x2xi32>
  func.return
}

// -----

// A number has one or two parts.
// CHECK: pfrt.dft: C2: the last dimension is 1 or 2, not 3
func.func @f(%x: tensor<1x8x3xf32>) {
  %0 = pfrt.dft %x : tensor<1x8x3xf32> -> tensor<1x8x2xf32>
  func.return
}

// -----

// A length is one integer.
// CHECK: pfrt.dft: C3: dft_length must be one number, got tensor<f32>
func.func @f(%x: tensor<1x8x1xf32>, %n: tensor<f32>) {
  %0 = pfrt.dft %x length(%n : tensor<f32>) : tensor<1x8x1xf32> -> tensor<1x?x2xf32>
  func.return
}

// -----

// The parts of a number are no signal.
// CHECK: pfrt.dft: C4: axis -1 of tensor<1x8x1xf32>
func.func @f(%x: tensor<1x8x1xf32>) {
  %0 = pfrt.dft %x {axis = -1 : i64} : tensor<1x8x1xf32> -> tensor<1x8x2xf32>
  func.return
}

// -----

// Of complex numbers there is no half.
// CHECK: pfrt.dft: C5: tensor<1x8x2xf32> is not what onesided takes
func.func @f(%x: tensor<1x8x2xf32>) {
  %0 = pfrt.dft %x {onesided = true} : tensor<1x8x2xf32> -> tensor<1x5x2xf32>
  func.return
}

// -----

// Something is transformed.
// CHECK: pfrt.dft: C6: a transform of 0 elements
func.func @f(%x: tensor<1x8x1xf32>) {
  %0 = pfrt.dft %x {dft_length = 0 : i64} : tensor<1x8x1xf32> -> tensor<1x0x2xf32>
  func.return
}

// -----

// The half of real numbers that one element is has none.
// CHECK: pfrt.dft: C6: a transform of 0 elements
func.func @f(%x: tensor<1x1x2xf32>) {
  %0 = pfrt.dft %x {inverse = true, onesided = true} : tensor<1x1x2xf32> -> tensor<1x?x1xf32>
  func.return
}

// -----

// The window is of the signal's type.
// CHECK: pfrt.stft: C1: needs one element type, got f32, f64
func.func @f(%x: tensor<1x8x1xf32>, %w: tensor<4xf64>) {
  %0 = pfrt.stft %x window(%w : tensor<4xf64>) {frame_step = 1 : i64} : tensor<1x8x1xf32> -> tensor<1x5x3x2xf32>
  func.return
}

// -----

// A signal has a batch.
// CHECK: pfrt.stft: C2: the signal must be tensor<?x?x?xf32>, got tensor<8x1xf32>
func.func @f(%x: tensor<8x1xf32>) {
  %0 = pfrt.stft %x {frame_step = 1 : i64} : tensor<8x1xf32> -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// There is a step.
// CHECK: pfrt.stft: C3: needs frame_step
func.func @f(%x: tensor<1x8x1xf32>) {
  %0 = pfrt.stft %x : tensor<1x8x1xf32> -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// Of complex numbers there is no half.
// CHECK: pfrt.stft: C4: onesided takes real numbers
func.func @f(%x: tensor<1x8x2xf32>) {
  %0 = pfrt.stft %x {frame_step = 1 : i64} : tensor<1x8x2xf32> -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// A step goes on.
// CHECK: pfrt.stft: C5: frame_step must be at least 1, got 0
func.func @f(%x: tensor<1x8x1xf32>) {
  %0 = pfrt.stft %x {frame_step = 0 : i64} : tensor<1x8x1xf32> -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// The window is as long as a frame.
// CHECK: pfrt.stft: C5: a window of 4 for frames of 5
func.func @f(%x: tensor<1x8x1xf32>, %w: tensor<4xf32>) {
  %0 = pfrt.stft %x window(%w : tensor<4xf32>) {frame_length = 5 : i64, frame_step = 1 : i64} : tensor<1x8x1xf32> -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// A frame fits.
// CHECK: pfrt.stft: C5: a signal of 8 elements has no frame of 9
func.func @f(%x: tensor<1x8x1xf32>) {
  %0 = pfrt.stft %x {frame_length = 9 : i64, frame_step = 1 : i64} : tensor<1x8x1xf32> -> tensor<?x?x?x2xf32>
  func.return
}

// -----

// A size is an integer.
// CHECK: pfrt.hann_window: C1: size must be one number, got tensor<f32>
func.func @f(%n: tensor<f32>) {
  %0 = pfrt.hann_window %n : (tensor<f32>) -> tensor<?xf32>
  func.return
}

// -----

// There are no fewer elements than none.
// CHECK: pfrt.hann_window: C2: size must not be negative, got -1
func.func @f() {
  %0 = pfrt.hann_window {size = -1 : i64} : () -> tensor<?xf32>
  func.return
}

// -----

// A window is numbers.
// CHECK: pfrt.hann_window: C3: output_datatype cannot be i1
func.func @f() {
  %0 = pfrt.hann_window {output_datatype = i1, size = 4 : i64} : () -> tensor<4xi1>
  func.return
}

// -----

// A size is an integer.
// CHECK: pfrt.hamming_window: C1: size must be one number, got tensor<f32>
func.func @f(%n: tensor<f32>) {
  %0 = pfrt.hamming_window %n : (tensor<f32>) -> tensor<?xf32>
  func.return
}

// -----

// There are no fewer elements than none.
// CHECK: pfrt.hamming_window: C2: size must not be negative, got -1
func.func @f() {
  %0 = pfrt.hamming_window {size = -1 : i64} : () -> tensor<?xf32>
  func.return
}

// -----

// A window is numbers.
// CHECK: pfrt.hamming_window: C3: output_datatype cannot be i1
func.func @f() {
  %0 = pfrt.hamming_window {output_datatype = i1, size = 4 : i64} : () -> tensor<4xi1>
  func.return
}

// -----

// A size is an integer.
// CHECK: pfrt.blackman_window: C1: size must be one number, got tensor<f32>
func.func @f(%n: tensor<f32>) {
  %0 = pfrt.blackman_window %n : (tensor<f32>) -> tensor<?xf32>
  func.return
}

// -----

// There are no fewer elements than none.
// CHECK: pfrt.blackman_window: C2: size must not be negative, got -1
func.func @f() {
  %0 = pfrt.blackman_window {size = -1 : i64} : () -> tensor<?xf32>
  func.return
}

// -----

// A window is numbers.
// CHECK: pfrt.blackman_window: C3: output_datatype cannot be i1
func.func @f() {
  %0 = pfrt.blackman_window {output_datatype = i1, size = 4 : i64} : () -> tensor<4xi1>
  func.return
}

// -----

// A number of filters is whole.
// CHECK: pfrt.mel_weight_matrix: C1: operand 0 cannot be tensor<f32>
func.func @f(%n: tensor<i64>, %f: tensor<f32>) {
  %0 = pfrt.mel_weight_matrix %f, %n, %n, %f, %f : (tensor<f32>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  func.return
}

// -----

// Filters are numbers.
// CHECK: pfrt.mel_weight_matrix: C2: output_datatype cannot be complex<f32>
func.func @f(%n: tensor<i64>, %f: tensor<f32>) {
  %0 = pfrt.mel_weight_matrix %n, %n, %n, %f, %f {output_datatype = complex<f32>} : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xcomplex<f32>>
  func.return
}

// -----

// There are no fewer filters than none.
// CHECK: pfrt.mel_weight_matrix: C3: -1 filters
func.func @f(%n: tensor<i64>, %f: tensor<f32>) {
  %c = pfrt.constant dense<-1> : tensor<i64>
  %0 = pfrt.mel_weight_matrix %c, %n, %n, %f, %f : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  func.return
}
