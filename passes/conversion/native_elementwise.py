"""Which elementwise calls there is machine code for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import FloatAttr, MemRefType, f32, i1, i32, i64
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.types import ConstantValue, constant_array
from pyflame_rt.dialects.plan.ops import CallOp, ConstantOp, is_static
from pyflame_rt.dialects.plan.schedules import ELEMENTWISE, POWERS


def has_elementwise_code(call: CallOp) -> bool:
    """Whether a call is of an elementwise function of f32 and booleans, which is compiled, or
    makes f32 of integers."""
    if call.algorithm not in ELEMENTWISE or len(call.into) != 1 or len(call.inputs) == 0:
        return False
    if call.algorithm == "cast" and _holds(call.inputs[0], _INTEGERS):
        return _holds(call.into[0], (f32,))
    if not all(_holds(value, (f32, i1)) for value in (*call.inputs, *call.into)):
        return False
    match call.algorithm:
        case "pow":
            array = single(call.inputs[1])
            return array is not None and float(array.reshape(())) in POWERS
        case "celu":
            alpha = None if call.params is None else call.params.data.get("alpha")
            return isinstance(alpha, FloatAttr) and alpha.value.data > 0
        case "is_inf":
            return call.params is None
        case "max" | "min" | "sum" | "mean":
            return len(call.inputs) > 1
        case _:
            return True


def single(value: SSAValue) -> Any:
    """The array of a constant of one element; None for anything else."""
    if not isinstance(value.owner, ConstantOp):
        return None
    kind = cast("MemRefType[Any]", value.type)
    if not is_static(kind) or math.prod(kind.get_shape()) != 1:
        # Of large ones the values may have to be made first.
        return None
    array = constant_array(cast(ConstantValue, value.owner.value))
    return array if array is not None and array.size == 1 else None


def _holds(value: SSAValue, kinds: Sequence[Attribute]) -> bool:
    return is_static(value.type) and cast("MemRefType[Any]", value.type).element_type in kinds


_INTEGERS = (i32, i64)
"""Integers that become f32 where they are read."""
