// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Integers are cast before.
// CHECK: pfrt.linear_regressor: C1: needs rows of floats, got tensor<?x2xi64>
func.func @f(%x: tensor<?x2xi64>) {
  %0 = pfrt.linear_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>} : (tensor<?x2xi64>) -> tensor<?x1xf32>
  func.return
}

// -----

// Features have a coefficient each.
// CHECK: pfrt.linear_regressor: C2: coefficients do not fit 1 targets of tensor<?x3xf32>
func.func @f(%x: tensor<?x3xf32>) {
  %0 = pfrt.linear_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>} : (tensor<?x3xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A target has one intercept.
// CHECK: pfrt.linear_regressor: C3: intercepts must be a vector of 1, got float32 of the shape [2]
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.linear_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, intercepts = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A transform of scores is one of five.
// CHECK: pfrt.linear_regressor: C4: there is no transform "LOG"
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.linear_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, post_transform = "LOG"} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Integers are cast before.
// CHECK: pfrt.linear_classifier: C1: needs rows of floats, got tensor<?x2xi64>
func.func @f(%x: tensor<?x2xi64>) {
  %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 2 : i64} : (tensor<?x2xi64>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Only two classes share a score.
// CHECK: pfrt.linear_classifier: C2: coefficients do not fit 3 classes of tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 3 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A score has one intercept.
// CHECK: pfrt.linear_classifier: C3: intercepts must be a vector of 2, got float32 of the shape [4]
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 2 : i64, intercepts = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A transform of scores is one of five.
// CHECK: pfrt.linear_classifier: C4: there is no transform "LOG"
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 2 : i64, post_transform = "LOG"} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// One class at least is chosen from.
// CHECK: pfrt.linear_classifier: C5: there are 0 classes
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 0 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Integers are cast before.
// CHECK: pfrt.svm_regressor: C1: needs rows of floats, got tensor<?x2xi64>
func.func @f(%x: tensor<?x2xi64>) {
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>} : (tensor<?x2xi64>) -> tensor<?x1xf32>
  func.return
}

// -----

// Without support vectors features have coefficients.
// CHECK: pfrt.svm_regressor: C2: 2 coefficients do not fit tensor<?x3xf32>
func.func @f(%x: tensor<?x3xf32>) {
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>} : (tensor<?x3xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A support vector has all features.
// CHECK: pfrt.svm_regressor: C3: support vectors do not fit 2 coefficients for tensor<?x3xf32>
func.func @f(%x: tensor<?x3xf32>) {
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>} : (tensor<?x3xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A transform of scores is one of five.
// CHECK: pfrt.svm_regressor: C4: there is no transform "LOG"
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, post_transform = "LOG"} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Four ways to compare are known.
// CHECK: pfrt.svm_regressor: C5: there is no kernel "COSINE"
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, kernel_type = "COSINE"} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Integers are cast before.
// CHECK: pfrt.svm_classifier: C1: needs rows of floats, got tensor<?x2xi64>
func.func @f(%x: tensor<?x2xi64>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x2xi64>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Each pair of classes has coefficients.
// CHECK: pfrt.svm_classifier: C2: 4 coefficients do not fit 2 support vectors
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Without support vectors each class has coefficients.
// CHECK: pfrt.svm_classifier: C2: 2 coefficients do not fit 2 classes of tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A class has its number of support vectors.
// CHECK: pfrt.svm_classifier: C3: support vectors of [2, 1] do not fit tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 2, 1>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A transform of scores is one of five.
// CHECK: pfrt.svm_classifier: C4: there is no transform "LOG"
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>, post_transform = "LOG"} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Four ways to compare are known.
// CHECK: pfrt.svm_classifier: C5: there is no kernel "COSINE"
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>, kernel_type = "COSINE"} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A pair has one rho.
// CHECK: pfrt.svm_classifier: C6: rho must be a vector of 1, got float32 of the shape [2]
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Probabilities need both.
// CHECK: pfrt.svm_classifier: C6: prob_a and prob_b go together
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>, prob_a = dense<5.000000e-01> : tensor<1xf32>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// One class at least is chosen from.
// CHECK: pfrt.svm_classifier: C7: there are 0 classes
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.svm_classifier %x {classes = 0 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}
