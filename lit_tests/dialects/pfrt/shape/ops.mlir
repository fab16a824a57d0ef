// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Another shape, from a property.
func.func @f(%x: tensor<2x3x4xf32>, %y: tensor<1x?x1xf32>) {
  // CHECK: pfrt.identity %x : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  %0 = pfrt.identity %x : tensor<2x3x4xf32> -> tensor<2x3x4xf32>
  // CHECK: pfrt.reshape %x {shape = array<i64: 0, -1>} : (tensor<2x3x4xf32>) -> tensor<2x12xf32>
  %1 = pfrt.reshape %x {shape = array<i64: 0, -1>} : (tensor<2x3x4xf32>) -> tensor<2x12xf32>
  // CHECK: pfrt.flatten %x {axis = 2 : i64} : tensor<2x3x4xf32> -> tensor<6x4xf32>
  %2 = pfrt.flatten %x {axis = 2 : i64} : tensor<2x3x4xf32> -> tensor<6x4xf32>
  // CHECK: pfrt.squeeze %y {axes = array<i64: 0, -1>} : (tensor<1x?x1xf32>) -> tensor<?xf32>
  %3 = pfrt.squeeze %y {axes = array<i64: 0, -1>} : (tensor<1x?x1xf32>) -> tensor<?xf32>
  // CHECK: pfrt.unsqueeze %y {axes = array<i64: 0>} : (tensor<1x?x1xf32>) -> tensor<1x1x?x1xf32>
  %4 = pfrt.unsqueeze %y {axes = array<i64: 0>} : (tensor<1x?x1xf32>) -> tensor<1x1x?x1xf32>
  // CHECK: pfrt.transpose %x : tensor<2x3x4xf32> -> tensor<4x3x2xf32>
  %5 = pfrt.transpose %x : tensor<2x3x4xf32> -> tensor<4x3x2xf32>
  // CHECK: pfrt.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<2x3x4xf32> -> tensor<2x4x3xf32>
  %6 = pfrt.transpose %x {perm = array<i64: 0, 2, 1>} : tensor<2x3x4xf32> -> tensor<2x4x3xf32>
  // CHECK: pfrt.expand %y {shape = array<i64: 2, 1, 4>} : (tensor<1x?x1xf32>) -> tensor<2x?x4xf32>
  %7 = pfrt.expand %y {shape = array<i64: 2, 1, 4>} : (tensor<1x?x1xf32>) -> tensor<2x?x4xf32>
  // CHECK: pfrt.tile %x {repeats = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<2x6x0xf32>
  %8 = pfrt.tile %x {repeats = array<i64: 1, 2, 0>} : (tensor<2x3x4xf32>) -> tensor<2x6x0xf32>
  func.return
}

// -----

// Another shape, from an operand of known length: the rank is known.
func.func @f(%x: tensor<2x3xf32>, %s: tensor<2xi64>, %u: tensor<?xi64>) {
  // CHECK: pfrt.reshape %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  %0 = pfrt.reshape %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  // CHECK: pfrt.reshape %x, %u : (tensor<2x3xf32>, tensor<?xi64>) -> tensor<*xf32>
  %1 = pfrt.reshape %x, %u : (tensor<2x3xf32>, tensor<?xi64>) -> tensor<*xf32>
  // CHECK: pfrt.squeeze %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<f32>
  %2 = pfrt.squeeze %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<f32>
  // CHECK: pfrt.unsqueeze %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<?x?x?x?xf32>
  %3 = pfrt.unsqueeze %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<?x?x?x?xf32>
  // CHECK: pfrt.expand %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  %4 = pfrt.expand %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
  // CHECK: pfrt.tile %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  %5 = pfrt.tile %x, %s : (tensor<2x3xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  func.return
}

// -----

// Putting together and taking apart.
func.func @f(%x: tensor<2x8xf32>, %y: tensor<?x3xf32>, %i: tensor<3x4xi32>, %s: tensor<2xi64>) {
  // CHECK: pfrt.concat %x, %y {axis = 1 : i64} : (tensor<2x8xf32>, tensor<?x3xf32>) -> tensor<2x11xf32>
  %0 = pfrt.concat %x, %y {axis = 1 : i64} : (tensor<2x8xf32>, tensor<?x3xf32>) -> tensor<2x11xf32>
  // CHECK: %a, %b = pfrt.split %x as "left", "right" {axis = 1 : i64, split = array<i64: 3, 5>} : (tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x5xf32>)
  %a, %b = pfrt.split %x as "left", "right" {axis = 1 : i64, split = array<i64: 3, 5>} : (tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x5xf32>)
  // CHECK: %c, %d, %e = pfrt.split %x {axis = 1 : i64, num_outputs = 3 : i64} : (tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x2xf32>)
  %c, %d, %e = pfrt.split %x {axis = 1 : i64, num_outputs = 3 : i64} : (tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x2xf32>)
  // CHECK: %g, %h = pfrt.split %x, %s : (tensor<2x8xf32>, tensor<2xi64>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  %g, %h = pfrt.split %x, %s : (tensor<2x8xf32>, tensor<2xi64>) -> (tensor<?x8xf32>, tensor<?x8xf32>)
  // CHECK: pfrt.gather %x, %i {axis = 1 : i64} : (tensor<2x8xf32>, tensor<3x4xi32>) -> tensor<2x3x4xf32>
  %4 = pfrt.gather %x, %i {axis = 1 : i64} : (tensor<2x8xf32>, tensor<3x4xi32>) -> tensor<2x3x4xf32>
  func.return
}

