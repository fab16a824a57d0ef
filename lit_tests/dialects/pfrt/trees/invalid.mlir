// RUN: pfrt-opt %s --split-input-file --verify-diagnostics | filecheck %s

// Integers are compared as floats: a cast says so.
// CHECK: pfrt.tree_ensemble: C1: needs rows of floats, got tensor<?x2xi64>
func.func @f(%x: tensor<?x2xi64>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xi64>) -> tensor<?x1xi64>
  func.return
}

// -----

// Nodes have a threshold each.
// CHECK: pfrt.tree_ensemble: C2: nodes_splits has 2 elements for 1 nodes
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<[5.000000e-01, 1.000000e+00]> : tensor<2xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A node asks for a feature that samples have.
// CHECK: pfrt.tree_ensemble: C3: a node asks for feature 2 of tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<2> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A branch that leads back would be walked for ever.
// CHECK: pfrt.tree_ensemble: C4: nodes_true leads from node 0 back to 0
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<0> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A vote is for a target.
// CHECK: pfrt.tree_ensemble: C5: a leaf votes for a target that is none of 1
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 1]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A set of members is for a node that asks for one.
// CHECK: pfrt.tree_ensemble: C6: 0 sets of members for 1 nodes that ask for one
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<6> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A target has one base value.
// CHECK: pfrt.tree_ensemble: C7: base_values must be a vector of 1, got float32 of the shape [2]
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, base_values = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Integers are compared as floats: a cast says so.
// CHECK: pfrt.tree_ensemble_classifier: C1: needs rows of floats, got tensor<?x2xi64>
func.func @f(%x: tensor<?x2xi64>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xi64>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// Nodes have a threshold each.
// CHECK: pfrt.tree_ensemble_classifier: C2: nodes_splits has 2 elements for 1 nodes
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<[5.000000e-01, 1.000000e+00]> : tensor<2xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A node asks for a feature that samples have.
// CHECK: pfrt.tree_ensemble_classifier: C3: a node asks for feature 2 of tensor<?x2xf32>
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<2> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A branch that leads back would be walked for ever.
// CHECK: pfrt.tree_ensemble_classifier: C4: nodes_true leads from node 0 back to 0
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<0> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A vote is for a target.
// CHECK: pfrt.tree_ensemble_classifier: C5: a leaf votes for a target that is none of 1
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 1]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A set of members is for a node that asks for one.
// CHECK: pfrt.tree_ensemble_classifier: C6: 0 sets of members for 1 nodes that ask for one
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<6> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// A target has one base value.
// CHECK: pfrt.tree_ensemble_classifier: C7: base_values must be a vector of 1, got float32 of the shape [2]
func.func @f(%x: tensor<?x2xf32>) {
  %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, base_values = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>} : (tensor<?x2xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
  func.return
}

// -----

// There is no median of votes.
// CHECK: pfrt.tree_ensemble: C8: cannot put votes together by "MEDIAN"
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, aggregate_function = "MEDIAN"} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A mode is a comparison.
// CHECK: pfrt.tree_ensemble: C3: modes are 0 to 6, got 7
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<7> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A root is a node or a leaf.
// CHECK: pfrt.tree_ensemble: C4: tree_roots leads out of the ensemble of 1 nodes and 2 leaves
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<-3> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Offsets cover the votes.
// CHECK: pfrt.tree_ensemble: C5: leaf_offsets must ascend from 0 to the 2 votes
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, leaf_offsets = dense<[0, 2, 1]> : tensor<3xi64>} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// Somebody is voted for.
// CHECK: pfrt.tree_ensemble: C5: n_targets is 0
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 0 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}

// -----

// A transform of scores is one of five.
// CHECK: pfrt.tree_ensemble: C7: there is no transform "LOG"
func.func @f(%x: tensor<?x2xf32>) {
  %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<0> : tensor<1xi64>, nodes_splits = dense<5.000000e-01> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>, leaf_targetids = dense<[0, 0]> : tensor<2xi64>, n_targets = 1 : i64, post_transform = "LOG"} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  func.return
}
