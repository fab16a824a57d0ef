// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// A device has what it would send itself.
// CHECK: pfrt.send: C1: "numpy:0" sends to itself
func.func @f(%x: tensor<2xf32>) {
  %s = pfrt.send %x {source = "numpy:0", destination = "numpy:0"} : tensor<2xf32> -> tensor<2xf32>
  func.return
}

// -----

// What is received was sent to somebody else.
// CHECK: pfrt.receive: C1: the value was sent to "numpy:1"
func.func @f(%x: tensor<2xf32>) {
  %s = pfrt.send %x {source = "numpy:0", destination = "numpy:1"} : tensor<2xf32> -> tensor<2xf32>
  %r = pfrt.receive %s {destination = "numpy:2"} : tensor<2xf32> -> tensor<2xf32>
  func.return
}

// -----

// A broadcast to nobody.
// CHECK: pfrt.broadcast: C1: no device gets it
func.func @f(%x: tensor<2xf32>) {
  pfrt.broadcast %x : (tensor<2xf32>) -> ()
  func.return
}

// -----

// A vector has one dimension.
// CHECK: pfrt.scatter_slices: C1: axis 1 is outside the dimensions of tensor<2xf32>
func.func @f(%x: tensor<2xf32>) {
  %a, %b = pfrt.scatter_slices %x {axis = 1 : i64, sizes = array<i64: 1, 1>} : (tensor<2xf32>) -> (tensor<1xf32>, tensor<1xf32>)
  func.return
}

// -----

// A share of nothing.
// CHECK: pfrt.scatter_slices: C2: the sizes [2, 0] of 2 results
func.func @f(%x: tensor<2xf32>) {
  %a, %b = pfrt.scatter_slices %x {axis = 0 : i64, sizes = array<i64: 2, 0>} : (tensor<2xf32>) -> (tensor<1xf32>, tensor<1xf32>)
  func.return
}

// -----

// Slices of integers and floats.
// CHECK: pfrt.all_gather: C1: needs one element type, got f32, i64
func.func @f(%x: tensor<2xf32>, %y: tensor<2xi64>) {
  %a = pfrt.all_gather %x, %y : tensor<2xf32>, tensor<2xi64> -> tensor<4xf32>
  func.return
}

// -----

// There is no such dimension.
// CHECK: pfrt.all_gather: C2: axis 3 is outside the dimensions of tensor<2xf32>
func.func @f(%x: tensor<2xf32>) {
  %a = pfrt.all_gather %x, %x {axis = 3 : i64} : tensor<2xf32>, tensor<2xf32> -> tensor<4xf32>
  func.return
}

// -----

// Rows of different lengths.
// CHECK: pfrt.all_gather: C3: slices of shapes [2, 3] and [2, 4]
func.func @f(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  %a = pfrt.all_gather %x, %y : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<4x3xf32>
  func.return
}

// -----

// Parts of a sum have one shape.
// CHECK: pfrt.all_reduce: C1: adds tensor<2xf32> and tensor<3xf32>
func.func @f(%x: tensor<2xf32>, %y: tensor<3xf32>) {
  %a = pfrt.all_reduce %x, %y : (tensor<2xf32>, tensor<3xf32>) -> tensor<2xf32>
  func.return
}
