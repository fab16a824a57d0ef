// RUN: pfrt-opt %s --split-input-file | pfrt-opt --split-input-file | filecheck %s

// Stopwords go, and what is left has one case; how much that is nobody knows.
func.func @f(%x: tensor<3x!pfrt.string>, %row: tensor<1x4x!pfrt.string>) {
  // CHECK: pfrt.string_normalizer %x as "clean" {case_change_action = "LOWER", is_case_sensitive = true, stopwords = ["a", "the"]} : tensor<3x!pfrt.string> -> tensor<?x!pfrt.string>
  // CHECK: pfrt.string_normalizer %row : tensor<1x4x!pfrt.string> -> tensor<1x?x!pfrt.string>
  %0 = pfrt.string_normalizer %x as "clean" {case_change_action = "LOWER", is_case_sensitive = true, stopwords = ["a", "the"]} : tensor<3x!pfrt.string> -> tensor<?x!pfrt.string>
  %1 = pfrt.string_normalizer %row : tensor<1x4x!pfrt.string> -> tensor<1x?x!pfrt.string>
  func.return
}

// -----

// The parts of a text are one more dimension.
func.func @f(%x: tensor<2x?x!pfrt.string>, %any: tensor<*x!pfrt.string>) {
  // CHECK: pfrt.string_split %x {delimiter = ", ", maxsplit = 2 : i64} : tensor<2x?x!pfrt.string> -> tensor<2x?x?x!pfrt.string>, tensor<2x?xi64>
  // CHECK: pfrt.string_split %any : tensor<*x!pfrt.string> -> tensor<*x!pfrt.string>, tensor<*xi64>
  %0, %1 = pfrt.string_split %x {delimiter = ", ", maxsplit = 2 : i64} : tensor<2x?x!pfrt.string> -> tensor<2x?x?x!pfrt.string>, tensor<2x?xi64>
  %2, %3 = pfrt.string_split %any : tensor<*x!pfrt.string> -> tensor<*x!pfrt.string>, tensor<*xi64>
  func.return
}

// -----

// Texts broadcast as numbers do.
func.func @f(%a: tensor<2x1x!pfrt.string>, %b: tensor<?x!pfrt.string>) {
  // CHECK: pfrt.string_concat %a, %b : (tensor<2x1x!pfrt.string>, tensor<?x!pfrt.string>) -> tensor<2x?x!pfrt.string>
  %0 = pfrt.string_concat %a, %b : (tensor<2x1x!pfrt.string>, tensor<?x!pfrt.string>) -> tensor<2x?x!pfrt.string>
  func.return
}

// -----

// A pattern keeps its backslashes.
func.func @f(%x: tensor<?x!pfrt.string>) {
  // CHECK: pfrt.regex_full_match %x {pattern = "\\w+\\.(com|org)"} : tensor<?x!pfrt.string> -> tensor<?xi1>
  %0 = pfrt.regex_full_match %x {pattern = "\\w+\\.(com|org)"} : tensor<?x!pfrt.string> -> tensor<?xi1>
  func.return
}

// -----

// There is a count for each place that an n-gram can have.
func.func @f(%x: tensor<?x8x!pfrt.string>) {
  // CHECK: pfrt.tf_idf_vectorizer %x {{.*}} : tensor<?x8x!pfrt.string> -> tensor<?x3xf32>
  %0 = pfrt.tf_idf_vectorizer %x {mode = "TFIDF", pool = #pfrt.strings<[4], ["a", "b", "a", "b"]>, ngram_counts = array<i64: 0, 2>, ngram_indexes = dense<[2, 0, 1]> : tensor<3xi64>, weights = dense<[1.0, 2.0, 0.5]> : tensor<3xf32>, min_gram_length = 1 : i64, max_gram_length = 2 : i64, max_skip_count = 1 : i64} : tensor<?x8x!pfrt.string> -> tensor<?x3xf32>
  func.return
}

// -----

// Numbers become texts, and texts numbers.
func.func @f(%x: tensor<?xf32>, %s: tensor<2x!pfrt.string>) {
  // CHECK: pfrt.cast %x {to = !pfrt.string} : tensor<?xf32> -> tensor<?x!pfrt.string>
  // CHECK: pfrt.cast %s {to = i64} : tensor<2x!pfrt.string> -> tensor<2xi64>
  // CHECK: pfrt.equal %s, %s : (tensor<2x!pfrt.string>, tensor<2x!pfrt.string>) -> tensor<2xi1>
  %0 = pfrt.cast %x {to = !pfrt.string} : tensor<?xf32> -> tensor<?x!pfrt.string>
  %1 = pfrt.cast %s {to = i64} : tensor<2x!pfrt.string> -> tensor<2xi64>
  %2 = pfrt.equal %s, %s : (tensor<2x!pfrt.string>, tensor<2x!pfrt.string>) -> tensor<2xi1>
  func.return
}
