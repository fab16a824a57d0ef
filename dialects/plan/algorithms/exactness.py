"""Convolutions of integers that f32 holds, by sums that none of Winograd's algorithm rounds.

F(2 x 2, 3 x 3) makes y = A^T ((G g G^T) * (B^T d B)) A of inputs d and weights g. Along an axis
each number on the way is a form: the sum of products of the 4 inputs and the 3 weights with some
coefficients, of which some are halves. So what is made of integers are multiples of 1, 1/2 or 1/4, and
exact in f32 below 2^24 of these. What inputs lie between, and the weights, say how large a form can
become.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.activation import ClipOp
from pyflame_rt.dialects.pfrt.control import yielded
from pyflame_rt.dialects.pfrt.elementwise import RoundOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.pieces import SliceOp
from pyflame_rt.dialects.pfrt.pooling import MaxPoolOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp

Array = npt.NDArray[Any]

_EXACT = (1 << 24) * 0.9999
"""f32 holds so many multiples of a unit, and a few more, for which the sums here are rounded."""

_AT_ONCE = 64
"""Features whose weights are looked at together."""

_B = np.array(((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)), np.float32)
_G = np.array(((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)), np.float32)
_M = np.einsum("kd,kg->kdg", _B, _G)
"""Of each of the four products the form."""

_PARTIAL = np.stack([_M[0] + _M[1], _M[0] + _M[1] + _M[2], _M[1] - _M[2], _M[1] - _M[2] - _M[3]])
"""Those of their sums, as they are made."""

_STAGES = ((_M, _M), (_PARTIAL, _M), (_PARTIAL[[1, 3]], _PARTIAL))
"""Pairs of forms, along the rows and along the columns: the products; sums by rows; and of these."""


def span_of(value: SSAValue) -> tuple[float, float] | None:
    """What integers, and 0, lie between, where that stands in the IR: they are rounded, and bounded."""
    owner = value.owner
    match owner:
        case FusedOp():
            inside = yielded(owner.body)
            return span_of(inside[owner.results.index(value)])
        case MaxPoolOp() | SliceOp() | TransposeOp():
            return span_of(owner.operands[0])
        case ClipOp() if owner.min_value is None and owner.max_value is None:
            is_whole = isinstance(owner.operand.owner, RoundOp)
            low, high = owner.min, owner.max
            if not (is_whole and isinstance(low, FloatAttr) and isinstance(high, FloatAttr)):
                return None
            found = min(low.value.data, 0.0), max(high.value.data, 0.0)
            return found if all(float(bound).is_integer() for bound in found) else None
        case _:
            return None


def is_exact(weights: Array, span: tuple[float, float]) -> bool:
    """Whether nothing is rounded of (features, channels, 3, 3) integers and of data in that span."""
    low, high = span
    for start in range(0, weights.shape[0], _AT_ONCE):
        some = np.asarray(weights[start : start + _AT_ONCE], np.float32)
        if not (np.rint(some) == some).all():
            return False
        flat = np.ascontiguousarray(some.reshape(*some.shape[:2], 9).transpose(2, 0, 1))
        if not all(_are_exact(flat, *forms, low, high) for forms in _STAGES):
            return False
    return True


def _are_exact(weights: Array, rows: Array, columns: Array, low: float, high: float) -> bool:
    """Whether f32 holds the forms of (9, features, channels), each way."""
    for by_row in rows:
        for by_column in columns:
            # Of each of the 16 inputs of a tile what it is multiplied with.
            factors = np.einsum("dg,eh->degh", by_row, by_column).reshape(16, 9)
            factors = factors[factors.any(1)]
            made = (factors @ weights.reshape(9, -1)).reshape(len(factors), *weights.shape[1:])
            total = (factors.sum(0) @ weights.reshape(9, -1)).reshape(weights.shape[1:]).sum(1)
            size = np.abs(made, out=made).sum((0, 2))
            ups, downs = (size + total) / 2, (size - total) / 2
            most = max((ups * high - downs * low).max(), (downs * high - ups * low).max())
            if most >= _EXACT * _unit(by_row) * _unit(by_column):
                return False
    return True


def _unit(form: Array) -> float:
    """What all coefficients are multiples of."""
    return 1.0 if (np.rint(form) == form).all() else 0.5
