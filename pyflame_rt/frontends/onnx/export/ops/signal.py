"""Signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyflame_rt.frontends.onnx.export.nodes import AttributeValue, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rank_of, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("dft")
def dft(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 20 the axis is an attribute, by default another one."""
    parts = parts_of(op)
    if target.opset >= 20:
        return [fit(op, target, parts)]
    if op.axis_value is not None:
        raise Refused("DFT cannot have axis as an input before opset 20")
    properties = dict(parts.properties)
    axis = properties.pop("axis", -2)
    rank = rank_of(op.operand)
    along: dict[str, AttributeValue] = {"axis": axis % rank if isinstance(axis, int) else 1}
    return [fit(op, target, replace(parts, properties=properties), attributes=along)]


RULES: tuple[Rule, ...] = (dft,)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
