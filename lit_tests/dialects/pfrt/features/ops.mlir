// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: = pfrt.

// The default threshold is 0.
func.func @f(%x: tensor<?x2xi64>) {
  // CHECK: pfrt.binarizer %x : tensor<?x2xi64> -> tensor<?x2xi64>
  %0 = pfrt.binarizer %x : tensor<?x2xi64> -> tensor<?x2xi64>
  func.return
}

// -----

// One value for all features.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: %0 = pfrt.imputer %x {imputed_values = dense<1.000000e+00> : tensor<1xf32>, replaced_value = 0.000000e+00 : f32} : tensor<?x2xf32> -> tensor<?x2xf32>
  %0 = pfrt.imputer %x {imputed_values = dense<1.000000e+00> : tensor<1xf32>, replaced_value = 0.000000e+00 : f32} : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return
}

// -----

// One for each integer.
func.func @f(%x: tensor<?x2xi64>) {
  // CHECK: %0 = pfrt.imputer %x {imputed_values = dense<[1, 2]> : tensor<2xi64>, replaced_value = -1 : i64} : tensor<?x2xi64> -> tensor<?x2xi64>
  %0 = pfrt.imputer %x {imputed_values = dense<[1, 2]> : tensor<2xi64>, replaced_value = -1 : i64} : tensor<?x2xi64> -> tensor<?x2xi64>
  func.return
}

// -----

// Doubles become floats.
func.func @f(%x: tensor<?x2xf64>) {
  // CHECK: pfrt.normalizer %x {norm = "L1"} : tensor<?x2xf64> -> tensor<?x2xf32>
  %0 = pfrt.normalizer %x {norm = "L1"} : tensor<?x2xf64> -> tensor<?x2xf32>
  func.return
}

// -----

// Integers become floats.
func.func @f(%x: tensor<?x2xi64>) {
  // CHECK: pfrt.scaler %x {offset = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>} : tensor<?x2xi64> -> tensor<?x2xf32>
  %0 = pfrt.scaler %x {offset = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>} : tensor<?x2xi64> -> tensor<?x2xf32>
  func.return
}

// -----

// Operands side by side.
func.func @f(%x: tensor<?x2xf32>, %i: tensor<?x4xi64>) {
  // CHECK: -> tensor<?x6xf32>
  %0 = pfrt.feature_vectorizer %x, %i : (tensor<?x2xf32>, tensor<?x4xi64>) -> tensor<?x6xf32>
  func.return
}

// -----

// Some features of each; a vector is one sample.
func.func @f(%x: tensor<2xf32>, %i: tensor<1x4xi64>) {
  // CHECK: inputdimensions = array<i64: 1, 5>
  %0 = pfrt.feature_vectorizer %x, %i {inputdimensions = array<i64: 1, 5>} : (tensor<2xf32>, tensor<1x4xi64>) -> tensor<1x6xf32>
  func.return
}

// -----

// Indices of any shape.
func.func @f(%x: tensor<?x2xf32>, %i: tensor<2x3xi64>) {
  // CHECK: -> tensor<?x6xf32>
  %0 = pfrt.array_feature_extractor %x, %i : (tensor<?x2xf32>, tensor<2x3xi64>) -> tensor<?x6xf32>
  func.return
}

// -----

// Integers to strings.
func.func @f(%x: tensor<?xi64>) {
  // CHECK: %0 = pfrt.label_encoder %x {keys = dense<[1, 3]> : tensor<2xi64>, values = #pfrt.strings<[2], ["one", "three"]>, default = #pfrt.strings<[1], ["?"]>} : tensor<?xi64> -> tensor<?x!pfrt.string>
  %0 = pfrt.label_encoder %x {keys = dense<[1, 3]> : tensor<2xi64>, values = #pfrt.strings<[2], ["one", "three"]>, default = #pfrt.strings<[1], ["?"]>} : tensor<?xi64> -> tensor<?x!pfrt.string>
  func.return
}

// -----

// Strings to integers.
func.func @f(%x: tensor<2x?x!pfrt.string>) {
  // CHECK: %0 = pfrt.label_encoder %x {keys = #pfrt.strings<[1], ["a"]>, values = dense<7> : tensor<1xi16>, default = dense<-1> : tensor<1xi16>} : tensor<2x?x!pfrt.string> -> tensor<2x?xi16>
  %0 = pfrt.label_encoder %x {keys = #pfrt.strings<[1], ["a"]>, values = dense<7> : tensor<1xi16>, default = dense<-1> : tensor<1xi16>} : tensor<2x?x!pfrt.string> -> tensor<2x?xi16>
  func.return
}

// -----

// A dimension for the categories.
func.func @f(%x: tensor<?x2xi64>) {
  // CHECK: -> tensor<?x2x3xf32>
  %0 = pfrt.one_hot_encoder %x {cats = dense<[1, 3, 7]> : tensor<3xi64>} : tensor<?x2xi64> -> tensor<?x2x3xf32>
  func.return
}

// -----

// What is no category is an error.
func.func @f(%x: tensor<?x!pfrt.string>) {
  // CHECK: zeros = false
  %0 = pfrt.one_hot_encoder %x {cats = #pfrt.strings<[1], ["a"]>, zeros = false} : tensor<?x!pfrt.string> -> tensor<?x1xf32>
  func.return
}

// -----

// As many values as there are.
func.func @f(%x: !pfrt.map<i64, f32>) {
  // CHECK: pfrt.cast_map %x : !pfrt.map<i64, f32> -> tensor<1x?xf32>
  %0 = pfrt.cast_map %x : !pfrt.map<i64, f32> -> tensor<1x?xf32>
  func.return
}

// -----

// Strings at the places that keys are.
func.func @f(%x: !pfrt.map<i64, f32>) {
  // CHECK: -> tensor<1x4x!pfrt.string>
  %0 = pfrt.cast_map %x {cast_to = "TO_STRING", map_form = "SPARSE", max_map = 4 : i64} : !pfrt.map<i64, f32> -> tensor<1x4x!pfrt.string>
  func.return
}

// -----

// In the order of a vocabulary.
func.func @f(%x: !pfrt.map<!pfrt.string, f64>) {
  // CHECK: -> tensor<1x2xf64>
  %0 = pfrt.dict_vectorizer %x {vocabulary = #pfrt.strings<[2], ["a", "b"]>} : !pfrt.map<!pfrt.string, f64> -> tensor<1x2xf64>
  func.return
}

// -----

// A map a sample.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: %0 = pfrt.zip_map %x {labels = #pfrt.strings<[2], ["no", "yes"]>} : tensor<?x2xf32> -> !pfrt.sequence<!pfrt.map<!pfrt.string, f32>>
  %0 = pfrt.zip_map %x {labels = #pfrt.strings<[2], ["no", "yes"]>} : tensor<?x2xf32> -> !pfrt.sequence<!pfrt.map<!pfrt.string, f32>>
  func.return
}
