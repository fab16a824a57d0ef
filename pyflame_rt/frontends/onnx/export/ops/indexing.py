"""What picks, writes or finds elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyflame_rt.frontends.onnx.export.nodes import Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("top_k")
def top_k(op: Any, target: Target) -> Sequence[Node]:
    """How many, if not an attribute, is a vector."""
    if target.opset < 10 and op.k is not None and op.k.value.data < 1:
        raise Refused("TopK gives one element at least before opset 10")
    return [fit(op, target, parts_of(op), vectors=True)]


@rule("one_hot")
def one_hot(op: Any, target: Target) -> Sequence[Node]:
    if target.opset < 11:
        raise Refused("OneHot knows no negative indices before opset 11")
    return [fit(op, target, parts_of(op))]


@rule("scatter_elements")
def scatter_elements(op: Any, target: Target) -> Sequence[Node]:
    """Scatter was its name before opset 11."""
    name = "ScatterElements" if target.opset >= 11 else "Scatter"
    return [fit(op, target, parts_of(op), op_type=name)]


RULES: tuple[Rule, ...] = (one_hot, scatter_elements, top_k)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
