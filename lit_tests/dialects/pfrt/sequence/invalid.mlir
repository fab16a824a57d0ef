// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// The items of a sequence have one element type.
%a, %b = "test.op"() : () -> (tensor<f32>, tensor<i64>)
%s = pfrt.sequence_construct %a, %b : tensor<f32>, tensor<i64> -> !pfrt.sequence<tensor<f32>>
// CHECK: pfrt.sequence_construct: C1: 2 element types in one sequence

// -----

// A sequence is of tensors of some element type.
%s = pfrt.sequence_empty {dtype = i128} : !pfrt.sequence<tensor<*xi128>>
// CHECK: no value can be a !pfrt.sequence<tensor<*xi128>>

// -----

// `dtype` is an element type.
%s = pfrt.sequence_empty {dtype = i128} : !pfrt.sequence<tensor<*xf32>>
// CHECK: pfrt.sequence_empty: C1: no tensor can hold i128

// -----

// What is inserted is like the items.
%s, %x = "test.op"() : () -> (!pfrt.sequence<tensor<f32>>, tensor<i64>)
%t = pfrt.sequence_insert %s, %x : !pfrt.sequence<tensor<f32>>, tensor<i64> -> !pfrt.sequence<tensor<f32>>
// CHECK: pfrt.sequence_insert: C1: a tensor<i64> is no item of a list of tensor<f32>

// -----

// The position of what is inserted is one integer.
%s, %x, %i = "test.op"() : () -> (!pfrt.sequence<tensor<f32>>, tensor<f32>, tensor<2xi64>)
%t = pfrt.sequence_insert %s, %x at %i : !pfrt.sequence<tensor<f32>>, tensor<f32> at tensor<2xi64> -> !pfrt.sequence<tensor<f32>>
// CHECK: pfrt.sequence_insert: C2: the position is a tensor<2xi64>

// -----

// The position of what is erased is an integer.
%s, %i = "test.op"() : () -> (!pfrt.sequence<tensor<f32>>, tensor<f32>)
%t = pfrt.sequence_erase %s at %i : !pfrt.sequence<tensor<f32>> at tensor<f32> -> !pfrt.sequence<tensor<f32>>
// CHECK: pfrt.sequence_erase: C1: the position is a tensor<f32>

// -----

// The position of what is taken is an integer.
%s, %i = "test.op"() : () -> (!pfrt.sequence<tensor<f32>>, tensor<f32>)
%x = pfrt.sequence_at %s, %i : !pfrt.sequence<tensor<f32>>, tensor<f32> -> tensor<f32>
// CHECK: pfrt.sequence_at: C1: the position is a tensor<f32>

// -----

// A tensor is split along a dimension that it has.
%x = "test.op"() : () -> tensor<4xf32>
%s = pfrt.split_to_sequence %x {axis = 1 : i64} : tensor<4xf32> -> !pfrt.sequence<tensor<1xf32>>
// CHECK: pfrt.split_to_sequence: C1: axis 1 is outside of tensor<4xf32>

// -----

// The lengths of the parts are integers.
%x, %n = "test.op"() : () -> (tensor<4xf32>, tensor<2xf32>)
%s = pfrt.split_to_sequence %x by %n : tensor<4xf32> by tensor<2xf32> -> !pfrt.sequence<tensor<?xf32>>
// CHECK: pfrt.split_to_sequence: C2: split is a tensor<2xf32>

// -----

// Maps cannot be concatenated.
%s = "test.op"() : () -> !pfrt.sequence<!pfrt.map<i64, f32>>
%x = pfrt.concat_from_sequence %s {axis = 0 : i64} : !pfrt.sequence<!pfrt.map<i64, f32>> -> tensor<?xf32>
// CHECK: pfrt.concat_from_sequence: C1: the items are !pfrt.map<i64, f32>

// -----

// Scalars can only be stacked.
%s = "test.op"() : () -> !pfrt.sequence<tensor<f32>>
%x = pfrt.concat_from_sequence %s {axis = 0 : i64} : !pfrt.sequence<tensor<f32>> -> tensor<?xf32>
// CHECK: pfrt.concat_from_sequence: C2: axis 0 is outside of 0 dimensions

// -----

// An optional holds something, or says what it might hold.
%o = pfrt.optional : -> !pfrt.optional<tensor<f32>>
// CHECK: pfrt.optional: C1: needs either an operand or a type

// -----

// There are no optionals of optionals.
%x = "test.op"() : () -> !pfrt.optional<tensor<f32>>
%o = pfrt.optional %x : !pfrt.optional<tensor<f32>> -> !pfrt.optional<!pfrt.optional<tensor<f32>>>
// CHECK: no value can be a !pfrt.optional<!pfrt.optional<tensor<f32>>>

// -----

// Nor of maps.
%o = pfrt.optional {type = !pfrt.map<i64, f32>} : -> !pfrt.optional<tensor<f32>>
// CHECK: pfrt.optional: C2: there is no !pfrt.optional<!pfrt.map<i64, f32>>

// -----

// A sequence is no tensor.
%s = "test.op"() : () -> !pfrt.sequence<tensor<f32>>
%x = pfrt.neg %s : !pfrt.sequence<tensor<f32>> -> tensor<f32>
// CHECK: Unexpected attribute !pfrt.sequence<tensor<f32>>
