// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Bytes are no features.
// CHECK: pfrt.binarizer: C1: needs features, got tensor<?x2xui8>
func.func @f(%x: tensor<?x2xui8>) {
  %0 = pfrt.binarizer %x : tensor<?x2xui8> -> tensor<?x2xui8>
  func.return
}

// -----

// Bytes are no features.
// CHECK: pfrt.imputer: C1: needs features, got tensor<?x2xui8>
func.func @f(%x: tensor<?x2xui8>) {
  %0 = pfrt.imputer %x {imputed_values = dense<1.000000e+00> : tensor<1xf32>, replaced_value = 0.000000e+00 : f32} : tensor<?x2xui8> -> tensor<?x2xui8>
  func.return
}

// -----

// An integer is not missing from floats.
// CHECK: pfrt.imputer: C2: 0 : i64 does not stand in tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.imputer %x {imputed_values = dense<1.000000e+00> : tensor<1xf32>, replaced_value = 0 : i64} : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return
}

// -----

// One value, or one a feature.
// CHECK: pfrt.imputer: C2: imputed_values must have a number for each feature, got float32 of the shape [3] for tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.imputer %x {imputed_values = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>, replaced_value = 0.000000e+00 : f32} : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return
}

// -----

// Bytes are no features.
// CHECK: pfrt.normalizer: C1: needs features, got tensor<?x2xui8>
func.func @f(%x: tensor<?x2xui8>) {
  %0 = pfrt.normalizer %x : tensor<?x2xui8> -> tensor<?x2xf32>
  func.return
}

// -----

// Three norms are known.
// CHECK: pfrt.normalizer: C2: there is no norm "L3"
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.normalizer %x {norm = "L3"} : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return
}

// -----

// Bytes are no features.
// CHECK: pfrt.scaler: C1: needs features, got tensor<?x2xui8>
func.func @f(%x: tensor<?x2xui8>) {
  %0 = pfrt.scaler %x : tensor<?x2xui8> -> tensor<?x2xf32>
  func.return
}

// -----

// One offset, or one a feature.
// CHECK: pfrt.scaler: C2: offset must have a number for each feature, got float32 of the shape [3] for tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.scaler %x {offset = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00]> : tensor<3xf32>} : tensor<?x2xf32> -> tensor<?x2xf32>
  func.return
}

// -----

// Bytes are no features.
// CHECK: pfrt.feature_vectorizer: C1: needs features, got tensor<?x2xui8>
func.func @f(%x: tensor<?x2xui8>) {
  %0 = pfrt.feature_vectorizer %x : (tensor<?x2xui8>) -> tensor<?x2xf32>
  func.return
}

// -----

// Operands are of the same samples.
// CHECK: pfrt.feature_vectorizer: C2: operands of [3, 4] samples
func.func @f(%x: tensor<3x2xf32>, %i: tensor<4x2xf32>) {
  %0 = pfrt.feature_vectorizer %x, %i : (tensor<3x2xf32>, tensor<4x2xf32>) -> tensor<3x4xf32>
  func.return
}

// -----

// Each operand has a size.
// CHECK: pfrt.feature_vectorizer: C3: [2] are no sizes of 2 operands
func.func @f(%x: tensor<?x2xf32>, %i: tensor<?x2xf32>) {
  %0 = pfrt.feature_vectorizer %x, %i {inputdimensions = array<i64: 2>} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  func.return
}

// -----

// Indices are i64.
// CHECK: pfrt.array_feature_extractor: C1: indices must be i64: tensor<3xi32>
func.func @f(%x: tensor<?x2xf32>, %i: tensor<3xi32>) {
  %0 = pfrt.array_feature_extractor %x, %i : (tensor<?x2xf32>, tensor<3xi32>) -> tensor<?x3xf32>
  func.return
}

// -----

// A scalar has no features.
// CHECK: pfrt.array_feature_extractor: C2: tensor<f32> has no features
func.func @f(%x: tensor<f32>, %i: tensor<3xi64>) {
  %0 = pfrt.array_feature_extractor %x, %i : (tensor<f32>, tensor<3xi64>) -> tensor<1x3xf32>
  func.return
}

