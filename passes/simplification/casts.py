"""Casts of casts."""

from __future__ import annotations

from typing import Any

import numpy as np
from xdsl.dialects.builtin import IntegerAttr
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from pyflame_rt.dialects.pfrt.data import CastOp
from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.passes.simplification.driver import forward

_SIGNIFICANT = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
"""Bits of a whole number that the float types hold exactly."""

_WIDER = {
    "float8_e4m3fn": frozenset({"bfloat16", "float16", "float32", "float64"}),
    "float8_e5m2": frozenset({"bfloat16", "float16", "float32", "float64"}),
    "bfloat16": frozenset({"float32", "float64"}),
    "float16": frozenset({"float32", "float64"}),
    "float32": frozenset({"float64"}),
}
"""Float types, and those that hold all of their values."""


def holds_all(wide: np.dtype[Any], narrow: np.dtype[Any]) -> bool:
    """Whether a type has every value of another, so that a cast to it loses nothing."""
    if narrow == wide:
        return True
    whole = np.dtype(narrow).kind in "iub"
    if whole and np.dtype(wide).kind in "iu":
        signs_fit = narrow.kind != "i" or wide.kind == "i"
        return signs_fit and wide.itemsize * 8 - (wide.kind == "i") >= _bits(narrow)
    if whole:
        return _SIGNIFICANT.get(wide.name, 0) >= _bits(narrow)
    return wide.name in _WIDER.get(narrow.name, frozenset())


def _bits(whole: np.dtype[Any]) -> int:
    """Bits of the magnitude of a type's numbers."""
    return 1 if whole.kind == "b" else whole.itemsize * 8 - (whole.kind == "i")


class CastOfCast(RewritePattern):
    """cast(cast(x : T, to U), to V) -> cast(x, to V), and x where V is T, if U has every value of
    T."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter, /) -> None:
        inner = op.operand.owner
        if not isinstance(inner, CastOp):
            return
        first, middle = dtype_of(inner.operand), dtype_of(inner.result)
        if not holds_all(middle, first):
            return
        if dtype_of(op.result) == first:
            forward(rewriter, op, inner.operand)
            return
        new = CastOp.build(
            operands=[inner.operand],
            properties={
                "to": op.to,
                "saturate": IntegerAttr(op.saturate.value.data, 1),
                "round_mode": op.round_mode,
            },
            result_types=[op.result.type],
        )
        replace(rewriter, op, new)


PATTERNS: tuple[RewritePattern, ...] = (CastOfCast(),)
"""All of them."""
