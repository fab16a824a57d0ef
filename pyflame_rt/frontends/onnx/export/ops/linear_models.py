"""Linear models and support vector machines: results of operators are f32, of ops as wide as x."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt.dialects.pfrt.data import CastOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of, tensor
from pyflame_rt.frontends.onnx.export.nodes import (
    AttributeEntry,
    AttributeValue,
    Node,
    Parts,
    Refused,
    fit,
    parts_of,
)
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


def in_single(op: Any, make: Callable[[Parts], Node], parts: Parts) -> Sequence[Node]:
    """The node of an operator whose scores are f32, where nothing more is asked of them.

    Raises Refused where scores in f64 are used as such.
    """
    (result,) = op.results
    if dtype_of(result) == np.float32:
        return [make(parts)]
    if not all(
        isinstance(use.operation, CastOp) and use.operation.to == f32 for use in result.uses
    ):
        raise Refused("its scores would be rounded to f32")
    scores = create_ssa_value(tensor(f32, shape_of(result)))
    scores.name_hint = "scores"
    node = make(replace(parts, results=(scores,)))
    cast = Node("Cast", (scores,), (result,), {"to": AttributeEntry(11, "INT")})
    return [node, cast]


@rule("linear_regressor")
def linear_regressor(op: Any, target: Target) -> Sequence[Node]:
    return in_single(op, lambda parts: fit(op, target, parts), parts_of(op))


@rule("linear_classifier")
def linear_classifier(op: Any, target: Target) -> Sequence[Node]:
    """Classes are called by their positions; what they are called else comes after it."""
    return [_classifier(op, target, parts_of(op), {})]


def _classifier(
    op: Any, target: Target, parts: Parts, attributes: dict[str, AttributeValue]
) -> Node:
    properties = {name: item for name, item in parts.properties.items() if name != "classes"}
    labels = tuple(range(op.classes.value.data))
    return fit(
        op,
        target,
        replace(parts, properties=properties),
        attributes={"classlabels_ints": labels, **attributes},
    )


_KERNEL = ("gamma", "coef0", "degree")


def _with_kernel(parts: Parts) -> tuple[Parts, dict[str, AttributeValue]]:
    """Parts without the numbers of the kernel, which are one attribute."""
    properties = dict(parts.properties)
    numbers = tuple(float(properties.pop(name)) for name in _KERNEL)  # pyright: ignore[reportArgumentType]
    return replace(parts, properties=properties), {"kernel_params": numbers}


@rule("svm_regressor")
def svm_regressor(op: Any, target: Target) -> Sequence[Node]:
    parts, attributes = _with_kernel(parts_of(op))
    properties = dict(parts.properties)
    coefficients = properties["coefficients"]
    if "support_vectors" in properties and isinstance(coefficients, np.ndarray):
        attributes["n_supports"] = coefficients.size
    attributes["rho"] = (op.rho.value.data,)
    del properties["rho"]
    parts = replace(parts, properties=properties)
    return in_single(op, lambda parts: fit(op, target, parts, attributes=attributes), parts)


@rule("svm_classifier")
def svm_classifier(op: Any, target: Target) -> Sequence[Node]:
    parts, attributes = _with_kernel(parts_of(op))
    return [_classifier(op, target, parts, attributes)]


RULES: tuple[Rule, ...] = (linear_classifier, linear_regressor, svm_classifier, svm_regressor)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
