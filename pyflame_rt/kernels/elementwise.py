"""Elementwise functions, with NumPy's broadcasting. Nothing warns: NaN and inf are values."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.data import cast
from pyflame_rt.kernels.numerics import rounding_once

Array = npt.NDArray[Any]

__all__ = [
    "abs_",
    "acos",
    "acosh",
    "add",
    "and_",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "bit_shift",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "cos",
    "cosh",
    "div",
    "equal",
    "exp",
    "floor",
    "greater",
    "greater_or_equal",
    "is_inf",
    "is_nan",
    "less",
    "less_or_equal",
    "log",
    "max_",
    "mean",
    "min_",
    "mod",
    "mul",
    "neg",
    "not_",
    "or_",
    "pow_",
    "reciprocal",
    "round_",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "sub",
    "sum_",
    "tan",
    "where",
    "xor",
]


def _apply(function: Callable[..., Any], *arrays: Array) -> Array:
    """The function's result as an array, also of scalars, without warnings."""
    with np.errstate(all="ignore"):
        return np.asarray(function(*arrays))


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype == ml_dtypes.bfloat16


def abs_(x: Array) -> Array:
    """|x|; the least integer of a type stays what it is."""
    return _apply(np.abs, x)


def neg(x: Array) -> Array:
    """-x; the least integer of a type stays what it is."""
    return _apply(np.negative, x)


def sqrt(x: Array) -> Array:
    """The square root; NaN below zero."""
    return _apply(np.sqrt, x)


def exp(x: Array) -> Array:
    """e to the power x."""
    return _apply(np.exp, x)


def log(x: Array) -> Array:
    """The natural logarithm; -inf at zero, NaN below."""
    return _apply(np.log, x)


def floor(x: Array) -> Array:
    """The largest integer not above x."""
    return _apply(np.floor, x)


def ceil(x: Array) -> Array:
    """The smallest integer not below x."""
    return _apply(np.ceil, x)


def round_(x: Array) -> Array:
    """The nearest integer, the even one of two."""
    return _apply(np.rint, x)


def reciprocal(x: Array) -> Array:
    """1 / x; infinite at zero."""
    return _apply(np.divide, np.ones((), x.dtype), x)


def sign(x: Array) -> Array:
    """-1, 0 or 1; NaN of NaN."""
    return _apply(np.sign, x)


def sin(x: Array) -> Array:
    """The sine of an angle in radians."""
    return _apply(np.sin, x)


def cos(x: Array) -> Array:
    """The cosine of an angle in radians."""
    return _apply(np.cos, x)


def tan(x: Array) -> Array:
    """The tangent of an angle in radians."""
    return _apply(np.tan, x)


def asin(x: Array) -> Array:
    """The angle in radians whose sine is x; NaN outside -1..1."""
    return _apply(np.arcsin, x)


def acos(x: Array) -> Array:
    """The angle in radians whose cosine is x; NaN outside -1..1."""
    return _apply(np.arccos, x)


def atan(x: Array) -> Array:
    """The angle in radians whose tangent is x."""
    return _apply(np.arctan, x)


def sinh(x: Array) -> Array:
    """The hyperbolic sine."""
    return _apply(np.sinh, x)


def cosh(x: Array) -> Array:
    """The hyperbolic cosine."""
    return _apply(np.cosh, x)


def asinh(x: Array) -> Array:
    """The number whose hyperbolic sine is x."""
    return _apply(np.arcsinh, x)


def acosh(x: Array) -> Array:
    """The number whose hyperbolic cosine is x; NaN below 1."""
    return _apply(np.arccosh, x)


def atanh(x: Array) -> Array:
    """The number whose hyperbolic tangent is x; infinite at -1 and 1, NaN outside."""
    return _apply(np.arctanh, x)


def not_(x: Array) -> Array:
    """Logical negation."""
    return _apply(np.logical_not, x)


def is_nan(x: Array) -> Array:
    """Whether x is NaN."""
    return _apply(np.isnan, x)


def is_inf(x: Array, *, detect_negative: bool = True, detect_positive: bool = True) -> Array:
    """Whether x is an infinity, of the signs asked for."""
    negative = _apply(np.less, x, np.zeros((), x.dtype))
    wanted = np.where(negative, detect_negative, detect_positive)
    return _apply(np.logical_and, _apply(np.isinf, x), wanted)


def add(a: Array, b: Array) -> Array:
    """a + b; integers wrap."""
    return _apply(np.add, a, b)


def sub(a: Array, b: Array) -> Array:
    """a - b; integers wrap."""
    return _apply(np.subtract, a, b)


