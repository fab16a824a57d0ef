"""Comparisons, logic and bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import BOOL, is_float
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.values import Scalar, Value

Of: TypeAlias = Callable[[AtenBuilder, Scalar, Scalar], Value]
Binary: TypeAlias = Rule[[AtenBuilder, Value, Value], Value]
Logical: TypeAlias = Rule[[AtenBuilder, Value], Value]

_COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_or_equal",
    "gt": "greater",
    "ge": "greater_or_equal",
}
_SYNONYMS = {
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
}


def compare(b: AtenBuilder, op: str, lhs: Scalar, rhs: Scalar) -> Value:
    """A comparison of tensors and numbers of their result type."""
    if op == "not_equal":
        return b.one("not", [compare(b, "equal", lhs, rhs)])
    x, y = b.promote(lhs, rhs)
    if x.dtype == BOOL and op != "equal":
        x, y = (b.cast(value, np.dtype(np.uint8)) for value in (x, y))
    return b.one(op, [x, y])


def _comparison(name: str, op: str) -> tuple[Rule[..., Value], ...]:
    @aten(name, overload="Tensor")
    def tensors(b: AtenBuilder, self: Value, other: Value) -> Value:
        return compare(b, op, self, other)

    @aten(name, overload="Scalar")
    def scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
        return compare(b, op, self, other)

    return tensors, scalar


def _logical(name: str, op: str) -> Rule[..., Value]:
    @aten(name)
    def rule(b: AtenBuilder, self: Value, other: Value) -> Value:
        return b.one(op, [b.cast(self, BOOL), b.cast(other, BOOL)])

    return rule


@aten("logical_not")
def logical_not(b: AtenBuilder, self: Value) -> Value:
    """Whether each element is 0"""
    return b.one("not", [b.cast(self, BOOL)])


def _bits(b: AtenBuilder, op: str, lhs: Scalar, rhs: Scalar) -> Value:
    x, y = b.promote(lhs, rhs)
    if is_float(x.dtype):
        raise b.error("floats have no bits to combine")
    return b.one(op if x.dtype == BOOL else f"bitwise_{op}", [x, y])


def _bitwise(name: str, op: str) -> tuple[Rule[..., Value], ...]:
    @aten(name, overload="Tensor")
    def tensors(b: AtenBuilder, self: Value, other: Value) -> Value:
        return _bits(b, op, self, other)

    @aten(name, overload="Scalar")
    def scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
        return _bits(b, op, self, other)

    if name.startswith("__"):
        return tensors, scalar

    @aten(name, overload="Scalar_Tensor")
    def of_scalar(b: AtenBuilder, self: Scalar, other: Value) -> Value:
        return _bits(b, op, self, other)

    return tensors, scalar, of_scalar


@aten("bitwise_not")
def bitwise_not(b: AtenBuilder, self: Value) -> Value:
    """The complement of the bits of integers, or of bools"""
    return b.one("not" if self.dtype == BOOL else "bitwise_not", [self])


def _shifted(b: AtenBuilder, left: bool, lhs: Scalar, rhs: Scalar) -> Value:
    """Integers shifted, by multiplication and flooring division: a sign stays."""
    x, y = b.promote(lhs, rhs)
    if is_float(x.dtype) or x.dtype == BOOL:
        raise b.error("only integers can be shifted")
    if x.dtype.kind == "u":
        return b.one("bit_shift", [x, y], {"direction": "LEFT" if left else "RIGHT"})
    wide = np.dtype(np.int64)
    powers = b.one("pow", [b.constant(2, wide), b.cast(y, wide)])
    if left:
        return b.cast(b.one("mul", [b.cast(x, wide), powers]), x.dtype)
    return b.cast(b.floor_divide(b.cast(x, wide), powers), x.dtype)


def _shift(name: str, overload: str, left: bool) -> tuple[Rule[..., Value], ...]:
    @aten(name, overload="Tensor")
    def tensors(b: AtenBuilder, self: Value, other: Value) -> Value:
        return _shifted(b, left, self, other)

    @aten(name, overload=overload)
    def scalar(b: AtenBuilder, self: Value, other: Scalar) -> Value:
        return _shifted(b, left, self, other)

    return tensors, scalar


@aten("isnan")
def isnan(b: AtenBuilder, self: Value) -> Value:
    """Where elements are NaN"""
    if not is_float(self.dtype):
        return b.full(b.sizes(self), np.array(False))
    return b.one("is_nan", [self])


@aten("isinf")
def isinf(b: AtenBuilder, self: Value) -> Value:
    """Where elements are infinite"""
    if not is_float(self.dtype):
        return b.full(b.sizes(self), np.array(False))
    return b.one("is_inf", [self])


@aten("isfinite")
def isfinite(b: AtenBuilder, self: Value) -> Value:
    """Where elements are neither NaN nor infinite"""
    if not is_float(self.dtype):
        return b.full(b.sizes(self), np.array(True))
    return b.one("not", [b.one("or", [b.one("is_nan", [self]), b.one("is_inf", [self])])])


@aten("isclose")
def isclose(
    b: AtenBuilder,
    self: Value,
    other: Value,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    equal_nan: bool = False,
) -> Value:
    """Where |self - other| <= atol + rtol * |other|"""
    x, y = b.promote(self, other, dtype=b.float_type(self, other))
    bound = b.one("mul", [b.one("abs", [y]), b.constant(rtol, x.dtype)])
    bound = b.one("add", [bound, b.constant(atol, x.dtype)])
    near = b.one("less_or_equal", [b.one("abs", [b.one("sub", [x, y])]), bound])
    # An infinity is close to itself alone.
    near = b.one("and", [near, isfinite(b, y)])
    found = b.one("or", [near, b.one("equal", [x, y])])
    if not equal_nan:
        return found
    both = b.one("and", [b.one("is_nan", [x]), b.one("is_nan", [y])])
    return b.one("or", [found, both])


RULES = (
    *(rule for name, op in _COMPARISONS.items() for rule in _comparison(name, op)),
    *(rule for name, of in _SYNONYMS.items() for rule in _comparison(name, _COMPARISONS[of])),
    *(_logical(f"logical_{op}", op) for op in ("and", "or", "xor")),
    *(rule for op in ("and", "or", "xor") for rule in _bitwise(f"bitwise_{op}", op)),
    *(rule for op in ("and", "or", "xor") for rule in _bitwise(f"__{op}__", op)),
    *_shift("bitwise_left_shift", "Tensor_Scalar", True),
    *_shift("bitwise_right_shift", "Tensor_Scalar", False),
    *_shift("__lshift__", "Scalar", True),
    *_shift("__rshift__", "Scalar", False),
    *rules_in(globals()),
)
