// RUN: pfrt-opt %s -p "pfrt-outline{target=dev ops=Add,Relu,If,FusedConvRelu}" --split-input-file --verify-diagnostics | filecheck %s

// Ops that depend on each other are one part; what runs elsewhere in between makes two.
// CHECK-LABEL: func.func @chain
// CHECK-NEXT:    %a, %b = func.call @chain_dev_0(%x) : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT:    %c = pfrt.exp %b as "c"
// CHECK-NEXT:    %d = func.call @chain_dev_1(%c, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:    func.return %d
// CHECK:       func.func private @chain_dev_0(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) attributes {pfrt.target = "dev"} {
// CHECK-NEXT:    %a = pfrt.relu %x as "a"
// CHECK-NEXT:    %b = pfrt.add %a, %x
// CHECK:       func.func private @chain_dev_1(%c: tensor<4xf32>, %a: tensor<4xf32>)
// CHECK-NEXT:    pfrt.add %c, %a
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pfrt.relu %x as "a" : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.add %a, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %c = pfrt.exp %b as "c" : tensor<4xf32> -> tensor<4xf32>
  %d = pfrt.add %c, %a : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %d : tensor<4xf32>
}

// -----

// A branch that does not wait for the host joins the first part, wherever it stands.
// CHECK-LABEL: func.func @branches
// CHECK-NEXT:    %a, %c = func.call @branches_dev_0(%x)
// CHECK-NEXT:    %b = pfrt.exp %a
// CHECK-NEXT:    func.return %b, %c
func.func @branches(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.exp %a : tensor<4xf32> -> tensor<4xf32>
  %c = pfrt.add %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %b, %c : tensor<4xf32>, tensor<4xf32>
}

// -----

// Constants are where they are needed, in several parts and on the host; those not needed go.
// CHECK-LABEL: func.func @constants
// CHECK-NEXT:    %w = pfrt.constant
// CHECK-NEXT:    func.call @constants_dev_0(%x)
// CHECK-NEXT:    pfrt.mul %{{.*}}, %w
// CHECK-NEXT:    func.call @constants_dev_1
// CHECK:       func.func private @constants_dev_0(%x: tensor<2xf32>)
// CHECK-NEXT:    %w = pfrt.constant
// CHECK-NEXT:    pfrt.add %x, %w
// CHECK:       func.func private @constants_dev_1
// CHECK-NEXT:    %v = pfrt.constant
// CHECK-NEXT:    pfrt.add %{{.*}}, %v
func.func @constants(%x: tensor<2xf32>) -> tensor<2xf32> {
  %w = pfrt.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %v = pfrt.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %a = pfrt.add %x, %w : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %b = pfrt.mul %a, %w : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %c = pfrt.add %b, %v : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %c : tensor<2xf32>
}

// -----

// An op with regions goes if all inside may; what it captures is passed, constants are copied.
// CHECK-LABEL: func.func @regions
// CHECK-NEXT:    %e = pfrt.exp %x
// CHECK-NEXT:    %r = func.call @regions_dev_0(%c, %e, %x)
// CHECK-NEXT:    func.return %r
// CHECK:       func.func private @regions_dev_0(%c: tensor<i1>, %e: tensor<4xf32>, %x: tensor<4xf32>)
// CHECK-NEXT:    %w = pfrt.constant
// CHECK-NEXT:    pfrt.if %c
// CHECK-NEXT:      pfrt.add %e, %w
// CHECK:           pfrt.yield %x
func.func @regions(%x: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  %w = pfrt.constant dense<1.0> : tensor<4xf32>
  %e = pfrt.exp %x : tensor<4xf32> -> tensor<4xf32>
  %r = pfrt.if %c -> (tensor<4xf32>) {
    %s = pfrt.add %e, %w : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    pfrt.yield %s : tensor<4xf32>
  } else {
    pfrt.yield %x : tensor<4xf32>
  } : tensor<i1>
  func.return %r : tensor<4xf32>
}

// -----

// One in which something may not stays, and nothing is taken out of it.
// CHECK-LABEL: func.func @mixed_region
// CHECK-NEXT:    pfrt.if
// CHECK-NEXT:      pfrt.add
// CHECK-NEXT:      pfrt.exp
// CHECK-NOT:   pfrt.target
func.func @mixed_region(%x: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  %r = pfrt.if %c -> (tensor<4xf32>) {
    %s = pfrt.add %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %e = pfrt.exp %s : tensor<4xf32> -> tensor<4xf32>
    pfrt.yield %e : tensor<4xf32>
  } else {
    pfrt.yield %x : tensor<4xf32>
  } : tensor<i1>
  func.return %r : tensor<4xf32>
}

// -----

// An op with an activation inside is another operator than the one without.
// CHECK-LABEL: func.func @fused
// CHECK-NEXT:    pfrt.constant
// CHECK-NEXT:    pfrt.conv
// CHECK-NEXT:    func.call @fused_dev_0
func.func @fused(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32> {
  %w = pfrt.constant dense<2.0> : tensor<1x1x1x1xf32>
  %a = pfrt.conv %x, %w : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x4x4xf32>
  %b = pfrt.conv %a, %w {activation = #pfrt.activation<"relu">} : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x4x4xf32>
  func.return %b : tensor<1x1x4x4xf32>
}

// -----

// An op's own tag wins, parts of several targets side by side; tags do not stay inside.
// CHECK-LABEL: func.func @tagged
// CHECK-NEXT:    %c = func.call @tagged_dev_0(%x)
// CHECK-NEXT:    %a, %b = func.call @tagged_other_0(%x)
// CHECK:       func.func private @tagged_dev_0
// CHECK:       func.func private @tagged_other_0{{.*}} attributes {pfrt.target = "other"}
// CHECK-NEXT:    pfrt.relu %x : tensor
// CHECK-NEXT:    pfrt.exp %{{[^ ]*}} : tensor
func.func @tagged(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = pfrt.relu %x {pfrt.target = "other"} : tensor<4xf32> -> tensor<4xf32>
  %b = pfrt.exp %a {pfrt.target = "other"} : tensor<4xf32> -> tensor<4xf32>
  %c = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  func.return %a, %b, %c : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// -----

// Draws keep their order, also across targets.
// CHECK-LABEL: func.func @order
// CHECK-NEXT:    %a = pfrt.random_normal
// CHECK-NEXT:    %b = func.call @order_dev_0()
// CHECK-NEXT:    %c = pfrt.random_normal
func.func @order() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %a = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
  %b = pfrt.random_normal {pfrt.target = "dev", shape = array<i64: 2>} : tensor<2xf32>
  %c = pfrt.random_normal {shape = array<i64: 2>} : tensor<2xf32>
  func.return %a, %b, %c : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// -----

// A name that is taken gets another number.
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    func.call @main_dev_1
// CHECK:       func.func private @main_dev_0
// CHECK:       func.func private @main_dev_1
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pfrt.relu %x : tensor<4xf32> -> tensor<4xf32>
  func.return %a : tensor<4xf32>
}
func.func private @main_dev_0(%x: tensor<4xf32>) -> tensor<4xf32> {
  func.return %x : tensor<4xf32>
}
