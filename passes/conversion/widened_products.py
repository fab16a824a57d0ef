"""Products of integers of which reals are made, and data that are quantized by their own range, in f32
that hold integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.integer_to_float import MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.quantization import DynamicQuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.passes.quantization.placing import Place

Array = npt.NDArray[Any]

_EXACT = 1 << 24
"""Below it, f32 holds every integer."""

_LARGEST = 255
"""What the bytes less their zero point reach from the least to the greatest."""

_F32 = np.dtype(np.float32)


@dataclass(frozen=True)
class Measured:
    """A tensor quantized by its own range: the integers less their zero point, and that, as f32."""

    value: SSAValue
    scale: SSAValue
    zero_point: SSAValue


def measured(op: DynamicQuantizeLinearOp) -> Measured:
    """What `pfrt.dynamic_quantize_linear` makes of finite numbers.

    The least integer needs no bound: rounding is symmetric, and -low is what the zero point is made of.
    """
    at = Place(op)
    bare = {"keepdims": False}
    low = at.emit("min", [[at.emit("reduce_min", [op.x, None], bare), at.scalar(0.0)]])
    high = at.emit("max", [[at.emit("reduce_max", [op.x, None], bare), at.scalar(0.0)]])
    ratio = at.emit("div", [at.emit("sub", [high, low]), at.scalar(_LARGEST)])
    scale = at.emit("where", [at.emit("equal", [low, high]), at.scalar(1), ratio])
    shift = at.emit("div", [at.emit("neg", [low]), scale])
    bounded = at.emit("clip", [shift, None, None], {"min": 0.0, "max": float(_LARGEST)})
    zero_point = at.emit("round", [bounded])
    most = at.emit("sub", [at.scalar(_LARGEST), zero_point])
    whole = at.emit("round", [at.emit("div", [op.x, scale])])
    return Measured(at.emit("min", [[whole, most]]), scale, zero_point)


def widened(
    op: MatmulIntegerToFloatOp, a: SSAValue, reach: tuple[int, int] | None
) -> SSAValue | None:
    """The result by products of f32, of `a` less its zero point; None where b is no constant matrix.

    `reach` is what a's elements lie between, None where their zero point is not known.
    """
    w = constant_of(op.b)
    given = op.b_zero_point
    shift = np.zeros((), np.float32) if given is None else constant_of(given)
    if w is None or shift is None or w.ndim != 2 or len(shape_of(op.a) or ()) < 2 or not w.size:
        return None
    exact = w.astype(_F32) - shift.astype(_F32).reshape(-1)
    at = Place(op)
    value = _sums(at, a, exact, reach)
    scale, columns = op.b_scale, w.shape[1]
    if constant_of(scale) is None and (shape_of(scale) or (DYNAMIC,))[-1:] not in ((), (columns,)):
        return None
    value = at.emit("mul", [value, at.emit("mul", [op.a_scale, scale])])
    for addend in (op.bias, op.residual):
        if addend is not None:
            value = at.emit("add", [value, addend])
    if (activation := op.activation) is not None:
        value = at.emit_activation(activation, value)
    return value


def _sums(at: Place, a: SSAValue, w: Array, reach: tuple[int, int] | None) -> SSAValue:
    """The sums as f32, rounded once: of parts of the terms that f32 holds."""
    parts = _parts(w, reach)
    axis = len(shape_of(a) or ()) - 1
    sums: list[SSAValue] = []
    for start, stop in parts:
        span = {"starts": (start,), "ends": (stop,), "axes": (axis,)}
        taken = a if len(parts) == 1 else at.emit("slice", [a, *(None,) * 4], span)
        weights = at.constant(np.ascontiguousarray(w[start:stop]))
        sums.append(at.emit("matmul", [taken, weights, None, None]))
    if len(sums) > 2:
        # Sums of two would be rounded before the third is added.
        sums = [at.emit("cast", [value], {"to": np.dtype(np.int32)}) for value in sums]
    total = sums[0]
    for value in sums[1:]:
        total = at.emit("add", [total, value])
    return at.emit("cast", [total], {"to": _F32}) if len(sums) > 2 else total


def _parts(w: Array, reach: tuple[int, int] | None) -> list[tuple[int, int]]:
    """Equal stretches of the depth, as few as keep all sums exact."""
    depth = w.shape[0]
    count = max(1, math.ceil(_largest(w, reach) / _EXACT))
    while True:
        size = -(-depth // count)
        found = [(start, min(start + size, depth)) for start in range(0, depth, size)]
        if size == 1 or all(_largest(w[i:j], reach) <= _EXACT for i, j in found):
            return found
        count += 1


def _largest(w: Array, reach: tuple[int, int] | None) -> float:
    """The largest absolute value of a sum, of whichever of its terms."""
    ups = np.maximum(w, 0, dtype=np.float64).sum(0)
    downs = np.maximum(-w, 0, dtype=np.float64).sum(0)
    if reach is None:
        return float(np.maximum(ups, downs).max()) * _LARGEST
    low, high = (abs(bound) for bound in reach)
    return float(np.maximum(ups * high + downs * low, ups * low + downs * high).max())