// -----

// Slices: what is an operand is named.
func.func @f(%x: tensor<2x8xf32>, %s: tensor<1xi64>, %u: tensor<?xi64>) {
  // CHECK: pfrt.slice %x {axes = array<i64: 1>, ends = array<i64: -9>, starts = array<i64: -1>, steps = array<i64: -2>} : tensor<2x8xf32> -> tensor<2x4xf32>
  %0 = pfrt.slice %x {axes = array<i64: 1>, ends = array<i64: -9>, starts = array<i64: -1>, steps = array<i64: -2>} : tensor<2x8xf32> -> tensor<2x4xf32>
  // CHECK: pfrt.slice %x starts(%s : tensor<1xi64>) ends(%s : tensor<1xi64>) {axes = array<i64: 1>} : tensor<2x8xf32> -> tensor<2x?xf32>
  %1 = pfrt.slice %x starts(%s : tensor<1xi64>) ends(%s : tensor<1xi64>) {axes = array<i64: 1>} : tensor<2x8xf32> -> tensor<2x?xf32>
  // CHECK: pfrt.slice %x starts(%s : tensor<1xi64>) ends(%s : tensor<1xi64>) axes(%s : tensor<1xi64>) steps(%s : tensor<1xi64>) : tensor<2x8xf32> -> tensor<?x?xf32>
  %2 = pfrt.slice %x starts(%s : tensor<1xi64>) ends(%s : tensor<1xi64>) axes(%s : tensor<1xi64>) steps(%s : tensor<1xi64>) : tensor<2x8xf32> -> tensor<?x?xf32>
  func.return
}

// -----

// Pads: what is an operand is named.
func.func @f(%x: tensor<2x8xf32>, %p: tensor<4xi64>, %v: tensor<f32>, %a: tensor<2xi64>) {
  // CHECK: pfrt.pad %x {pads = array<i64: 0, 1, 0, -2>} : tensor<2x8xf32> -> tensor<2x7xf32>
  %0 = pfrt.pad %x {pads = array<i64: 0, 1, 0, -2>} : tensor<2x8xf32> -> tensor<2x7xf32>
  // CHECK: pfrt.pad %x {axes = array<i64: -1>, constant_value = 1.000000e+00 : f32, pads = array<i64: 1, 2>} : tensor<2x8xf32> -> tensor<2x11xf32>
  %1 = pfrt.pad %x {axes = array<i64: -1>, constant_value = 1.000000e+00 : f32, pads = array<i64: 1, 2>} : tensor<2x8xf32> -> tensor<2x11xf32>
  // CHECK: pfrt.pad %x pads(%p : tensor<4xi64>) value(%v : tensor<f32>) axes(%a : tensor<2xi64>) : tensor<2x8xf32> -> tensor<?x?xf32>
  %2 = pfrt.pad %x pads(%p : tensor<4xi64>) value(%v : tensor<f32>) axes(%a : tensor<2xi64>) : tensor<2x8xf32> -> tensor<?x?xf32>
  // CHECK: pfrt.pad %x {mode = "reflect", pads = array<i64: 1, 1, 1, 1>} : tensor<2x8xf32> -> tensor<4x10xf32>
  %3 = pfrt.pad %x {mode = "reflect", pads = array<i64: 1, 1, 1, 1>} : tensor<2x8xf32> -> tensor<4x10xf32>
  func.return
}

// -----

// More parts than elements: the last ones are empty.
func.func @parts(%x: tensor<5xf32>) {
  %a, %b, %c, %d = pfrt.split %x {num_outputs = 4 : i64} : (tensor<5xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<1xf32>, tensor<0xf32>)
  func.return
}
// CHECK-LABEL: @parts
// CHECK:         pfrt.split %x {num_outputs = 4 : i64} : (tensor<5xf32>) -> (tensor<2xf32>, tensor<2xf32>, tensor<1xf32>, tensor<0xf32>)

// -----

// Axes that change, listed or all; a shape known or not.
func.func @center(%x: tensor<?x8x3xf32>, %s: tensor<3xi32>) {
  %0 = pfrt.center_crop_pad %x as "y" {axes = array<i64: 0, 1>, shape = array<i64: 10, 9>} : (tensor<?x8x3xf32>) -> tensor<10x9x3xf32>
  %1 = pfrt.center_crop_pad %x, %s : (tensor<?x8x3xf32>, tensor<3xi32>) -> tensor<?x?x?xf32>
  func.return
}
// CHECK-LABEL: @center
// CHECK:         pfrt.center_crop_pad %x as "y" {axes = array<i64: 0, 1>, shape = array<i64: 10, 9>} : (tensor<?x8x3xf32>) -> tensor<10x9x3xf32>
// CHECK-NEXT:    pfrt.center_crop_pad %x, %s : (tensor<?x8x3xf32>, tensor<3xi32>) -> tensor<?x?x?xf32>
