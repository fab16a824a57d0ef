// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// All of a transform or half of it, and the way back; of an axis that is not known, no dimension is.
// CHECK-LABEL: @transforms
// CHECK-NEXT:    pfrt.dft %x as "y" : tensor<?x8x1xf32> -> tensor<?x8x2xf32>
// CHECK-NEXT:    pfrt.dft %x {axis = 1 : i64, onesided = true} : tensor<?x8x1xf32> -> tensor<?x5x2xf32>
// CHECK-NEXT:    pfrt.dft %z {axis = 1 : i64, inverse = true, onesided = true} : tensor<?x5x2xf32> -> tensor<?x8x1xf32>
// CHECK-NEXT:    pfrt.dft %x length(%n : tensor<i32>) axis(%n : tensor<i32>) : tensor<?x8x1xf32> -> tensor<?x?x2xf32>
func.func @transforms(%x: tensor<?x8x1xf32>, %z: tensor<?x5x2xf32>, %n: tensor<i32>) {
  %0 = pfrt.dft %x as "y" : tensor<?x8x1xf32> -> tensor<?x8x2xf32>
  %1 = pfrt.dft %x {axis = 1 : i64, onesided = true} : tensor<?x8x1xf32> -> tensor<?x5x2xf32>
  %2 = pfrt.dft %z {axis = 1 : i64, inverse = true, onesided = true} : tensor<?x5x2xf32> -> tensor<?x8x1xf32>
  %3 = pfrt.dft %x length(%n : tensor<i32>) axis(%n : tensor<i32>) : tensor<?x8x1xf32> -> tensor<?x?x2xf32>
  func.return
}

// -----

// Frames of the window's length, of a given one, of one not known, and all of the signal.
// CHECK-LABEL: @frames
// CHECK-NEXT:    pfrt.stft %x window(%w : tensor<16xf32>) {frame_step = 8 : i64} : tensor<?x128x1xf32> -> tensor<?x15x9x2xf32>
// CHECK-NEXT:    pfrt.stft %x {frame_length = 16 : i64, frame_step = 8 : i64, onesided = false} : tensor<?x128x1xf32> -> tensor<?x15x16x2xf32>
// CHECK-NEXT:    pfrt.stft %x step(%n : tensor<i64>) length(%n : tensor<i64>) : tensor<?x128x1xf32> -> tensor<?x?x?x2xf32>
// CHECK-NEXT:    pfrt.stft %x {frame_step = 8 : i64} : tensor<?x128x1xf32> -> tensor<?x1x65x2xf32>
func.func @frames(%x: tensor<?x128x1xf32>, %w: tensor<16xf32>, %n: tensor<i64>) {
  %0 = pfrt.stft %x window(%w : tensor<16xf32>) {frame_step = 8 : i64} : tensor<?x128x1xf32> -> tensor<?x15x9x2xf32>
  %1 = pfrt.stft %x {frame_length = 16 : i64, frame_step = 8 : i64, onesided = false} : tensor<?x128x1xf32> -> tensor<?x15x16x2xf32>
  %2 = pfrt.stft %x step(%n : tensor<i64>) length(%n : tensor<i64>) : tensor<?x128x1xf32> -> tensor<?x?x?x2xf32>
  %3 = pfrt.stft %x {frame_step = 8 : i64} : tensor<?x128x1xf32> -> tensor<?x1x65x2xf32>
  func.return
}

// -----

// Windows of a size known or not, of any type of numbers; mel filters.
// CHECK-LABEL: @windows
// CHECK-NEXT:    pfrt.hann_window %n : (tensor<i64>) -> tensor<?xf32>
// CHECK-NEXT:    pfrt.hamming_window {periodic = false, size = 10 : i64} : () -> tensor<10xf32>
// CHECK-NEXT:    pfrt.blackman_window as "w" {output_datatype = f64, size = 10 : i64} : () -> tensor<10xf64>
// CHECK-NEXT:    pfrt.mel_weight_matrix %n, %n, %n, %f, %f : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
func.func @windows(%n: tensor<i64>, %f: tensor<f32>) {
  %0 = pfrt.hann_window %n : (tensor<i64>) -> tensor<?xf32>
  %1 = pfrt.hamming_window {periodic = false, size = 10 : i64} : () -> tensor<10xf32>
  %2 = pfrt.blackman_window as "w" {output_datatype = f64, size = 10 : i64} : () -> tensor<10xf64>
  %3 = pfrt.mel_weight_matrix %n, %n, %n, %f, %f : (tensor<i64>, tensor<i64>, tensor<i64>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  func.return
}
