"""What the families share to declare and check ops: typed properties, element types, axes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

from xdsl.dialects.builtin import (
    BFloat16Type,
    DenseArrayBase,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    f32,
    i1,
    i64,
)
from xdsl.ir import SSAValue
from xdsl.irdl import EqAttrConstraint, opt_prop_def, prop_def

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape
from pyflame_rt.dialects.pfrt.lattice import compatible
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_string, shape_of, tensor, type_of

IntList: TypeAlias = DenseArrayBase[Any]

_INTEGER = IntegerAttr.constr(EqAttrConstraint(i64))
_FLAG = IntegerAttr.constr(EqAttrConstraint(i1))
_FLOAT = FloatAttr.constr(EqAttrConstraint(f32))
_INTEGERS = DenseArrayBase.constr(i64)


def int_property(default: int | None = None) -> IntegerAttr[Any]:
    """An i64 property; required when it has no default."""
    value = None if default is None else IntegerAttr(default, 64)
    return cast(IntegerAttr[Any], prop_def(_INTEGER, default_value=value))


def flag_property(default: bool) -> IntegerAttr[Any]:
    """A property that is true or false."""
    return cast(IntegerAttr[Any], prop_def(_FLAG, default_value=IntegerAttr(int(default), 1)))


def float_property(default: float | None = None) -> FloatAttr[Any]:
    """An f32 property; required when it has no default."""
    value = None if default is None else FloatAttr(default, f32)
    return cast(FloatAttr[Any], prop_def(_FLOAT, default_value=value))


def string_property(default: str) -> StringAttr:
    """A string property."""
    return prop_def(StringAttr, default_value=StringAttr(default))


def ints_property() -> IntList:
    """A list of i64, empty by default."""
    return cast(IntList, prop_def(_INTEGERS, default_value=DenseArrayBase.from_list(i64, [])))


def required_ints_property() -> IntList:
    """A list of i64 that must be given."""
    return cast(IntList, prop_def(_INTEGERS))


def optional_ints_property() -> IntList | None:
    """A list of i64, or nothing: which is not the same as an empty list."""
    return cast("IntList | None", opt_prop_def(_INTEGERS))


def ints(attr: IntList) -> Shape:
    """The values of a list property."""
    if attr.elt_type != i64:
        return tuple(cast(Sequence[int], attr.get_values()))
    # Several times as fast as the attribute's own way, and lists are read all the time.
    data = attr.data.data
    return struct.unpack(f"<{len(data) // 8}q", data)


def is_float(value: SSAValue) -> bool:
    """Whether a value holds f16, bf16, f32 or f64: the types on which ONNX does arithmetic."""
    element = type_of(value).element_type
    return isinstance(element, Float16Type | BFloat16Type | Float32Type | Float64Type)


def require_floats(op: PfrtOp, constraint: str, *values: SSAValue | None) -> None:
    """Require that every given value holds floats."""
    # Texts are made when they are needed: printing types takes longer than checking them.
    for value in values:
        if value is not None and not is_float(value):
            op.require(constraint, False, f"needs floats, got {value.type}")


def require_same_element(op: PfrtOp, constraint: str, *values: SSAValue | None) -> None:
    """Require that all given values have one element type."""
    elements = [type_of(value).element_type for value in values if value is not None]
    if any(element != elements[0] for element in elements):
        listed = ", ".join(map(str, elements))
        op.require(constraint, False, f"needs one element type, got {listed}")


def require_numbers(op: PfrtOp, constraint: str, *values: SSAValue | None) -> None:
    """Require that no given value holds strings."""
    for value in values:
        if value is not None and is_string(value.type):
            op.require(constraint, False, f"needs numbers, got {value.type}")


def can_be_one(value: SSAValue, max_rank: int | None = None) -> bool:
    """Whether a value can have one element, in at most `max_rank` dimensions."""
    shape = shape_of(value)
    if shape is None:
        return True
    return set(shape) <= {1, DYNAMIC} and (max_rank is None or len(shape) <= max_rank)


def require_shape(
    op: PfrtOp, constraint: str, name: str, value: SSAValue | None, shape: Shape
) -> None:
    """Require that an operand can have the given shape, where `?` agrees with anything."""
    if value is None:
        return
    wanted = tensor(type_of(value).element_type, shape)
    if not compatible(type_of(value), wanted):
        op.require(constraint, False, f"{name} must be {wanted}, got {value.type}")


def require_rank(op: PfrtOp, constraint: str, value: SSAValue, least: int) -> None:
    """Require that a value has at least `least` dimensions, if its rank is known."""
    shape = shape_of(value)
    if shape is not None and len(shape) < least:
        op.require(constraint, False, f"needs at least {least} dimensions, got {value.type}")


def require_axis(op: PfrtOp, constraint: str, axis: int, value: SSAValue) -> None:
    """Require that an axis is one of the value's, if its rank is known."""
    shape = shape_of(value)
    if shape is not None and not -len(shape) <= axis < len(shape):
        op.require(constraint, False, f"axis {axis} is outside the dimensions of {value.type}")


def broadcasts_to(value: SSAValue | None, target: Shape | None) -> bool:
    """Whether a value can broadcast to a shape without changing it (ONNX: unidirectional)."""
    shape = None if value is None else shape_of(value)
    if shape is None or target is None:
        return True
    if len(shape) > len(target):
        return False
    trailing = target[len(target) - len(shape) :]
    return all(
        d == t or d in (1, DYNAMIC) or t == DYNAMIC for d, t in zip(shape, trailing, strict=True)
    )
