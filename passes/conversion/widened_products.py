"""Products of integers of which reals are made, and data that are quantized by their own range, in f32
that hold integers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.quantization import DynamicQuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.scales import WINDOW

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
    op: ConvIntegerToFloatOp | MatmulIntegerToFloatOp,
    data: SSAValue,
    reach: tuple[int, int] | None,
) -> SSAValue | None:
    """The result by products of f32, of data less their zero point; None where the weights are no
    constant, or their sums have no parts that f32 holds.

    `reach` is what the data lie between, None where their zero point is not known.
    """
    terms = _convolved(op) if isinstance(op, ConvIntegerToFloatOp) else _multiplied(op)
    parts = None if terms is None else terms.parts(reach)
    if terms is None or parts is None:
        return None
    at = Place(op)
    value = _sums(at, data, terms, parts)
    scale, each = op.operands[2], _before(at, op.operands[3], terms.trailing)
    value = at.emit("mul", [value, at.emit("mul", [scale, each])])
    if op.bias is not None:
        value = at.emit("add", [value, _before(at, op.bias, terms.trailing)])
    if op.residual is not None:
        value = at.emit("add", [value, op.residual])
    if (activation := op.activation) is not None:
        value = at.emit_activation(activation, value)
    return value


@dataclass(frozen=True)
class _Terms:
    """The weights of a product as f32, and what it does with parts of them."""

    weights: Array
    along: int
    """Their axis that is cut."""
    keep: int
    """Their axis that has one sum for each element."""
    axis: int
    """The axis of the data that is cut."""
    product: str
    properties: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    trailing: int = 0
    """The dimensions of the result behind that of features, or columns."""
    is_whole: bool = False
    """Whether nothing can be cut."""

    def parts(self, reach: tuple[int, int] | None) -> list[Array] | None:
        """Equal parts, as few as keep all sums exact; None if none do."""
        whole, depth = self.weights, self.weights.shape[self.along]
        if self.is_whole:
            return [whole] if self._largest(whole, reach) <= _EXACT else None
        count = max(1, math.ceil(self._largest(whole, reach) / _EXACT))
        while True:
            size = -(-depth // count)
            found: list[Array] = np.split(whole, range(size, depth, size), self.along)
            if all(self._largest(part, reach) <= _EXACT for part in found):
                return found
            if size == 1:
                return None
            count += 1

    def _largest(self, w: Array, reach: tuple[int, int] | None) -> float:
        """The largest absolute value of a sum, of whichever of its terms."""
        others = tuple(axis for axis in range(w.ndim) if axis != self.keep)
        ups = np.maximum(w, 0, dtype=np.float64).sum(others)
        downs = np.maximum(-w, 0, dtype=np.float64).sum(others)
        if reach is None:
            return float(np.maximum(ups, downs).max()) * _LARGEST
        low, high = (abs(bound) for bound in reach)
        return float(np.maximum(ups * high + downs * low, ups * low + downs * high).max())


def _exact_weights(weights: SSAValue, zero_point: SSAValue | None, trailing: int) -> Array | None:
    """Constant weights less their zero point, which is followed by so many dimensions, as f32."""
    w = constant_of(weights)
    shift = np.zeros((), np.float32) if zero_point is None else constant_of(zero_point)
    if w is None or shift is None or not w.size:
        return None
    return w.astype(_F32) - shift.astype(_F32).reshape(-1, *(1,) * trailing)


def _multiplied(op: MatmulIntegerToFloatOp) -> _Terms | None:
    exact = _exact_weights(op.b, op.b_zero_point, 0)
    rank = len(shape_of(op.a) or ())
    if exact is None or exact.ndim != 2 or rank < 2:
        return None
    columns, scale = exact.shape[1], op.b_scale
    if constant_of(scale) is None and (shape_of(scale) or (DYNAMIC,))[-1:] not in ((), (columns,)):
        return None
    return _Terms(exact, 0, 1, rank - 1, "matmul")


def _convolved(op: ConvIntegerToFloatOp) -> _Terms | None:
    rank = len(shape_of(op.w) or ())
    exact = _exact_weights(op.w, op.w_zero_point, rank - 1)
    if exact is None or (shape_of(op.w_scale) or ()) not in ((), (1,), exact.shape[:1]):
        return None
    window = {name: attr for name, attr in op.properties.items() if name in (*WINDOW, "layout")}
    axis, trailing = (rank - 1, 0) if op.data_layout == "nhwc" else (1, rank - 2)
    return _Terms(exact, 1, 0, axis, "conv", window, trailing, is_whole=op.group.value.data != 1)


def _sums(at: Place, data: SSAValue, terms: _Terms, parts: Sequence[Array]) -> SSAValue:
    """The sums as f32, rounded once: of parts of the terms that f32 holds."""
    sums: list[SSAValue] = []
    start = 0
    for part in parts:
        stop = start + part.shape[terms.along]
        span = {"starts": (start,), "ends": (stop,), "axes": (terms.axis,)}
        taken = data if len(parts) == 1 else at.emit("slice", [data, *(None,) * 4], span)
        nothing = [None] * (2 if terms.product == "matmul" else 1)
        weights = at.constant(np.ascontiguousarray(part))
        sums.append(at.emit(terms.product, [taken, weights, *nothing], terms.properties))
        start = stop
    if len(sums) > 2:
        # Sums of two would be rounded before the third is added.
        sums = [at.emit("cast", [value], {"to": np.dtype(np.int32)}) for value in sums]
    total = sums[0]
    for value in sums[1:]:
        total = at.emit("add", [total, value])
    return at.emit("cast", [total], {"to": _F32}) if len(sums) > 2 else total


def _before(at: Place, value: SSAValue, trailing: int) -> SSAValue:
    """A vector of one element a feature as it broadcasts, before so many dimensions."""
    if not trailing or math.prod(shape_of(value) or ()) == 1:
        return value
    array = constant_of(value)
    if array is not None:
        return at.constant(array.reshape(-1, *(1,) * trailing))
    return at.emit("reshape", [value, None], {"shape": (-1, *(1,) * trailing)})
