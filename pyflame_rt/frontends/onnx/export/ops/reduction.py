"""Reductions along axes that are known only at run time: of those, ReduceSum was the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.frontends.onnx.export.nodes import Refused
from pyflame_rt.frontends.onnx.export.rules import Expansion, ExpansionRule, Rule, expansion


@expansion("reduce_mean")
def reduce_mean(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """reduce_sum(x) / (size(x) / size(reduce_sum(x)))"""
    x = e.wide(op.operand)
    if op.axes_value is None or dtype_of(x).kind != "f":
        raise Refused("reduce_mean differs")
    total = _total(e, x, op)
    sizes = [e.cast(e.one("size", value), np.dtype(np.float64)) for value in (x, total)]
    count = e.cast(e.one("div", *sizes), dtype_of(x))
    return [e.back(e.one("div", total, count), op.operand)]


def _total(e: Expansion, x: SSAValue, op: Any) -> SSAValue:
    return e.one(
        "reduce_sum",
        x,
        op.axes_value,
        keepdims=op.keepdims,
        noop_with_empty_axes=op.noop_with_empty_axes,
    )


def _by_sum(
    name: str,
    before: Callable[[Expansion, SSAValue], SSAValue] | None,
    after: Callable[[Expansion, SSAValue], SSAValue] | None,
) -> ExpansionRule:
    """after(reduce_sum(before(x)))"""

    def expand(e: Expansion, op: Any) -> Sequence[SSAValue]:
        if op.axes_value is None:
            raise Refused(f"{name} differs")
        x = e.wide(op.operand)
        value = x if before is None else before(e, x)
        total = _total(e, value, op)
        return [e.back(total if after is None else after(e, total), op.operand)]

    return ExpansionRule(f"pfrt.{name}", expand)


def _squared(e: Expansion, x: SSAValue) -> SSAValue:
    return e.one("mul", x, x)


def _absolute(e: Expansion, x: SSAValue) -> SSAValue:
    return e.one("abs", x)


def _log(e: Expansion, x: SSAValue) -> SSAValue:
    return e.one("log", x)


def _root(e: Expansion, x: SSAValue) -> SSAValue:
    if dtype_of(x).kind != "f":
        return e.cast(e.one("sqrt", e.cast(x, np.dtype(np.float64))), dtype_of(x))
    return e.one("sqrt", x)


RULES: tuple[Rule, ...] = ()
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (
    _by_sum("reduce_l1", _absolute, None),
    _by_sum("reduce_l2", _squared, _root),
    _by_sum("reduce_log_sum", None, _log),
    reduce_mean,
    _by_sum("reduce_sum_square", _squared, None),
)
"""The expansions of this family."""