def mul(a: Array, b: Array) -> Array:
    """a * b; integers wrap."""
    return _apply(np.multiply, a, b)


def div(a: Array, b: Array) -> Array:
    """a / b; integers truncate toward zero, n / 0 is 0, and the least integer / -1 wraps."""
    if _is_float(a.dtype):
        return _apply(np.divide, a, b)
    divisor = np.where(b == 0, np.ones((), b.dtype), b)
    multiple = _apply(np.subtract, a, _apply(np.fmod, a, divisor))
    quotient = _apply(np.floor_divide, multiple, divisor)
    return np.where(b == 0, np.zeros((), a.dtype), quotient)


def mod(a: Array, b: Array, *, fmod: bool = False) -> Array:
    """a - floor(a / b) * b, of b's sign; with `fmod` a - trunc(a / b) * b, of a's sign.

    By zero: NaN for floats, 0 for integers.
    """
    return _apply(np.fmod if fmod else np.mod, a, b)


def pow_(x: Array, y: Array) -> Array:
    """x to the power y in x's dtype.

    Integers to integer powers are exact and wrap, their negative powers truncate (0 of 0);
    other mixed dtypes are computed in f64, and integers of them truncate and saturate.
    """
    if not _is_float(x.dtype) and not _is_float(y.dtype):
        return _integer_power(x, y)
    if x.dtype == y.dtype:
        return _apply(np.power, x, y)
    return cast(_apply(np.power, x.astype(np.float64), y.astype(np.float64)), to=x.dtype)


def _integer_power(x: Array, y: Array) -> Array:
    # Arithmetic modulo 2**64 does not depend on signs, and narrower types are its low bits.
    power = np.power(x.astype(np.uint64), y.astype(np.uint64)).astype(x.dtype)
    odd = y & y.dtype.type(1) == 1
    inverse = np.where(x == 1, 1, np.where(x == -1, np.where(odd, -1, 1), 0)).astype(x.dtype)
    return np.where(y < 0, inverse, power)


def equal(a: Array, b: Array) -> Array:
    """a == b."""
    return _apply(np.equal, a, b)


def less(a: Array, b: Array) -> Array:
    """a < b."""
    return _apply(np.less, a, b)


def less_or_equal(a: Array, b: Array) -> Array:
    """a <= b."""
    return _apply(np.less_equal, a, b)


def greater(a: Array, b: Array) -> Array:
    """a > b."""
    return _apply(np.greater, a, b)


def greater_or_equal(a: Array, b: Array) -> Array:
    """a >= b."""
    return _apply(np.greater_equal, a, b)


def and_(a: Array, b: Array) -> Array:
    """Both are true."""
    return _apply(np.logical_and, a, b)


def or_(a: Array, b: Array) -> Array:
    """Either is true."""
    return _apply(np.logical_or, a, b)


def xor(a: Array, b: Array) -> Array:
    """Exactly one is true."""
    return _apply(np.logical_xor, a, b)


def bitwise_not(x: Array) -> Array:
    """Every bit turned over."""
    return _apply(np.invert, x)


def bitwise_and(a: Array, b: Array) -> Array:
    """The bits that are set in both."""
    return _apply(np.bitwise_and, a, b)


def bitwise_or(a: Array, b: Array) -> Array:
    """The bits that are set in either."""
    return _apply(np.bitwise_or, a, b)


def bitwise_xor(a: Array, b: Array) -> Array:
    """The bits that are set in exactly one."""
    return _apply(np.bitwise_xor, a, b)


def bit_shift(a: Array, b: Array, *, direction: str) -> Array:
    """The bits of a, b places to the left or right, where the sign bit follows.

    A negative b, and one of all bits or more, leaves nothing but that sign.
    """
    return _apply(np.left_shift if direction == "LEFT" else np.right_shift, a, b)


def min_(*arrays: Array) -> Array:
    """The least of the operands; NaN if any is."""
    return _apply(lambda *items: reduce(np.minimum, items), *arrays)


def max_(*arrays: Array) -> Array:
    """The greatest of the operands; NaN if any is."""
    return _apply(lambda *items: reduce(np.maximum, items), *arrays)


@rounding_once
def sum_(*arrays: Array) -> Array:
    """The sum of the operands, from left to right."""
    return _apply(lambda *items: reduce(np.add, items), *arrays)


@rounding_once
def mean(*arrays: Array) -> Array:
    """The sum of the operands divided by their number."""
    total = sum_(*arrays)
    return _apply(np.divide, total, np.array(len(arrays), total.dtype))


def where(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, y elsewhere."""
    return np.where(condition, x, y)
