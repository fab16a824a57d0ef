"""Activations that only bound values, as bounds of the integers that these become."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.activation import ClipOp, ReluOp
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.quantization import QuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import type_of
from pyflame_rt.passes.fusion.parts import sole_producer
from pyflame_rt.passes.quantization.scales import Scale


def clamp(op: QuantizeLinearOp) -> tuple[list[PfrtOp], float, float]:
    """The activations before a quantization that only bound values, and the bounds."""
    chain: list[PfrtOp] = []
    low, high = -math.inf, math.inf
    user: Operation = op
    while (act := sole_producer(user.operands[0], user, (ReluOp, ClipOp))) is not None:
        least, most = (0.0, math.inf) if isinstance(act, ReluOp) else _clip_bounds(act)
        if math.isnan(least):
            break
        # What comes earlier is bounded by what comes later.
        low, high = min(max(least, low), high), min(max(most, low), high)
        chain.append(act)
        user = act
    return chain, low, high


def _clip_bounds(op: ClipOp) -> tuple[float, float]:
    """The bounds of a clip; nan where they are not known, or contradict each other."""
    if op.min_value is not None or op.max_value is not None:
        return math.nan, math.nan
    low = -math.inf if op.min is None else float(op.min.value.data)
    high = math.inf if op.max is None else float(op.max.value.data)
    return (low, high) if low <= high else (math.nan, math.nan)


def bounds(y: Scale, low: float, high: float) -> tuple[int, int] | None:
    """The integers that bounds of reals are; None when the type has no others."""
    found = y.quantized(low), y.quantized(high)
    return None if found == y.limits else found


def bounded(value: SSAValue, low: int, high: int) -> ClipOp:
    """Integers between bounds."""
    kind = type_of(value).element_type
    limits = {"min": IntegerAttr(low, kind), "max": IntegerAttr(high, kind)}
    return ClipOp.create_op([value], limits)
