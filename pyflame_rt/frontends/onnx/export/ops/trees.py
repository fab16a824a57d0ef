"""Ensembles of trees: by the number of each tree and node until ai.onnx.ml 5, TreeEnsemble since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from pyflame_rt.frontends.onnx.export.nodes import (
    Array,
    AttributeValue,
    Node,
    Parts,
    Refused,
    fit,
    parts_of,
)
from pyflame_rt.frontends.onnx.export.ops.features import listed
from pyflame_rt.frontends.onnx.export.ops.linear_models import in_single
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target
from pyflame_rt.kernels.ensembles import AGGREGATES, MEMBER, MODES, Ensemble
from pyflame_rt.kernels.scores import POST_TRANSFORMS

_OTHERS = ("aggregate_function", "post_transform", "base_values")
_NEW = 5
"""The version of ai.onnx.ml with TreeEnsemble."""


def _ensemble(parts: Parts) -> Ensemble:
    properties: dict[str, Any] = {
        name: value for name, value in parts.properties.items() if name not in _OTHERS
    }
    ensemble = Ensemble(**properties)
    if (broken := ensemble.broken()) is not None:
        raise Refused(broken.text)
    return ensemble


@dataclass(frozen=True)
class _Old:
    """Nodes and leaves by numbers: a node has its place, leaf k the place after all nodes + k."""

    trees: Array
    numbers: Array
    order: Array
    """Places in the order in which they are listed, each tree with its root first."""

    @classmethod
    def of(cls, ensemble: Ensemble) -> _Old:
        """Find the tree of each node and leaf. Raises Refused when trees share one."""
        count = ensemble.nodes_modes.size
        trees = np.full(count + ensemble.leaves, -1, np.int64)
        branches = np.stack([ensemble.nodes_true, ensemble.nodes_false], axis=1).astype(np.int64)
        places = np.where(branches >= 0, branches, count - 1 - branches)
        roots = ensemble.tree_roots.astype(np.int64)
        for tree, root in enumerate(np.where(roots >= 0, roots, count - 1 - roots)):
            cls._reach(trees, tree, int(root))
        # Branches lead further on, so that a node's own tree is known when it is its turn.
        for node in range(count):
            if trees[node] >= 0:
                for place in places[node]:
                    cls._reach(trees, int(trees[node]), int(place))
        order = np.lexsort((np.arange(trees.size), trees))
        return cls(trees, np.arange(trees.size), order[trees[order] >= 0])

    @staticmethod
    def _reach(trees: Array, tree: int, place: int) -> None:
        if trees[place] not in (-1, tree):
            raise Refused("its trees share nodes")
        trees[place] = tree


def _old(parts: Parts, votes: str) -> dict[str, AttributeValue]:
    """The attributes of nodes and votes before TreeEnsemble; `votes` is "class" or "target"."""
    ensemble = _ensemble(parts)
    if np.any(ensemble.nodes_modes == MEMBER):
        raise Refused("only TreeEnsemble of ai.onnx.ml 5 has the mode BRANCH_MEMBER")
    old, count = _Old.of(ensemble), ensemble.nodes_modes.size
    at = old.order
    inner = at < count
    node = np.where(inner, at, 0)

    def of_nodes(array: Array, leaf: int = 0) -> Array:
        if not count:
            return np.full(at.size, leaf, array.dtype)
        return np.where(inner, array[node], np.array(leaf, array.dtype))

    def places(branches: Array) -> Array:
        wide = branches.astype(np.int64)
        return of_nodes(np.where(wide >= 0, wide, count - 1 - wide))

    modes = of_nodes(ensemble.nodes_modes.astype(np.int64), len(MODES))
    names = (*MODES[:MEMBER], "", "LEAF")
    attributes: dict[str, AttributeValue] = {
        "nodes_treeids": listed(old.trees[at]),
        "nodes_nodeids": listed(old.numbers[at]),
        "nodes_featureids": listed(of_nodes(ensemble.nodes_featureids.astype(np.int64))),
        "nodes_modes": tuple(names[int(mode)] for mode in modes.tolist()),
        "nodes_truenodeids": listed(places(ensemble.nodes_true)),
        "nodes_falsenodeids": listed(places(ensemble.nodes_false)),
        **_numbers("nodes_values", of_nodes(ensemble.nodes_splits)),
    }
    if (tracks := ensemble.nodes_missing_value_tracks_true) is not None:
        attributes["nodes_missing_value_tracks_true"] = listed(of_nodes(tracks.astype(np.int64)))
    offsets = ensemble.leaf_offsets
    leaves = np.arange(ensemble.leaves)
    voting = leaves if offsets is None else np.repeat(leaves, np.diff(offsets.astype(np.int64)))
    used = old.trees[count + voting] >= 0
    attributes |= {
        f"{votes}_treeids": listed(old.trees[count + voting][used]),
        f"{votes}_nodeids": listed((count + voting)[used]),
        f"{votes}_ids": listed(ensemble.leaf_targetids.astype(np.int64)[used]),
        **_numbers(f"{votes}_weights", ensemble.leaf_weights[used]),
    }
    base = parts.properties.get("base_values")
    if isinstance(base, np.ndarray):
        attributes |= _numbers("base_values", base)
    return attributes


def _numbers(name: str, array: Array) -> dict[str, AttributeValue]:
    """Floats as a list, doubles as a tensor."""
    if array.dtype == np.float64:
        return {f"{name}_as_tensor": array}
    return {name: listed(array.astype(np.float32))}


def _bare(parts: Parts, *kept: str) -> Parts:
    properties = {name: parts.properties[name] for name in kept if name in parts.properties}
    return replace(parts, properties=properties, defaults={})


@rule("tree_ensemble")
def tree_ensemble(op: Any, target: Target) -> Sequence[Node]:
    parts = parts_of(op)
    if target.ml >= _NEW:
        return [_new(op, target, parts)]
    attributes = _old(parts, "target")
    kept = _bare(parts, "aggregate_function", "post_transform", "n_targets")
    return in_single(
        op,
        lambda parts: fit(
            op, target, parts, op_type="TreeEnsembleRegressor", attributes=attributes
        ),
        kept,
    )


def _new(op: Any, target: Target, parts: Parts) -> Node:
    """A TreeEnsemble, each of whose leaves has one vote."""
    ensemble = _ensemble(parts)
    if ensemble.leaf_offsets is not None or "base_values" in parts.properties:
        raise Refused("TreeEnsemble has one vote a leaf and no base_values")
    if np.any(ensemble.tree_roots.astype(np.int64) < 0):
        raise Refused("TreeEnsemble has no trees of a leaf alone")
    attributes: dict[str, AttributeValue] = {
        "aggregate_function": AGGREGATES.index(cast(str, parts.properties["aggregate_function"])),
        "post_transform": POST_TRANSFORMS.index(cast(str, parts.properties["post_transform"])),
        "tree_roots": listed(ensemble.tree_roots),
        "nodes_modes": ensemble.nodes_modes.astype(np.uint8),
        "nodes_featureids": listed(ensemble.nodes_featureids),
        "nodes_splits": ensemble.nodes_splits,
        "leaf_targetids": listed(ensemble.leaf_targetids),
        "leaf_weights": ensemble.leaf_weights,
    }
    for side, array in (("true", ensemble.nodes_true), ("false", ensemble.nodes_false)):
        wide = array.astype(np.int64)
        attributes[f"nodes_{side}nodeids"] = listed(np.where(wide >= 0, wide, -1 - wide))
        attributes[f"nodes_{side}leafs"] = listed((wide < 0).astype(np.int64))
    if (tracks := ensemble.nodes_missing_value_tracks_true) is not None:
        attributes["nodes_missing_value_tracks_true"] = listed(tracks.astype(np.int64))
    if ensemble.membership_values is not None and ensemble.member_offsets is not None:
        sets = np.split(ensemble.membership_values, ensemble.member_offsets[1:-1])
        ends = np.array([np.nan], ensemble.membership_values.dtype)
        attributes["membership_values"] = np.concatenate([p for s in sets for p in (s, ends)])
    return fit(op, target, _bare(parts, "n_targets"), attributes=attributes)


@rule("tree_ensemble_classifier")
def tree_ensemble_classifier(op: Any, target: Target) -> Sequence[Node]:
    """Classes are called by their positions; votes for one target are for the second of two."""
    parts = parts_of(op)
    count = cast(int, parts.properties["n_targets"])
    attributes = _old(parts, "class")
    attributes["classlabels_int64s"] = tuple(range(max(count, 2)))
    return [fit(op, target, _bare(parts, "post_transform"), attributes=attributes)]


RULES: tuple[Rule, ...] = (tree_ensemble, tree_ensemble_classifier)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