// -----

// A key has a value.
// CHECK: pfrt.label_encoder: C1: needs a value for each key and one default, got 2 keys, 1 values, 1 defaults
func.func @f(%x: tensor<?xi64>) {
  %0 = pfrt.label_encoder %x {keys = dense<[1, 3]> : tensor<2xi64>, values = #pfrt.strings<[1], ["one"]>, default = #pfrt.strings<[1], ["?"]>} : tensor<?xi64> -> tensor<?x!pfrt.string>
  func.return
}

// -----

// Keys are what is looked up.
// CHECK: pfrt.label_encoder: C2: keys of int64 for tensor<?xf32>
func.func @f(%x: tensor<?xf32>) {
  %0 = pfrt.label_encoder %x {keys = dense<[1, 3]> : tensor<2xi64>, values = #pfrt.strings<[2], ["one", "three"]>, default = #pfrt.strings<[1], ["?"]>} : tensor<?xf32> -> tensor<?x!pfrt.string>
  func.return
}

// -----

// Categories of strings are strings.
// CHECK: pfrt.one_hot_encoder: C1: categories of int64 for tensor<?x!pfrt.string>
func.func @f(%x: tensor<?x!pfrt.string>) {
  %0 = pfrt.one_hot_encoder %x {cats = dense<[1, 2]> : tensor<2xi64>} : tensor<?x!pfrt.string> -> tensor<?x2xf32>
  func.return
}

// -----

// A tensor is no map.
// CHECK: pfrt.cast_map: C1: cannot cast tensor<2xf32>
func.func @f(%x: tensor<2xf32>) {
  %0 = pfrt.cast_map %x : tensor<2xf32> -> tensor<1x?xf32>
  func.return
}

// -----

// Three types can be cast to.
// CHECK: pfrt.cast_map: C2: cannot cast to "TO_BOOL"
func.func @f(%x: !pfrt.map<i64, f32>) {
  %0 = pfrt.cast_map %x {cast_to = "TO_BOOL"} : !pfrt.map<i64, f32> -> tensor<1x?xf32>
  func.return
}

// -----

// A map is dense or sparse.
// CHECK: pfrt.cast_map: C3: there is no form "PACKED" of maps
func.func @f(%x: !pfrt.map<i64, f32>) {
  %0 = pfrt.cast_map %x {map_form = "PACKED"} : !pfrt.map<i64, f32> -> tensor<1x?xf32>
  func.return
}

// -----

// A tensor is no map.
// CHECK: pfrt.dict_vectorizer: C1: cannot take values from tensor<2xf32>
func.func @f(%x: tensor<2xf32>) {
  %0 = pfrt.dict_vectorizer %x {vocabulary = dense<[1, 2]> : tensor<2xi64>} : tensor<2xf32> -> tensor<1x2xf32>
  func.return
}

// -----

// Words are what the keys are.
// CHECK: pfrt.dict_vectorizer: C2: a vocabulary of object for !pfrt.map<i64, f32>
func.func @f(%x: !pfrt.map<i64, f32>) {
  %0 = pfrt.dict_vectorizer %x {vocabulary = #pfrt.strings<[2], ["a", "b"]>} : !pfrt.map<i64, f32> -> tensor<1x2xf32>
  func.return
}

// -----

// Scores are floats.
// CHECK: pfrt.zip_map: C1: cannot zip tensor<?x2xf64>
func.func @f(%x: tensor<?x2xf64>) {
  %0 = pfrt.zip_map %x {labels = #pfrt.strings<[2], ["no", "yes"]>} : tensor<?x2xf64> -> !pfrt.sequence<!pfrt.map<!pfrt.string, f32>>
  func.return
}

// -----

// A score has a label.
// CHECK: pfrt.zip_map: C2: 2 labels of object for tensor<?x3xf32>
func.func @f(%x: tensor<?x3xf32>) {
  %0 = pfrt.zip_map %x {labels = #pfrt.strings<[2], ["no", "yes"]>} : tensor<?x3xf32> -> !pfrt.sequence<!pfrt.map<!pfrt.string, f32>>
  func.return
}
