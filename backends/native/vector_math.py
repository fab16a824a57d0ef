"""Functions of vectors of f32, made of multiplications and additions.

Largest errors with a fused multiply-add, over all f32 (tests/backends/native/test_native_functions.py):
exp 2 ulp, tanh 2, erf 2, sigmoid 3 where the result is a normal number. NaN stays NaN, infinities have
their limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import VectorType, f32, i32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.builder import Builder, vector_of

_ROUNDING = 12582912.0
"""1.5 * 2^23: what is added to it is rounded to an integer, in the last bits."""

_ROUNDING_BITS = 0x4B400000

_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
        5.0000001201e-1)  # fmt: skip
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1,
         -3.33332819422e-1)  # fmt: skip
"""Polynomials of the Cephes library: exp(r) = 1 + r + r^2 P(r), tanh(x) = x + x^3 P(x^2)."""

_ERF_NEAR = (-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1,
             1.28379166e-1)  # fmt: skip
_ERF_FAR = (-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1,
            -6.34846687e-1, -1.28717512e-1)  # fmt: skip
"""N. Juffa's: erf(x) = x + x P(x^2) up to 0.9277, and 1 - exp(-x + x P(x)) from there on."""


def lanes_of(x: SSAValue) -> int:
    """How many lanes a vector has."""
    return int(cast("VectorType[Any]", x.type).get_shape()[0])


def like(b: Builder, x: SSAValue, value: float) -> SSAValue:
    """A constant in as many lanes as x has."""
    return b.splat(value, lanes_of(x))


def polynomial(b: Builder, x: SSAValue, factors: Sequence[float]) -> SSAValue:
    """The polynomial with these factors, that of the highest power first."""
    first, *others = factors
    found = like(b, x, first)
    for factor in others:
        found = b.multiply_add(found, x, like(b, x, factor))
    return found


def exp(b: Builder, x: SSAValue) -> SSAValue:
    """e^x = 2^n e^r with |r| <= ln 2 / 2, scaled by two factors, of which each is a normal number."""
    lanes = lanes_of(x)
    x = b.smaller(b.larger(x, b.splat(-104.0, lanes)), b.splat(89.0, lanes))
    shift = b.splat(_ROUNDING, lanes)
    rounded = b.multiply_add(x, b.splat(1.4426950408889634, lanes), shift)
    count = b.subtract(rounded, shift)
    rest = b.multiply_add(count, b.splat(-0.693359375, lanes), x)
    rest = b.multiply_add(count, b.splat(2.12194440e-4, lanes), rest)
    power = b.multiply_add(polynomial(b, rest, _EXP), b.multiply(rest, rest), rest)
    power = b.add_floats(power, b.splat(1.0, lanes))
    n = b.minus(b.cast(rounded, vector_of(lanes, i32)), b.splat_integer(_ROUNDING_BITS, lanes))
    half = _integers(b, llvm.AShrOp, n, 1)
    for part in (half, b.minus(n, half)):
        bits = _integers(b, llvm.ShlOp, b.plus(part, b.splat_integer(127, lanes)), 23)
        power = b.multiply(power, b.cast(bits, vector_of(lanes)))
    return power


def sigmoid(b: Builder, x: SSAValue) -> SSAValue:
    """1 / (1 + e^-x)."""
    one = like(b, x, 1.0)
    return b.divide(one, b.add_floats(one, exp(b, negative(b, x))))


def tanh(b: Builder, x: SSAValue) -> SSAValue:
    """x + x^3 P(x^2) below 0.625, 1 - 2 / (e^2|x| + 1) above."""
    size = b.unary("fabs", x)
    square = b.multiply(x, x)
    near = b.multiply_add(b.multiply(polynomial(b, square, _TANH), square), x, x)
    one = like(b, x, 1.0)
    power = b.add_floats(exp(b, b.add_floats(size, size)), one)
    far = b.subtract(one, b.divide(like(b, x, 2.0), power))
    far = with_sign_of(b, far, x)
    return by_sign(b, b.subtract(size, like(b, x, 0.625)), near, far)


def erf(b: Builder, x: SSAValue) -> SSAValue:
    """The error function."""
    size, square = b.unary("fabs", x), b.multiply(x, x)
    near = b.multiply_add(polynomial(b, square, _ERF_NEAR), x, x)
    # 1 - exp(…) is 1 from 4 on.
    bounded = b.smaller(size, like(b, x, 4.0))
    power = b.multiply_add(polynomial(b, bounded, _ERF_FAR), bounded, negative(b, bounded))
    far = with_sign_of(b, b.subtract(like(b, x, 1.0), exp(b, power)), x)
    return by_sign(b, b.subtract(size, like(b, x, 0.927734375)), near, far)


def negative(b: Builder, x: SSAValue) -> SSAValue:
    """-x."""
    return b.multiply(x, like(b, x, -1.0))


def by_sign(b: Builder, test: SSAValue, below: SSAValue, otherwise: SSAValue) -> SSAValue:
    """`below` where the test's sign is set, `otherwise` elsewhere."""
    lanes = lanes_of(test)
    integers = vector_of(lanes, i32)
    mask = _integers(b, llvm.AShrOp, b.cast(test, integers), 31)
    a, other = b.cast(below, integers), b.cast(otherwise, integers)
    differing = _both(b, llvm.AndOp, _both(b, llvm.XOrOp, a, other), mask)
    return b.cast(_both(b, llvm.XOrOp, other, differing), vector_of(lanes))


def with_sign_of(b: Builder, size: SSAValue, x: SSAValue) -> SSAValue:
    """A vector with another one's signs."""
    return b.call(f"llvm.copysign.v{lanes_of(x)}{f32}", (size, x), x.type)


def _integers(b: Builder, op: Any, x: SSAValue, count: int) -> SSAValue:
    properties = {"overflowFlags": _none()} if op is llvm.ShlOp else {}
    return b.add(op, (x, b.splat_integer(count, lanes_of(x))), x.type, properties)


def _both(b: Builder, op: Any, x: SSAValue, y: SSAValue) -> SSAValue:
    return b.add(op, (x, y), x.type, {})


def _none() -> Any:
    from xdsl.dialects.builtin import IntegerAttr

    return IntegerAttr(0, i32)
