"""Ensembles of decision trees. ONNX's older operators for them are brought into this form.

The nodes of all trees are in arrays, their branches leading further on, so that no walk is
endless: a number that is not negative is a node, `-1 - k` stands for leaf k. A leaf has one vote
(a weight and the target that it is for), or with `leaf_offsets` those from its offset to the next
one's. The members that nodes of mode 6 compare with are divided by `member_offsets` likewise.
"""

from __future__ import annotations

from abc import ABC
from typing import Any, cast

from xdsl.irdl import irdl_op_definition, operand_def, result_def

from pyflame_rt.dialects.pfrt.base import TensorConstraint, elements
from pyflame_rt.dialects.pfrt.constraints import int_property, string_property
from pyflame_rt.dialects.pfrt.rows import (
    UNARY_FORMAT,
    ClassifierOp,
    RegressorOp,
    RowsOp,
    array_of,
    array_property,
    optional_array_property,
    rows_and_features,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.kernels.ensembles import AGGREGATES, Ensemble

_ARRAYS = (
    "tree_roots", "nodes_modes", "nodes_featureids", "nodes_splits", "nodes_true", "nodes_false",
    "leaf_weights", "leaf_targetids",
)  # fmt: skip
_OPTIONAL = (
    "nodes_missing_value_tracks_true", "leaf_offsets", "membership_values", "member_offsets",
)  # fmt: skip


class TreesOp(RowsOp, ABC):
    """An op that has trees in its properties."""

    operand = operand_def(TensorConstraint)
    tree_roots = array_property()
    nodes_modes = array_property()
    nodes_featureids = array_property()
    nodes_splits = array_property()
    nodes_true = array_property()
    nodes_false = array_property()
    nodes_missing_value_tracks_true = optional_array_property()
    leaf_weights = array_property()
    leaf_targetids = array_property()
    leaf_offsets = optional_array_property()
    membership_values = optional_array_property()
    member_offsets = optional_array_property()
    n_targets = int_property()
    base_values = optional_array_property()
    post_transform = string_property("NONE")

    def check(self) -> None:
        super().check()
        targets = self.n_targets.value.data
        self.require("C5", targets > 0, f"n_targets is {targets}")
        arrays = {name: array_of(self, name) for name in (*_ARRAYS, *_OPTIONAL)}
        # Nothing can be said of weights that are not at hand.
        if any(arrays[name] is None and getattr(self, name) is not None for name in arrays):
            return
        ensemble = Ensemble(**cast(Any, arrays), n_targets=targets)
        if (broken := ensemble.broken()) is not None:
            parts = {"form": "C2", "nodes": "C3", "ways": "C4", "votes": "C5", "members": "C6"}
            self.require(parts[broken.part], False, broken.text)
        _, features = rows_and_features(self.operand)
        most = int(ensemble.nodes_featureids.max(initial=-1))
        fits = features == DYNAMIC or most < features
        self.require("C3", fits, f"a node asks for feature {most} of {self.operand.type}")
        self.require_transform("C7")
        self.require_vector("C7", "base_values", "f", targets)

    def flops(self) -> int | None:
        """One for each vote that is counted, when each leaf has one."""
        roots, count = array_of(self, "tree_roots"), elements(self.results[0])
        return None if roots is None or count is None else count * roots.size


@irdl_op_definition
class TreeEnsembleOp(TreesOp, RegressorOp):
    """The votes of the leaves that a sample reaches, put together for each target.

    ```mlir
    %0 = pfrt.tree_ensemble %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<2> : tensor<1xi64>, nodes_splits = dense<3.5> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[1.0, 2.0]> : tensor<2xf32>, leaf_targetids = dense<[0, 1]> : tensor<2xi64>, n_targets = 2 : i64} : (tensor<?x3xf32>) -> tensor<?x2xf32>
    ```
    A target's score is the sum, average (over the trees), least or greatest of its votes, then
    `base_values` are added and `post_transform` is applied to a sample's scores.

    C1: x is samples by features, or one sample, in floats.
    C2: all arrays are vectors, those of nodes of one length.
    C3: modes are 0 to 6 (<=, <, >=, >, ==, !=, is a member), features are x's.
    C4: roots and branches lead to nodes further on or to leaves.
    C5: each vote is for one of `n_targets` targets.
    C6: there is a set of members for each node of mode 6.
    C7: `post_transform` exists, and there are no base values or one for each target.
    C8: `aggregate_function` is "AVERAGE", "SUM", "MIN" or "MAX".
    """

    name = "pfrt.tree_ensemble"

    operand = operand_def(TensorConstraint)
    aggregate_function = string_property("SUM")
    result = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def check(self) -> None:
        super().check()
        name = self.aggregate_function.data
        self.require("C8", name in AGGREGATES, f'cannot put votes together by "{name}"')

    def columns(self) -> int:
        return self.n_targets.value.data


@irdl_op_definition
class TreeEnsembleClassifierOp(TreesOp, ClassifierOp):
    """The position of the class that most votes are for, and the score of each class.

    ```mlir
    %0, %1 = pfrt.tree_ensemble_classifier %x {tree_roots = dense<0> : tensor<1xi64>, nodes_modes = dense<0> : tensor<1xui8>, nodes_featureids = dense<2> : tensor<1xi64>, nodes_splits = dense<3.5> : tensor<1xf32>, nodes_true = dense<-1> : tensor<1xi64>, nodes_false = dense<-2> : tensor<1xi64>, leaf_weights = dense<[0.25, 0.75]> : tensor<2xf32>, leaf_targetids = dense<0> : tensor<2xi64>, n_targets = 1 : i64} : (tensor<?x3xf32>) -> (tensor<?xi64>, tensor<?x2xf32>)
    ```
    One target is the second of two classes, chosen from a score of 1/2 on where no vote is
    negative, so that votes are probabilities, and from 0 on elsewhere.

    C1: x is samples by features, or one sample, in floats.
    C2: all arrays are vectors, those of nodes of one length.
    C3: modes are 0 to 6 (<=, <, >=, >, ==, !=, is a member), features are x's.
    C4: roots and branches lead to nodes further on or to leaves.
    C5: each vote is for one of `n_targets` targets.
    C6: there is a set of members for each node of mode 6.
    C7: `post_transform` exists, and there are no base values or one for each target.
    """

    name = "pfrt.tree_ensemble_classifier"

    operand = operand_def(TensorConstraint)
    chosen = result_def(TensorConstraint)
    scores = result_def(TensorConstraint)

    assembly_format = UNARY_FORMAT

    def columns(self) -> int:
        return max(2, self.n_targets.value.data)


OPS = (TreeEnsembleOp, TreeEnsembleClassifierOp)
"""The ops of this family."""
