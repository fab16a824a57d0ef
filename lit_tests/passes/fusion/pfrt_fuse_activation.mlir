// RUN: pfrt-opt %s -p pfrt-fuse-activation --split-input-file | filecheck %s

// With its properties and its name; what follows stays.
func.func @conv(%x: tensor<?x3x8x8xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<?x4x8x8xf32> {
  %c = pfrt.conv %x, %w as "c" : (tensor<?x3x8x8xf32>, tensor<4x3x1x1xf32>) -> tensor<?x4x8x8xf32>
  %y = pfrt.clip %c as "y" {max = 6.000000e+00 : f32, min = 0.000000e+00 : f32} : tensor<?x4x8x8xf32> -> tensor<?x4x8x8xf32>
  %z = pfrt.tanh %y : tensor<?x4x8x8xf32> -> tensor<?x4x8x8xf32>
  func.return %z : tensor<?x4x8x8xf32>
}
// CHECK-LABEL: @conv
// CHECK-NEXT: %y = pfrt.conv %x, %w as "y" {activation = #pfrt.activation<"clip", {max = 6.000000e+00 : f32, min = 0.000000e+00 : f32}>} :
// CHECK-NEXT: pfrt.tanh %y

// -----

// After a residual and a bias.
func.func @matmul(%a: tensor<2x4xf32>, %b: tensor<4x8xf32>, %c: tensor<8xf32>, %r: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %p = pfrt.matmul %a, %b bias %c plus %r : tensor<2x4xf32>, tensor<4x8xf32> bias tensor<8xf32> plus tensor<2x8xf32> -> tensor<2x8xf32>
  %y = pfrt.gelu %p {approximate = "tanh"} : tensor<2x8xf32> -> tensor<2x8xf32>
  func.return %y : tensor<2x8xf32>
}
// CHECK-LABEL: @matmul
// CHECK-NEXT: pfrt.matmul %a, %b bias %c plus %r {activation = #pfrt.activation<"gelu", {approximate = "tanh"}>} :

// -----

// The other ops that take one.
func.func @others(%x: tensor<2x4xf32>, %v: tensor<4xf32>, %u: tensor<1x2x3xf32>, %w: tensor<2x4x2xf32>) -> (tensor<2x4xf32>, tensor<2x2xf32>, tensor<1x4x4xf32>) {
  %b = pfrt.batch_normalization %x, %v, %v, %v, %v : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %g = pfrt.gemm %x, %x {trans_b = true} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x2xf32>
  %t = pfrt.conv_transpose %u, %w : (tensor<1x2x3xf32>, tensor<2x4x2xf32>) -> tensor<1x4x4xf32>
  %0 = pfrt.relu %b : tensor<2x4xf32> -> tensor<2x4xf32>
  %1 = pfrt.elu %g : tensor<2x2xf32> -> tensor<2x2xf32>
  %2 = pfrt.hard_swish %t : tensor<1x4x4xf32> -> tensor<1x4x4xf32>
  func.return %0, %1, %2 : tensor<2x4xf32>, tensor<2x2xf32>, tensor<1x4x4xf32>
}
// CHECK-LABEL: @others
// CHECK-NEXT: pfrt.batch_normalization {{.*}} {activation = #pfrt.activation<"relu">} :
// CHECK-NEXT: pfrt.gemm {{.*}} {trans_b = true, activation = #pfrt.activation<"elu", {alpha = 1.000000e+00 : f32}>} :
// CHECK-NEXT: pfrt.conv_transpose {{.*}} {activation = #pfrt.activation<"hard_swish">} :

// -----

// A product that has another use, or is an output, stays as it is.
func.func @used(%a: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.relu %p : tensor<2x2xf32> -> tensor<2x2xf32>
  func.return %y, %p : tensor<2x2xf32>, tensor<2x2xf32>
}
// CHECK-LABEL: @used
// CHECK-NEXT: pfrt.matmul %a, %a : tensor
// CHECK-NEXT: pfrt.relu

// -----

// A bound that is known at run time only is no property; a function to another type no activation.
func.func @operands(%a: tensor<2x2xf32>, %m: tensor<f32>) -> (tensor<2x2xf32>, tensor<2x2xi1>) {
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.clip %p max(%m : tensor<f32>) : tensor<2x2xf32> -> tensor<2x2xf32>
  %q = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %z = pfrt.is_nan %q : tensor<2x2xf32> -> tensor<2x2xi1>
  func.return %y, %z : tensor<2x2xf32>, tensor<2x2xi1>
}
// CHECK-LABEL: @operands
// CHECK-NEXT: pfrt.matmul
// CHECK-NEXT: pfrt.clip
// CHECK-NEXT: pfrt.matmul
// CHECK-NEXT: pfrt.is_nan

// -----

// A product outside of a loop is not moved into it.
func.func @region(%a: tensor<2x2xf32>, %c: tensor<i1>) -> tensor<2x2xf32> {
  %p = pfrt.matmul %a, %a : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %y = pfrt.if %c -> (tensor<2x2xf32>) {
    %r = pfrt.relu %p : tensor<2x2xf32> -> tensor<2x2xf32>
    pfrt.yield %r : tensor<2x2xf32>
  } else {
    pfrt.yield %a : tensor<2x2xf32>
  } : tensor<i1>
  func.return %y : tensor<2x2xf32>
}
// CHECK-LABEL: @region
// CHECK-NEXT: pfrt.matmul %a, %a : tensor
// CHECK: pfrt.relu

// -----

// Where a layout fills up channels with 0, sigmoid would fill them with 0.5.
func.func @packed(%x: tensor<1x1x2x2x4xf32>, %w: tensor<3x3x1x1xf32>) -> tensor<1x1x2x2x4xf32> {
  %c = pfrt.conv %x, %w {layout = "nc4hw4"} : (tensor<1x1x2x2x4xf32>, tensor<3x3x1x1xf32>) -> tensor<1x1x2x2x4xf32>
  %y = pfrt.sigmoid %c : tensor<1x1x2x2x4xf32> -> tensor<1x1x2x2x4xf32>
  func.return %y : tensor<1x1x2x2x4xf32>
}
// CHECK-LABEL: @packed
// CHECK-NEXT: pfrt.conv
// CHECK-NEXT: pfrt.sigmoid
