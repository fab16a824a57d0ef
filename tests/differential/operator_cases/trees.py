"""Ensembles of decision trees, in the form of TreeEnsemble and in those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import numpy_helper

from operator_cases.case import Array, Case
from operator_cases.strategies import Cases, Draw, draw_array, draw_case, draw_dtype, draw_some

ML = "ai.onnx.ml"
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


def draw_samples(draw: Draw, dtypes: str, features: int) -> Array:
    """A few samples; a third of the floats that are not numbers are NaN."""
    dtype = draw_dtype(draw, dtypes)
    x = draw_array(draw, dtype, (draw(st.integers(1, 6)), features), special=False)
    if dtype.kind == "f" and draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        x = np.where(rng.random(x.shape) < 0.2, rng.choice([np.nan, np.inf, -np.inf], x.shape), x)
    return np.asarray(x, dtype)


class Forest:
    """Random trees, a list for each thing that is said of nodes.

    A child is a node's number in its tree; the first node of a tree is its root. Thresholds are of
    the numbers that samples have.
    """

    def __init__(self, draw: Draw, features: int):
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.features = features
        self.modes: tuple[int, ...] = draw(
            st.sampled_from((*((mode,) for mode in range(6)), (0, 1, 2, 3, 4, 5), (0, 4)))
        )
        self.trees = [
            self._tree(depth) for depth in draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
        ]

    def _tree(self, depth: int) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = []

        def grow(left: int) -> int:
            place = len(nodes)
            nodes.append({})
            is_leaf = left == 0 or (place > 0 and self.rng.random() < 0.3)
            nodes[place] = {
                "leaf": is_leaf,
                "mode": int(self.rng.choice(self.modes)),
                "feature": int(self.rng.integers(self.features)),
                "value": float(self.rng.integers(-16, 17) / 8),
                "tracks": int(self.rng.integers(2)),
                "true": 0 if is_leaf else grow(left - 1),
                "false": 0 if is_leaf else grow(left - 1),
            }
            return place

        grow(depth)
        return nodes

    def weight(self, low: int = -16) -> float:
        """What a leaf's vote weighs."""
        return float(self.rng.integers(low, 17) / 8)

    def old(self, draw: Draw) -> dict[str, Any]:
        """The attributes nodes_* before TreeEnsemble."""
        rows = [
            (tree, number, node)
            for tree, nodes in enumerate(self.trees)
            for number, node in enumerate(nodes)
        ]
        nodes = [node for _, _, node in rows]
        found: dict[str, Any] = {
            "nodes_treeids": [tree for tree, _, _ in rows],
            "nodes_nodeids": [number for _, number, _ in rows],
            "nodes_featureids": [node["feature"] for node in nodes],
            "nodes_modes": ["LEAF" if node["leaf"] else MODES[node["mode"]] for node in nodes],
            "nodes_values": [node["value"] for node in nodes],
            "nodes_truenodeids": [node["true"] for node in nodes],
            "nodes_falsenodeids": [node["false"] for node in nodes],
        }
        if draw(st.booleans()):
            found["nodes_missing_value_tracks_true"] = [node["tracks"] for node in nodes]
        if draw(st.booleans()):
            found["nodes_hitrates"] = [1.0] * len(nodes)
        return found

    def leaves(self) -> list[tuple[int, int]]:
        """Tree and number of each leaf."""
        return [
            (tree, number)
            for tree, nodes in enumerate(self.trees)
            for number, node in enumerate(nodes)
            if node["leaf"]
        ]


def _votes(name: str, votes: Sequence[tuple[int, int, int, float]]) -> dict[str, Any]:
    trees, nodes, ids, weights = zip(*votes, strict=True)
    return {
        f"{name}_treeids": list(trees),
        f"{name}_nodeids": list(nodes),
        f"{name}_ids": list(ids),
        f"{name}_weights": list(weights),
    }


