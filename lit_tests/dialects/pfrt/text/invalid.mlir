// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Words are no numbers.
%x = "test.op"() : () -> tensor<3xi64>
%0 = pfrt.string_normalizer %x : tensor<3xi64> -> tensor<?xi64>
// CHECK: pfrt.string_normalizer: C1: needs strings, got tensor<3xi64>

// -----

// There is one row.
%x = "test.op"() : () -> tensor<2x3x!pfrt.string>
%0 = pfrt.string_normalizer %x : tensor<2x3x!pfrt.string> -> tensor<1x?x!pfrt.string>
// CHECK: pfrt.string_normalizer: C1: needs a vector or one row

// -----

// Case has three ways to change.
%x = "test.op"() : () -> tensor<3x!pfrt.string>
%0 = pfrt.string_normalizer %x {case_change_action = "TITLE"} : tensor<3x!pfrt.string> -> tensor<?x!pfrt.string>
// CHECK: pfrt.string_normalizer: C2: there is no change of case "TITLE"

// -----

// Only texts have parts.
%x = "test.op"() : () -> tensor<3xf32>
%0, %1 = pfrt.string_split %x : tensor<3xf32> -> tensor<3x?x!pfrt.string>, tensor<3xi64>
// CHECK: pfrt.string_split: C1: needs strings, got tensor<3xf32>

// -----

// Numbers are added, not joined.
%x = "test.op"() : () -> tensor<3xf32>
%0 = pfrt.string_concat %x, %x : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
// CHECK: pfrt.string_concat: C1: is not defined on f32

// -----

// Shapes that do not broadcast.
%a, %b = "test.op"() : () -> (tensor<2x!pfrt.string>, tensor<3x!pfrt.string>)
%0 = pfrt.string_concat %a, %b : (tensor<2x!pfrt.string>, tensor<3x!pfrt.string>) -> tensor<3x!pfrt.string>
// CHECK: pfrt.string_concat: C2: dimensions [2, 3] do not broadcast

// -----

// A pattern is for texts.
%x = "test.op"() : () -> tensor<3xi1>
%0 = pfrt.regex_full_match %x {pattern = "a"} : tensor<3xi1> -> tensor<3xi1>
// CHECK: pfrt.regex_full_match: C1: needs strings, got tensor<3xi1>

// -----

// What cannot be matched in linear time is not in the syntax.
%x = "test.op"() : () -> tensor<3x!pfrt.string>
%0 = pfrt.regex_full_match %x {pattern = "(?=a)b"} : tensor<3x!pfrt.string> -> tensor<3xi1>
// CHECK: pfrt.regex_full_match: C2: the pattern '(?=a)b' is not in RE2's syntax:

// -----

// The pool holds what x does.
%x = "test.op"() : () -> tensor<8xi64>
%0 = pfrt.tf_idf_vectorizer %x {mode = "TF", pool = #pfrt.strings<[1], ["a"]>, ngram_counts = array<i64: 0>, ngram_indexes = dense<0> : tensor<1xi64>, min_gram_length = 1 : i64, max_gram_length = 1 : i64, max_skip_count = 0 : i64} : tensor<8xi64> -> tensor<1xf32>
// CHECK: pfrt.tf_idf_vectorizer: C1: a pool of object for tensor<8xi64>

// -----

// Counts have three modes.
%x = "test.op"() : () -> tensor<8xi64>
%0 = pfrt.tf_idf_vectorizer %x {mode = "DF", pool = dense<1> : tensor<1xi64>, ngram_counts = array<i64: 0>, ngram_indexes = dense<0> : tensor<1xi64>, min_gram_length = 1 : i64, max_gram_length = 1 : i64, max_skip_count = 0 : i64} : tensor<8xi64> -> tensor<1xf32>
// CHECK: pfrt.tf_idf_vectorizer: C2: there is no mode "DF"

// -----

// Lengths are given from the least to the most.
%x = "test.op"() : () -> tensor<8xi64>
%0 = pfrt.tf_idf_vectorizer %x {mode = "TF", pool = dense<1> : tensor<1xi64>, ngram_counts = array<i64: 0>, ngram_indexes = dense<0> : tensor<1xi64>, min_gram_length = 2 : i64, max_gram_length = 1 : i64, max_skip_count = 0 : i64} : tensor<8xi64> -> tensor<1xf32>
// CHECK: pfrt.tf_idf_vectorizer: C3: there are no n-grams of 2 to 1 items, 0 skipped

// -----

// Three items are no 2-grams.
%x = "test.op"() : () -> tensor<8xi64>
%0 = pfrt.tf_idf_vectorizer %x {mode = "TF", pool = dense<1> : tensor<3xi64>, ngram_counts = array<i64: 0, 0>, ngram_indexes = dense<0> : tensor<1xi64>, min_gram_length = 1 : i64, max_gram_length = 2 : i64, max_skip_count = 0 : i64} : tensor<8xi64> -> tensor<1xf32>
// CHECK: pfrt.tf_idf_vectorizer: C4: items 0 to 3 of a pool are no 2-grams

// -----

// Each n-gram has its place.
%x = "test.op"() : () -> tensor<8xi64>
%0 = pfrt.tf_idf_vectorizer %x {mode = "TF", pool = dense<[1, 2]> : tensor<2xi64>, ngram_counts = array<i64: 0>, ngram_indexes = dense<0> : tensor<1xi64>, min_gram_length = 1 : i64, max_gram_length = 1 : i64, max_skip_count = 0 : i64} : tensor<8xi64> -> tensor<1xf32>
// CHECK: pfrt.tf_idf_vectorizer: C5: 1 places for 2 n-grams

// -----

// Arithmetic on texts has no meaning: products.
%s = "test.op"() : () -> tensor<2x2x!pfrt.string>
%0 = pfrt.matmul %s, %s : tensor<2x2x!pfrt.string>, tensor<2x2x!pfrt.string> -> tensor<2x2x!pfrt.string>
// CHECK: pfrt.matmul: C1: needs numbers, got tensor<2x2x!pfrt.string>

// -----

// What surrounds texts is a text.
%s = "test.op"() : () -> tensor<2x!pfrt.string>
%0 = pfrt.pad %s {pads = array<i64: 0, 1>, constant_value = 1 : i64} : tensor<2x!pfrt.string> -> tensor<3x!pfrt.string>
// CHECK: pfrt.pad: C5: constant_value of tensor<2x!pfrt.string> is an operand
