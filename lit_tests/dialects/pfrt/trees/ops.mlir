// RUN: pfrt-opt %s --split-input-file | filecheck %s
// RUN: pfrt-opt %s -p dce --split-input-file | filecheck %s --check-prefix=DEAD

// Every op is pure: those whose results nobody uses are gone after dce.
// DEAD-NOT: pfrt.

// Two leaves of one target; defaults are not printed.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: pfrt.tree_ensemble %x as "y" {{.*}}n_targets = 1 : i64{{.*}} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  %0 = pfrt.tree_ensemble %x as "y" {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// NaN takes the true branch.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: nodes_missing_value_tracks_true = dense<true> : tensor<1xi1>
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, nodes_missing_value_tracks_true = dense<true> : tensor<1xi1>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A leaf without a vote and one with two.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: leaf_offsets = dense<[0, 0, 2]> : tensor<3xi64>
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, leaf_offsets = dense<[0, 0, 2]> : tensor<3xi64>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A set of members.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: membership_values = dense<[1.000000e+00, 4.000000e+00]> : tensor<2xf32>, member_offsets = dense<[0, 2]> : tensor<2xi64>
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<6> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, membership_values = dense<[1.000000e+00, 4.000000e+00]> : tensor<2xf32>, member_offsets = dense<[0, 2]> : tensor<2xi64>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// The greatest vote and a base value, as a chance.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: aggregate_function = "MAX", post_transform = "LOGISTIC"
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, base_values = dense<1.000000e+00> : tensor<1xf32>, aggregate_function = "MAX", post_transform = "LOGISTIC"} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A tree may be a leaf.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: tree_roots = dense<[0, -2]> : tensor<2xi64>
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<[0, -2]> : tensor<2xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// One sample, in doubles.
func.func @f(%x: tensor<2xf64>) {
  // CHECK: -> tensor<1x1xf64>
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<2xf64>) -> tensor<1x1xf64>
  func.return
}

// -----

// One target is the second of two classes.
func.func @f(%x: tensor<?x2xf32>) {
  // CHECK: -> (tensor<?xi64>, tensor<?x2xf32>)
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}
