"""Rules for ensembles of decision trees, which all become ops of one form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx import ensembles
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.labels import (
    ML,
    chosen_by_sign,
    class_labels,
    floats,
    labelled,
    single,
)
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op
from pyflame_rt.kernels.ensembles import AGGREGATES
from pyflame_rt.kernels.scores import POST_TRANSFORMS


def _named(b: NodeBuilder, name: str, known: Sequence[str], default: int) -> str:
    """What an attribute's number stands for."""
    number = b.integer(name, default)
    if not 0 <= number < len(known):
        raise b.error(f"{name} is {number}, not one of {', '.join(known)} by number")
    return known[number]


def _targets(b: NodeBuilder) -> int:
    if (count := b.integer("n_targets")) is None:
        raise b.missing("n_targets")
    return count


@onnx_op("TreeEnsemble", since=5, domain=ML)
def tree_ensemble_5(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    nodes, votes = ensembles.read(b)
    return b.emit(
        "tree_ensemble",
        [b.operand(0)],
        {
            **ensembles.properties(b, nodes, votes, _targets(b)),
            "aggregate_function": _named(b, "aggregate_function", AGGREGATES, 1),
            "post_transform": _named(b, "post_transform", POST_TRANSFORMS, 0),
        },
    )


@onnx_op("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(b: NodeBuilder) -> Sequence[SSAValue]:
    """The form of nodes before TreeEnsemble; results are f32, whatever is computed with."""
    b.limit_inputs(1)
    nodes, votes = ensembles.read_old(b, "target")
    properties = {
        **ensembles.properties(b, nodes, votes, _targets(b)),
        "base_values": ensembles.number_list(b, "base_values"),
        "aggregate_function": b.text("aggregate_function"),
        "post_transform": b.text("post_transform"),
    }
    (scores,) = b.emit("tree_ensemble", [floats(b, b.operand(0))], properties)
    return [single(b, scores)]


@onnx_op("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(b: NodeBuilder) -> Sequence[SSAValue]:
    """Of two classes, the votes may be for the first one alone: they are meant for the second."""
    b.limit_inputs(1)
    labels = class_labels(b, "classlabels_int64s")
    nodes, votes = ensembles.read_old(b, "class")
    base = ensembles.number_list(b, "base_values")
    transform = b.text("post_transform")
    bases = 0 if base is None else base.size
    one = labels.size == 2 and bases < 2 and not votes.targets.any()
    targets = 1 if one else labels.size
    if base is not None and bases == 1 < targets == 2:
        base = np.append(base, base.dtype.type(0))
    properties = {
        **ensembles.properties(b, nodes, votes, targets),
        "base_values": base,
        "post_transform": transform,
    }
    x = floats(b, b.operand(0))
    if labels.size == 1:
        (score,) = b.emit("tree_ensemble", [x], {**properties, "post_transform": "NONE"})
        (found,) = b.emit("tree_ensemble", [x], properties) if transform else (score,)
        return [chosen_by_sign(b, single(b, score), labels), single(b, found)]
    chosen, scores = b.emit("tree_ensemble_classifier", [x], properties)
    return [labelled(b, chosen, labels), scores]


RULES: tuple[Rule, ...] = (
    tree_ensemble_5,
    tree_ensemble_classifier,
    tree_ensemble_regressor,
)
"""The rules of this family."""
