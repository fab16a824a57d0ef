"""What is known of the elements of a value from the ops that made it."""

from __future__ import annotations

from typing import cast

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.activation import SigmoidOp
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import CastOp, ConstantOfShapeOp
from pyflame_rt.dialects.pfrt.elementwise import AbsOp, AddOp, ExpOp, MulOp, SqrtOp
from pyflame_rt.dialects.pfrt.normalization import SoftmaxOp
from pyflame_rt.dialects.pfrt.pieces import SliceOp
from pyflame_rt.dialects.pfrt.reduction import ReduceMeanOp, ReduceSumOp, ReduceSumSquareOp
from pyflame_rt.dialects.pfrt.shape import (
    ExpandOp,
    ReshapeOp,
    SqueezeOp,
    TransposeOp,
    UnsqueezeOp,
)
from pyflame_rt.dialects.pfrt.types import Array, ConstantValue, constant_array, dtype_of

_DEPTH = 4
"""Ops to look back through: enough for a variance plus a small number."""

_MOVING = (ExpandOp, ReshapeOp, SliceOp, SqueezeOp, TransposeOp, UnsqueezeOp)
"""Ops whose results hold nothing but elements of their operands."""


def is_plus(value: SSAValue, depth: int = _DEPTH) -> bool:
    """Whether every element is +0 or more, or NaN; never -0."""
    array = constant_of(value)
    if array is not None:
        return array.dtype.kind in "fV" and not np.signbit(array).any()
    owner = value.owner
    match owner:
        case AbsOp() | ExpOp() | SigmoidOp() | SoftmaxOp() | ReduceSumSquareOp():
            return True
        case MulOp():
            same = owner.lhs is owner.rhs
            return same or (depth > 0 and all(is_plus(v, depth - 1) for v in owner.operands))
        case AddOp():
            return depth > 0 and all(is_plus(v, depth - 1) for v in owner.operands)
        case SqrtOp() | ReduceMeanOp() | ReduceSumOp():
            return depth > 0 and is_plus(owner.operand, depth - 1)
        case CastOp():
            return dtype_of(owner.operand).kind in "ub"
        case _:
            return isinstance(owner, _MOVING) and depth > 0 and is_plus(owner.operand, depth - 1)


def is_never_minus_zero(value: SSAValue, depth: int = _DEPTH) -> bool:
    """Whether no element is -0.0."""
    owner = value.owner
    match owner:
        case CastOp():
            return dtype_of(owner.operand).kind in "iub"
        case AddOp():
            # A sum is -0.0 only of two of them.
            return depth > 0 and any(is_never_minus_zero(v, depth - 1) for v in owner.operands)
        case _:
            array = constant_of(value)
            if array is None:
                return is_plus(value)
            return array.dtype.kind in "fV" and not ((array == 0) & np.signbit(array)).any()


def is_zero(value: SSAValue, depth: int = _DEPTH) -> bool:
    """Whether every element is +0."""
    array = constant_of(value)
    if array is not None:
        return _is_plus_zero(array)
    owner = value.owner
    if isinstance(owner, ConstantOfShapeOp):
        if owner.value is None:
            return True
        held = constant_array(cast(ConstantValue, owner.value))
        return held is not None and _is_plus_zero(held)
    return isinstance(owner, _MOVING) and depth > 0 and is_zero(owner.operand, depth - 1)


def _is_plus_zero(array: Array) -> bool:
    if array.dtype.kind not in "iufbV" or array.any():
        return False
    return array.dtype.kind not in "fV" or not np.signbit(array).any()
