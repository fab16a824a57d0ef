"""Sequences and optionals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.containers import OptionalType
from pyflame_rt.frontends.onnx.export.nodes import (
    AttributeValue,
    Node,
    Refused,
    TypeValue,
    fit,
    parts_of,
)
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("optional")
def optional(op: Any, target: Target) -> Sequence[Node]:
    """An empty one says what it could hold."""
    attributes: dict[str, AttributeValue] = {} if op.type is None else {"type": TypeValue(op.type)}
    return [fit(op, target, parts_of(op), attributes=attributes)]


@expansion("optional_get_element")
def optional_get_element(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """Until opset 18 it was not defined on what is there anyway."""
    if isinstance(op.operand.type, OptionalType):
        raise Refused("OptionalGetElement is of no use")
    return [e.one("identity", op.operand)]


RULES: tuple[Rule, ...] = (optional,)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (optional_get_element,)
"""The expansions of this family."""
