// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Intercepts are optional.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: pfrt.linear_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  %0 = pfrt.linear_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Three targets of one sample.
func.func @f(%x: tensor<2xf64>) {
  // CHECK: -> tensor<1x3xf64>
  %0 = pfrt.linear_regressor %x {coefficients = dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00]> : tensor<6xf32>, targets = 3 : i64, intercepts = dense<[0.000000e+00, 1.000000e+00, 2.000000e+00]> : tensor<3xf32>, post_transform = "SOFTMAX"} : (tensor<2xf64>) -> tensor<1x3xf64>
  func.return
}

// -----

// Two classes of one score.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 2 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  %0, %1 = pfrt.linear_classifier %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, classes = 2 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Likeness to two vectors.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: kernel_type = "RBF", gamma = 5.000000e-01 : f32
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, kernel_type = "RBF", gamma = 5.000000e-01 : f32} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A machine that knows one class.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: one_class = true
  %0 = pfrt.svm_regressor %x {coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, one_class = true} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Two classes have a score each.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: vectors_per_class = array<i64: 1, 1>{{.*}} -> (tensor<?xi64>, tensor<?x2xf32>)
  %0, %1 = pfrt.svm_classifier %x {classes = 2 : i64, coefficients = dense<[5.000000e-01, -1.000000e+00]> : tensor<2xf32>, rho = dense<2.500000e-01> : tensor<1xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Four classes have the scores of six pairs.
func.func @f(%x: tensor<3x1xf32>) {
  // CHECK: -> (tensor<3xi64>, tensor<3x6xf32>)
  %0, %1 = pfrt.svm_classifier %x {classes = 4 : i64, coefficients = dense<[0.000000e+00, 1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00, 7.000000e+00, 8.000000e+00, 9.000000e+00, 1.000000e+01, 1.100000e+01]> : tensor<12xf32>, rho = dense<[0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]> : tensor<6xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1, 1, 1>} : (tensor<3x1xf32>) -> (tensor<3xi64>, tensor<3x6xf32>)
  func.return
}

// -----

// Or probabilities of their own.
func.func @f(%x: tensor<3x1xf32>) {
  // CHECK: -> (tensor<3xi64>, tensor<3x4xf32>)
  %0, %1 = pfrt.svm_classifier %x {classes = 4 : i64, coefficients = dense<[0.000000e+00, 1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00, 7.000000e+00, 8.000000e+00, 9.000000e+00, 1.000000e+01, 1.100000e+01]> : tensor<12xf32>, rho = dense<[0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]> : tensor<6xf32>, support_vectors = dense<[5.000000e-01, -1.000000e+00, 2.000000e+00, 2.500000e-01]> : tensor<4xf32>, vectors_per_class = array<i64: 1, 1, 1, 1>, prob_a = dense<[1.000000e+00, 1.000000e+00, 1.000000e+00, 1.000000e+00, 1.000000e+00, 1.000000e+00]> : tensor<6xf32>, prob_b = dense<[0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]> : tensor<6xf32>} : (tensor<3x1xf32>) -> (tensor<3xi64>, tensor<3x4xf32>)
  func.return
}
