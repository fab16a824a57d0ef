"""Clips of clips, and recurrent networks that start from zero."""

from __future__ import annotations

import math
from typing import Any, cast

from xdsl.dialects.builtin import Float64Type, FloatAttr, f32, f64
from xdsl.ir import Attribute, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from pyflame_rt.dialects.pfrt.activation import ClipOp, ReluOp
from pyflame_rt.dialects.pfrt.constraints import is_float
from pyflame_rt.dialects.pfrt.recurrent import GruOp, LstmOp, RnnOp
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.passes.simplification.driver import forward
from pyflame_rt.passes.simplification.ranges import is_zero


class ClipOfClip(RewritePattern):
    """clip(clip(x, a, b), c, d) -> clip(x, clip(a, c, d), clip(b, c, d)), where a <= b and c <= d.

    relu(x) is clip(x, 0, inf).
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ClipOp | ReluOp, rewriter: PatternRewriter, /) -> None:
        inner = op.operand.owner
        if not isinstance(inner, ClipOp | ReluOp) or not is_float(op.operand):
            return
        first, second = _bounds(inner), _bounds(op)
        if first is None or second is None:
            return
        if _are_signed_zeros(*first, *second):
            return
        low, high = (min(max(bound, second[0]), second[1]) for bound in first)
        if (low, high) == first:
            forward(rewriter, op, op.operand)
            return
        kind = f64 if _is_wide(inner) or _is_wide(op) else f32
        properties: dict[str, Attribute] = {}
        if low > -math.inf:
            properties["min"] = FloatAttr(low, kind)
        if high < math.inf:
            properties["max"] = FloatAttr(high, kind)
        if (low, high) == (0.0, math.inf):
            new: ClipOp | ReluOp = ReluOp.build(
                operands=[inner.operand], result_types=[op.result.type]
            )
        else:
            new = ClipOp.build(
                operands=[inner.operand, [], []],
                properties=properties,
                result_types=[op.result.type],
            )
        replace(rewriter, op, new)


def _bounds(op: ClipOp | ReluOp) -> tuple[float, float] | None:
    """The bounds of a clip whose lower does not exceed its upper, if they are known."""
    if isinstance(op, ReluOp):
        return 0.0, math.inf
    if op.min_value is not None or op.max_value is not None:
        return None
    low = -math.inf if op.min is None else cast("FloatAttr[Any]", op.min).value.data
    high = math.inf if op.max is None else cast("FloatAttr[Any]", op.max).value.data
    return (low, high) if low <= high else None


def _are_signed_zeros(*bounds: float) -> bool:
    """Whether both 0.0 and -0.0 are among bounds: which of them comes out depends on the order."""
    return len({math.copysign(1.0, bound) for bound in bounds if bound == 0}) == 2


def _is_wide(op: ClipOp | ReluOp) -> bool:
    bounds = () if isinstance(op, ReluOp) else (op.min, op.max)
    return any(bound is not None and isinstance(bound.type, Float64Type) for bound in bounds)


class StateOfZeros(RewritePattern):
    """lstm(x, initial_h = 0, initial_c = 0) -> lstm(x); so for gru and rnn."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: LstmOp | GruOp | RnnOp, rewriter: PatternRewriter, /) -> None:
        zero = {
            name
            for name in ("initial_h", "initial_c")
            if (state := cast(SSAValue | None, getattr(op, name, None))) is not None
            and is_zero(state)
        }
        if not zero:
            return
        names = [name for name, _ in op.get_irdl_definition().operands]
        operands = [None if name in zero else getattr(op, name) for name in names]
        new = type(op).build(
            operands=[[] if operand is None else operand for operand in operands],
            properties={n: a for n, a in op.properties.items() if not n.endswith("SegmentSizes")},
            result_types=list(op.result_types),
        )
        replace(rewriter, op, new)


PATTERNS: tuple[RewritePattern, ...] = (ClipOfClip(), StateOfZeros())
"""All of them."""
