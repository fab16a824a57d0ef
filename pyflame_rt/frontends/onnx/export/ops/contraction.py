"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.frontends.onnx.export.nodes import Node, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("gemm")
def gemm(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 11 there is always an addend."""
    parts = parts_of(op)
    operands = list(parts.operands[:3])
    if operands[2] is None and target.opset < 11:
        operands[2] = np.zeros((1,), dtype_of(op.a))
    return [fit(op, target, replace(parts, operands=tuple(operands), dynamic=(None,) * 3))]


@rule("matmul")
def matmul(op: Any, target: Target) -> Sequence[Node]:
    parts = parts_of(op)
    return [fit(op, target, replace(parts, operands=parts.operands[:2], dynamic=(None,) * 2))]


RULES: tuple[Rule, ...] = (gemm, matmul)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
