"""Parameters that an op has as a property or, when known only at run time, as an operand.

For a parameter `p` the property is `p` and the operand `p_value`: see `PfrtOp.DYNAMIC_PROPERTIES`.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import cast

from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.constraints import IntList, ints
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of, tensor

_MOST_DECLARED = 1024
"""Integers that a parameter may be said to have before it is there."""


def known_ints(op: PfrtOp, name: str) -> tuple[int, ...] | None:
    """The integers of a parameter: its property, or its operand's values if that is constant."""
    if (attr := cast(IntList | None, getattr(op, name))) is not None:
        return ints(attr)
    value = cast(SSAValue | None, getattr(op, f"{name}_value"))
    array = None if value is None else constant_of(value)
    return None if array is None else tuple(int(item) for item in array.reshape(-1))


def is_given(op: PfrtOp, name: str) -> bool:
    """Whether a parameter is there at all, as a property or as an operand."""
    return getattr(op, name) is not None or getattr(op, f"{name}_value") is not None


def known_length(op: PfrtOp, name: str) -> int | None:
    """How many integers a parameter has; None when absent, not known, or too many to be believed.

    Ranks come of it: a type may say that an operand has billions of elements.
    """
    if (known := known_ints(op, name)) is not None:
        return len(known)
    value = cast(SSAValue | None, getattr(op, f"{name}_value"))
    shape = None if value is None else shape_of(value)
    if shape is None or len(shape) != 1 or not 0 <= shape[0] <= _MOST_DECLARED:
        return None
    return shape[0]


def check_vector(op: PfrtOp, constraint: str, name: str, *, required: bool) -> None:
    """Require that a parameter given as an operand is a vector of i64 or i32, and that it is given
    at all if `required`."""
    if required:
        op.require(constraint, is_given(op, name), f"needs {name}, a property or an operand")
    value = cast(SSAValue | None, getattr(op, f"{name}_value"))
    if value is None:
        return
    shape = shape_of(value)
    is_vector = shape is None or len(shape) == 1
    if not is_vector or dtype_of(value).name not in ("int64", "int32"):
        op.require(constraint, False, f"{name} must be a vector of i64 or i32, got {value.type}")


class ShapeChangingOp(PfrtOp, ABC):
    """An op that moves elements and computes nothing.

    Its result's type says what can be known even if an operand's rank is not.
    """

    def infer_types(self) -> Sequence[Attribute]:
        # Dimensions that became known since the op was verified may break a constraint.
        self.check()
        return [tensor(self.result_dtype(), self.result_shape())]

    def flops(self) -> int | None:
        return 0


def find_axes(op: PfrtOp, constraint: str, axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Non-negative axes; requires that they are in range and differ."""
    op.require(
        constraint,
        all(-rank <= axis < rank for axis in axes),
        f"axes {list(axes)} are not all among the {rank} dimensions",
    )
    found = tuple(axis % rank for axis in axes)
    op.require(constraint, len(set(found)) == len(found), f"axes {list(axes)} repeat a dimension")
    return found
