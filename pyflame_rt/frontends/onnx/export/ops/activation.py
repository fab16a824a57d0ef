"""Activations that operator sets lack, in what they have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.frontends.onnx.export.rules import Expansion, ExpansionRule, Rule, expansion


@expansion("gelu")
def gelu(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """x / 2 * (1 + erf(x / sqrt(2))), or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3))."""
    x = e.wide(op.operand)
    if op.approximate.data == "tanh":
        cube = e.one("mul", e.one("mul", x, x), x)
        inner = e.one("add", x, e.one("mul", cube, e.scalar(0.044715, x)))
        found = e.one("tanh", e.one("mul", inner, e.scalar(math.sqrt(2 / math.pi), x)))
    else:
        found = e.one("erf", e.one("mul", x, e.scalar(math.sqrt(0.5), x)))
    half = e.one("mul", x, e.scalar(0.5, x))
    return [e.back(e.one("mul", half, e.one("add", found, e.scalar(1, x))), op.operand)]


@expansion("hard_swish")
def hard_swish(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """x * hard_sigmoid(x)"""
    x = e.wide(op.operand)
    gate = e.one("hard_sigmoid", x, alpha=1 / 6, beta=0.5)
    return [e.back(e.one("mul", x, gate), op.operand)]


@expansion("mish")
def mish(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """x * tanh(softplus(x))"""
    x = e.wide(op.operand)
    found = e.one("mul", x, e.one("tanh", e.one("softplus", x)))
    return [e.back(found, op.operand)]


def _swish(e: Expansion, x: SSAValue, alpha: float) -> SSAValue:
    scaled = x if alpha == 1 else e.one("mul", x, e.scalar(alpha, x))
    return e.one("mul", x, e.one("sigmoid", scaled))


@expansion("swish")
def swish(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """x * sigmoid(alpha * x)"""
    return [e.back(_swish(e, e.wide(op.operand), op.alpha.value.data), op.operand)]


@expansion("swiglu")
def swiglu(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """swish(gate) * x"""
    gate, x = e.wide(op.gate), e.wide(op.x)
    found = e.one("mul", _swish(e, gate, op.alpha.value.data), x)
    return [e.back(found, op.x)]


@expansion("celu")
def celu(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)), of other floats than f32."""
    x = e.wide(op.operand)
    if dtype_of(x) != np.float64:
        return [e.back(e.one("celu", x, alpha=op.alpha), op.operand)]
    zero, alpha = e.scalar(0, x), e.scalar(op.alpha.value.data, x)
    grown = e.one("sub", e.one("exp", e.one("div", x, alpha)), e.scalar(1, x))
    low = e.one("min", [zero, e.one("mul", alpha, grown)])
    return [e.one("add", e.one("max", [zero, x]), low)]


RULES: tuple[Rule, ...] = ()
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (celu, gelu, hard_swish, mish, swiglu, swish)
"""The expansions of this family."""
