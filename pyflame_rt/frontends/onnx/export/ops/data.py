"""What describes or fills tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.export.nodes import Node, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("constant_of_shape")
def constant_of_shape(op: Any, target: Target) -> Sequence[Node]:
    """The value is a vector of one element."""
    parts = parts_of(op)
    value = parts.properties.get("value")
    if isinstance(value, np.ndarray):
        parts = replace(parts, properties={**parts.properties, "value": value.reshape(1)})
    return [fit(op, target, parts)]


@expansion("shape")
def shape(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """shape(x)[start:end], where Shape gives all dimensions."""
    whole = e.one("shape", op.operand)
    ends = (2**62,) if op.end is None else (op.end.value.data,)
    return [
        e.one(
            "slice", whole, None, None, None, None,
            starts=(op.start.value.data,), ends=ends, axes=(0,),
        )
    ]  # fmt: skip


RULES: tuple[Rule, ...] = (constant_of_shape,)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (shape,)
"""The expansions of this family."""