def _as_tensors(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes with doubles in the place of floats."""
    names = ("nodes_values", "nodes_hitrates", "base_values", "target_weights", "class_weights")
    return {
        f"{name}_as_tensor" if name in names else name: (
            numpy_helper.from_array(np.array(value, np.float64), name) if name in names else value
        )
        for name, value in attributes.items()
    }


def _old_case(draw: Draw, op: str, x: Array, attributes: dict[str, Any], outputs: int) -> Case:
    opset = draw(st.sampled_from((1, 3)))
    if opset == 3 and x.dtype == np.float64:
        attributes = _as_tensors(attributes)
    return ml_case(draw, op, opset, [x], attributes, outputs=outputs)


def ml_case(
    draw: Draw,
    op: str,
    opset: int,
    inputs: Sequence[Array],
    attributes: dict[str, Any],
    *,
    outputs: int = 1,
    magnitude: float = 8,
) -> Case:
    """A case of an operator of ai.onnx.ml."""
    return draw_case(
        draw, op, opset, inputs, attributes, outputs=outputs, magnitude=magnitude, domain=ML
    )


@st.composite
def regressor(draw: Draw) -> Case:
    """Leaves with a vote for some targets, each once."""
    features, targets = draw(st.integers(1, 4)), draw(st.sampled_from((1, 1, 2, 3)))
    forest = Forest(draw, features)
    votes = [
        (tree, node, target, forest.weight())
        for tree, node in forest.leaves()
        for target in range(targets)
        if targets == 1 or forest.rng.random() < 0.8
    ] or [(*forest.leaves()[0], 0, 1.0)]
    attributes = {
        **forest.old(draw),
        **_votes("target", votes),
        "n_targets": targets,
        **draw_some(
            draw,
            aggregate_function=st.sampled_from(AGGREGATES),
            post_transform=st.sampled_from(TRANSFORMS),
            base_values=st.just([forest.weight() for _ in range(targets)]),
        ),
    }
    x = draw_samples(draw, "f4 f8", features)
    return _old_case(draw, "TreeEnsembleRegressor", x, attributes, 1)


@st.composite
def classifier(draw: Draw) -> Case:
    """Votes for the first of two classes, or for all of some."""
    features, classes = draw(st.integers(1, 4)), draw(st.sampled_from((1, 2, 2, 3, 4)))
    forest = Forest(draw, features)
    one = classes == 1 or (classes == 2 and draw(st.integers(0, 3)) > 0)
    low = draw(st.sampled_from((-16, 0)))
    votes = [
        (tree, node, target, forest.weight(low))
        for tree, node in forest.leaves()
        for target in range(1 if one else classes)
    ]
    bases = classes if classes > 2 else 1
    attributes = {
        **forest.old(draw),
        **_votes("class", votes),
        **draw_labels(draw, "classlabels_int64s", classes),
        **draw_some(
            draw,
            post_transform=st.sampled_from(TRANSFORMS),
            base_values=st.just([forest.weight() for _ in range(bases)]),
        ),
    }
    x = draw_samples(draw, "f4 f8 i4 i8", features)
    return _old_case(draw, "TreeEnsembleClassifier", x, attributes, 2)


def draw_labels(draw: Draw, integers: str, count: int) -> dict[str, Any]:
    """The labels of classes: strings, or integers, which may be their positions."""
    if count > 1 and draw(st.integers(0, 2)) == 0:
        return {"classlabels_strings": [f"class {k}" for k in range(count)]}
    if draw(st.booleans()):
        return {integers: list(range(count))}
    return {integers: [7 - 3 * k for k in range(count)]}


@st.composite
def tree_ensemble(draw: Draw) -> Case:
    """Nodes in any order, leaves apart, sets of members."""
    features, targets = draw(st.integers(1, 4)), draw(st.sampled_from((1, 1, 2, 3)))
    forest = Forest(draw, features)
    x = draw_samples(draw, "f4 f8", features)
    members = draw(st.booleans())
    if members and draw(st.integers(0, 3)):
        x = np.trunc(x)
    inner, outer = {}, {}
    for tree, nodes in enumerate(forest.trees):
        # A tree of one leaf is a node with that leaf on both sides.
        if nodes[0]["leaf"]:
            nodes.append({**nodes[0]})
            nodes[0] = {**nodes[0], "leaf": False, "true": 1, "false": 1}
        for number, node in enumerate(nodes):
            where = outer if node["leaf"] else inner
            where[tree, number] = len(where)
    keys = list(inner)
    order = forest.rng.permutation(len(keys)) if draw(st.booleans()) else np.arange(len(keys))
    keys = [keys[k] for k in order]
    inner = {key: place for place, key in enumerate(keys)}
    rows = [forest.trees[tree][number] for tree, number in keys]
    modes = [6 if members and forest.rng.random() < 0.5 else row["mode"] for row in rows]
    sets = [
        # Whole numbers: ONNX Runtime knows no other members.
        [*np.unique(forest.rng.integers(-4, 5, forest.rng.integers(1, 5))), np.nan]
        for mode in modes
        if mode == 6
    ]

    def branch(side: str) -> dict[str, list[int]]:
        ends = [(tree, row[side]) for (tree, _), row in zip(keys, rows, strict=True)]
        return {
            f"nodes_{side}nodeids": [outer.get(end, inner.get(end, 0)) for end in ends],
            f"nodes_{side}leafs": [int(end in outer) for end in ends],
        }

    def tensor(values: Sequence[float], dtype: Any = x.dtype) -> Any:
        return numpy_helper.from_array(np.array(values, dtype))

    attributes = {
        "tree_roots": [inner[tree, 0] for tree in range(len(forest.trees))],
        "nodes_modes": tensor(modes, np.uint8),
        "nodes_featureids": [row["feature"] for row in rows],
        "nodes_splits": tensor([row["value"] for row in rows]),
        **branch("true"),
        **branch("false"),
        "leaf_weights": tensor([forest.weight() for _ in outer]),
        "leaf_targetids": [int(forest.rng.integers(targets)) for _ in outer],
        "n_targets": targets,
        **draw_some(
            draw,
            aggregate_function=st.integers(0, 3),
            post_transform=st.integers(0, 4),
            nodes_missing_value_tracks_true=st.just([row["tracks"] for row in rows]),
        ),
    }
    if sets:
        attributes["membership_values"] = tensor([value for one in sets for value in one])
    return ml_case(draw, "TreeEnsemble", 5, [x], attributes)


CASES: dict[str, Cases] = {
    "TreeEnsemble": tree_ensemble(),
    "TreeEnsembleClassifier": classifier(),
    "TreeEnsembleRegressor": regressor(),
}
