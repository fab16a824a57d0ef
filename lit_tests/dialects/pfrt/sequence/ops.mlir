// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// Sequences are made of tensors, changed and taken apart again; types say what all items share.
func.func @sequences(%a: tensor<2xf32>, %b: tensor<3xf32>, %i: tensor<i64>) -> (tensor<?xf32>, tensor<i64>, tensor<?xf32>) {
  %s = pfrt.sequence_construct %a, %b as "s" : tensor<2xf32>, tensor<3xf32> -> !pfrt.sequence<tensor<?xf32>>
  %t = pfrt.sequence_insert %s, %a at %i : !pfrt.sequence<tensor<?xf32>>, tensor<2xf32> at tensor<i64> -> !pfrt.sequence<tensor<?xf32>>
  %u = pfrt.sequence_insert %t, %b : !pfrt.sequence<tensor<?xf32>>, tensor<3xf32> -> !pfrt.sequence<tensor<?xf32>>
  %v = pfrt.sequence_erase %u : !pfrt.sequence<tensor<?xf32>> -> !pfrt.sequence<tensor<?xf32>>
  %w = pfrt.sequence_erase %v at %i : !pfrt.sequence<tensor<?xf32>> at tensor<i64> -> !pfrt.sequence<tensor<?xf32>>
  %x = pfrt.sequence_at %w, %i : !pfrt.sequence<tensor<?xf32>>, tensor<i64> -> tensor<?xf32>
  %n = pfrt.sequence_length %w : !pfrt.sequence<tensor<?xf32>> -> tensor<i64>
  %c = pfrt.concat_from_sequence %w {axis = 0 : i64} : !pfrt.sequence<tensor<?xf32>> -> tensor<?xf32>
  func.return %x, %n, %c : tensor<?xf32>, tensor<i64>, tensor<?xf32>
}
// CHECK-LABEL: @sequences
// CHECK-NEXT: pfrt.sequence_construct %a, %b as "s" : tensor<2xf32>, tensor<3xf32> -> !pfrt.sequence<tensor<?xf32>>
// CHECK-NEXT: pfrt.sequence_insert %s, %a at %i
// CHECK-NEXT: pfrt.sequence_insert %t, %b :
// CHECK-NEXT: pfrt.sequence_erase %u :
// CHECK-NEXT: pfrt.sequence_erase %v at %i
// CHECK-NEXT: pfrt.sequence_at %w, %i
// CHECK-NEXT: pfrt.sequence_length %w
// CHECK-NEXT: pfrt.concat_from_sequence %w {axis = 0 : i64}

// -----

// An empty sequence, and parts of a tensor: equal ones, given ones, squeezed ones.
func.func @split(%x: tensor<4x6xf32>, %n: tensor<2xi64>) -> (!pfrt.sequence<tensor<*xf16>>, !pfrt.sequence<tensor<4x1xf32>>, !pfrt.sequence<tensor<?x6xf32>>, !pfrt.sequence<tensor<4xf32>>) {
  %e = pfrt.sequence_empty {dtype = f16} : !pfrt.sequence<tensor<*xf16>>
  %a = pfrt.split_to_sequence %x {axis = 1 : i64} : tensor<4x6xf32> -> !pfrt.sequence<tensor<4x1xf32>>
  %b = pfrt.split_to_sequence %x by %n : tensor<4x6xf32> by tensor<2xi64> -> !pfrt.sequence<tensor<?x6xf32>>
  %c = pfrt.split_to_sequence %x {axis = -1 : i64, keepdims = false} : tensor<4x6xf32> -> !pfrt.sequence<tensor<4xf32>>
  func.return %e, %a, %b, %c : !pfrt.sequence<tensor<*xf16>>, !pfrt.sequence<tensor<4x1xf32>>, !pfrt.sequence<tensor<?x6xf32>>, !pfrt.sequence<tensor<4xf32>>
}
// CHECK-LABEL: @split
// CHECK-NEXT: pfrt.sequence_empty {dtype = f16} : !pfrt.sequence<tensor<*xf16>>
// CHECK-NEXT: pfrt.split_to_sequence %x {axis = 1 : i64}
// CHECK-NEXT: pfrt.split_to_sequence %x by %n

// -----

// Optionals hold something or nothing; other values count as there.
func.func @optionals(%x: tensor<4xf32>) -> (tensor<i1>, tensor<i1>, tensor<i1>, tensor<4xf32>, tensor<4xf32>) {
  %full = pfrt.optional %x : tensor<4xf32> -> !pfrt.optional<tensor<4xf32>>
  %none = pfrt.optional {type = !pfrt.sequence<tensor<4xf32>>} : -> !pfrt.optional<!pfrt.sequence<tensor<4xf32>>>
  %a = pfrt.optional_has_element %full : !pfrt.optional<tensor<4xf32>> -> tensor<i1>
  %b = pfrt.optional_has_element %none : !pfrt.optional<!pfrt.sequence<tensor<4xf32>>> -> tensor<i1>
  %c = pfrt.optional_has_element : -> tensor<i1>
  %y = pfrt.optional_get_element %full : !pfrt.optional<tensor<4xf32>> -> tensor<4xf32>
  %z = pfrt.optional_get_element %x : tensor<4xf32> -> tensor<4xf32>
  func.return %a, %b, %c, %y, %z : tensor<i1>, tensor<i1>, tensor<i1>, tensor<4xf32>, tensor<4xf32>
}
// CHECK-LABEL: @optionals
// CHECK-NEXT: pfrt.optional %x : tensor<4xf32> -> !pfrt.optional<tensor<4xf32>>
// CHECK-NEXT: pfrt.optional {type = !pfrt.sequence<tensor<4xf32>>} : -> !pfrt.optional<!pfrt.sequence<tensor<4xf32>>>
// CHECK-NEXT: pfrt.optional_has_element %full
// CHECK-NEXT: pfrt.optional_has_element %none
// CHECK-NEXT: pfrt.optional_has_element : -> tensor<i1>

// -----

// Maps and strings are types too, and identity takes any.
func.func @identity(%m: !pfrt.map<!pfrt.string, f32>, %s: tensor<?x!pfrt.string>) -> (!pfrt.map<!pfrt.string, f32>, tensor<?x!pfrt.string>, tensor<2x!pfrt.string>) {
  %a = pfrt.identity %m : !pfrt.map<!pfrt.string, f32> -> !pfrt.map<!pfrt.string, f32>
  %b = pfrt.identity %s : tensor<?x!pfrt.string> -> tensor<?x!pfrt.string>
  %c = pfrt.constant #pfrt.strings<[2], ["say \"é\"", ""]> as "c" : tensor<2x!pfrt.string>
  func.return %a, %b, %c : !pfrt.map<!pfrt.string, f32>, tensor<?x!pfrt.string>, tensor<2x!pfrt.string>
}
// CHECK-LABEL: @identity
// CHECK: %c = pfrt.constant #pfrt.strings<[2], ["say \22\C3\A9\22", ""]> as "c" : tensor<2x!pfrt.string>
