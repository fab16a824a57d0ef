"""Functions of vectors of f32, made of multiplications and additions.

Errors are within 2 ulp where the result is a normal number (docs/native.md has the figures,
tests/backends/native/test_native_elementwise.py fixes them). NaN stays NaN, infinities have their
limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import VectorType, f32, i32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import Builder, vector_of

_ROUNDING = 12582912.0
"""1.5 * 2^23: what is added to it is rounded to an integer, in the last bits."""

_ROUNDING_BITS = 0x4B400000

_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
        5.0000001201e-1)  # fmt: skip
_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1,
         -3.33332819422e-1)  # fmt: skip
"""Polynomials of the Cephes library: exp(r) = 1 + r + r^2 P(r), tanh(x) = x + x^3 P(x^2)."""

_LESS_ONE = (0.5, 1.66665479541e-1, 4.16668541729e-2, 8.36609955877e-3, 1.38982397038e-3)
"""e^r = 1 + r + r^2 P(r) for |r| <= ln 2 / 2, that of r^0 first: within 2^-26."""

_LOG = (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)  # fmt: skip
"""Of the Cephes library, too."""

_ROOT = 0x3F3504F3
"""The bits of sqrt(1/2)."""

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
    n, rest = _reduced(b, b.smaller(b.larger(x, like(b, x, -104.0)), like(b, x, 89.0)))
    power = b.add_floats(_less_one(b, rest), like(b, x, 1.0))
    half = _integers(b, llvm.AShrOp, n, 1)
    for part in (half, b.minus(n, half)):
        power = b.multiply(power, _power_of_two(b, part, lanes))
    return power


_EXP_OF_LESS = (1.38145405799e-3, 8.36874544621e-3, 4.1668388993e-2, 1.6666521132e-1,
                4.9999994040e-1, 1.0, 1.0)  # fmt: skip
"""e^r, within 4e-9 of it."""

_LEAST = -88.0
"""The power of two of e^-88 has no exponent as a normal number: it is 0."""


def exp_of_less(b: Builder, x: SSAValue) -> SSAValue:
    """e^x of what is not positive; 0 where that would be no normal number."""
    lanes = lanes_of(x)
    x = larger_number(b, like(b, x, _LEAST), x)
    # The last bits are those of an exponent.
    shift = like(b, x, _ROUNDING + 127)
    rounded = b.multiply_add(x, like(b, x, 1.4426950408889634), shift)
    count = b.subtract(rounded, shift)
    rest = b.multiply_add(count, like(b, x, -0.693359375), x)
    rest = b.multiply_add(count, like(b, x, 2.12194440e-4), rest)
    bits = _integers(b, llvm.ShlOp, b.cast(rounded, vector_of(lanes, i32)), 23)
    return b.multiply(polynomial(b, rest, _EXP_OF_LESS), b.cast(bits, vector_of(lanes)))


def larger_number(b: Builder, a: SSAValue, other: SSAValue) -> SSAValue:
    """The larger of two; the other one if one of them is NaN."""
    compare = b.compare_lanes if isinstance(a.type, VectorType) else b.compare_floats
    return b.choose(compare("ogt", a, other), a, other)


def _reduced(b: Builder, x: SSAValue) -> tuple[SSAValue, SSAValue]:
    """n and r with x = n ln 2 + r."""
    lanes = lanes_of(x)
    shift = b.splat(_ROUNDING, lanes)
    rounded = b.multiply_add(x, b.splat(1.4426950408889634, lanes), shift)
    count = b.subtract(rounded, shift)
    rest = b.multiply_add(count, b.splat(-0.693359375, lanes), x)
    rest = b.multiply_add(count, b.splat(2.12194440e-4, lanes), rest)
    n = b.minus(b.cast(rounded, vector_of(lanes, i32)), b.splat_integer(_ROUNDING_BITS, lanes))
    return n, rest


def _less_one(b: Builder, rest: SSAValue) -> SSAValue:
    """e^r - 1 for a small r."""
    return b.multiply_add(polynomial(b, rest, _EXP), b.multiply(rest, rest), rest)


def _power_of_two(b: Builder, n: SSAValue, lanes: int) -> SSAValue:
    bits = _integers(b, llvm.ShlOp, b.plus(n, b.splat_integer(127, lanes)), 23)
    return b.cast(bits, vector_of(lanes))


def less_one(b: Builder, x: SSAValue) -> SSAValue:
    """e^x - 1 of what is not positive."""
    found = _any_less_one(b, b.smaller(x, like(b, x, 0.0)))
    # Of what is as small as this it is the number itself, also where that is -0.
    return by_sign(b, b.subtract(b.unary("fabs", x), like(b, x, 1e-8)), x, found)


def _any_less_one(b: Builder, x: SSAValue) -> SSAValue:
    """e^x - 1 = 2^n (e^r - 1) + (2^n - 1) of what is not positive."""
    n, rest = _reduced(b, b.larger(x, like(b, x, -80.0)))
    scale = _power_of_two(b, n, lanes_of(x))
    return b.multiply_add(scale, _less_one(b, rest), b.subtract(scale, like(b, x, 1.0)))


def sigmoid(b: Builder, x: SSAValue) -> SSAValue:
    """e / (1 + e) or 1 / (1 + e), where e = e^-|x|; what 1 + e was rounded by is made good."""
    one, power = like(b, x, 1.0), exp(b, negative(b, b.unary("fabs", x)))
    below = b.add_floats(one, power)
    lost = b.subtract(power, b.subtract(below, one))
    above = by_sign(b, x, power, one)
    found = b.divide(above, below)
    return b.subtract(found, b.multiply(b.divide(found, below), lost))


def log(b: Builder, x: SSAValue) -> SSAValue:
    """log(2^n m) = n ln 2 + (m - 1) + (m - 1)^2 P(m - 1) with m between sqrt(1/2) and sqrt(2)."""
    lanes, one = lanes_of(x), like(b, x, 1.0)
    is_small = b.compare_lanes("olt", x, like(b, x, 1.1754943508222875e-38))
    bits = b.cast(b.choose(is_small, b.multiply(x, like(b, x, 2.0**23)), x), vector_of(lanes, i32))
    # Numbers from sqrt(1/2) on have the exponent of 1.
    moved = b.minus(bits, b.splat_integer(_ROOT, lanes))
    n = _integers(b, llvm.AShrOp, moved, 23)
    mantissa = b.plus(
        _both(b, llvm.AndOp, moved, b.splat_integer(0x7FFFFF, lanes)), b.splat_integer(_ROOT, lanes)
    )
    count = b.add(llvm.SIToFPOp, (n,), x.type, {})
    count = b.choose(is_small, b.subtract(count, like(b, x, 23.0)), count)
    rest = b.subtract(b.cast(mantissa, vector_of(lanes)), one)
    square = b.multiply(rest, rest)
    curve = b.multiply(b.multiply(polynomial(b, rest, _LOG), rest), square)
    curve = b.multiply_add(count, like(b, x, -2.12194440e-4), curve)
    curve = b.multiply_add(square, like(b, x, -0.5), curve)
    found = b.multiply_add(count, like(b, x, 0.693359375), b.add_floats(rest, curve))
    infinity = like(b, x, float("inf"))
    found = b.choose(b.compare_lanes("oeq", x, infinity), x, found)
    is_none = b.compare_lanes("ult", x, like(b, x, 0.0))
    found = b.choose(is_none, like(b, x, float("nan")), found)
    is_zero = b.compare_lanes("oeq", x, like(b, x, 0.0))
    return b.choose(is_zero, like(b, x, -float("inf")), found)


def log_of_more(b: Builder, x: SSAValue) -> SSAValue:
    """log(1 + x) for 0 <= x <= 1; what 1 + x was rounded by is made good."""
    one = like(b, x, 1.0)
    whole = b.add_floats(one, x)
    lost = b.subtract(x, b.subtract(whole, one))
    return b.add_floats(log(b, whole), b.divide(lost, whole))


def softplus(b: Builder, x: SSAValue) -> SSAValue:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    power = exp(b, negative(b, b.unary("fabs", x)))
    return b.add_floats(b.larger(x, like(b, x, 0.0)), log_of_more(b, power))


def mish(b: Builder, x: SSAValue) -> SSAValue:
    """x tanh(log(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2)."""
    two = like(b, x, 2.0)
    power = exp(b, b.smaller(x, like(b, x, 20.0)))
    part = b.multiply(power, b.add_floats(power, two))
    return b.multiply(x, b.divide(part, b.add_floats(part, two)))


def whole(b: Builder, name: str, x: SSAValue) -> SSAValue:
    """x rounded to an integer: "floor", "ceil", or "rint" for the nearest, the even one of two."""
    if b.fused:
        return b.unary(name, x)
    # Processors without a fused multiply-add have no instruction for it.
    size, far = b.unary("fabs", x), like(b, x, 2.0**23)
    near = with_sign_of(b, b.subtract(b.add_floats(size, far), far), x)
    if name != "rint":
        how, step = ("ogt", -1.0) if name == "floor" else ("olt", 1.0)
        moved = b.add_floats(near, like(b, x, step))
        # From below 0, what is rounded up to 0 is -0.
        moved = moved if name == "floor" else with_sign_of(b, moved, x)
        near = b.choose(b.compare_lanes(how, near, x), moved, near)
    return b.choose(b.compare_lanes("olt", size, far), near, x)


def sign(b: Builder, x: SSAValue) -> SSAValue:
    """-1, 0 or 1; NaN of NaN."""
    size = with_sign_of(b, like(b, x, 1.0), x)
    is_one = b.compare_lanes("one", x, like(b, x, 0.0))
    zero = like(b, x, 0.0)
    return b.choose(is_one, size, b.add_floats(b.multiply(x, zero), zero))


def tanh(b: Builder, x: SSAValue) -> SSAValue:
    """m / (m + 2) with m = e^2|x| - 1 = 2^n (e^r - 1) + (2^n - 1); from 10 on that is 1.

    m is made 3/4 as large: what m and m + 2 are rounded by, beside the result's last place, depends on
    how far they are from a power of two, and is least there.
    """
    if not b.fused:
        # Three quarters of r would be rounded themselves.
        return _tanh_in_parts(b, x)
    lanes, part = lanes_of(x), 0.75
    size = b.smaller(b.unary("fabs", x), like(b, x, 10.0))
    twice = b.add_floats(size, size)
    # The last bits become n + 127, which shifted is 2^n.
    shift = b.splat(_ROUNDING + 127, lanes)
    rounded = b.multiply_add(twice, b.splat(1.4426950408889634, lanes), shift)
    rest = b.multiply_add(b.subtract(rounded, shift), b.splat(-0.6931471805599453, lanes), twice)
    bits = _integers(b, llvm.ShlOp, b.cast(rounded, vector_of(lanes, i32)), 23)
    scale = b.cast(bits, vector_of(lanes))
    square = b.multiply(rest, rest)
    first, second, *last = (b.splat(part * factor, lanes) for factor in _LESS_ONE)
    # In pairs, which do not wait for each other.
    curve = b.multiply_add(square, last[2], b.multiply_add(rest, last[1], last[0]))
    curve = b.multiply_add(square, curve, b.multiply_add(rest, second, first))
    less_one = b.multiply_add(rest, b.splat(part, lanes), b.multiply(square, curve))
    more = b.multiply_add(scale, b.splat(part, lanes), b.splat(-part, lanes))
    found = b.multiply_add(scale, less_one, more)
    return with_sign_of(b, b.divide(found, b.add_floats(found, b.splat(2 * part, lanes))), x)


def _tanh_in_parts(b: Builder, x: SSAValue) -> SSAValue:
    """x + x^3 P(x^2) below 0.625, 1 - 2 / (e^2|x| + 1) above; from 10 on that is 1."""
    size, one, two = b.unary("fabs", x), like(b, x, 1.0), like(b, x, 2.0)
    square = b.multiply(x, x)
    near = b.multiply_add(b.multiply(polynomial(b, square, _TANH), square), size, size)
    n, rest = _reduced(b, b.smaller(b.add_floats(size, size), like(b, x, 20.0)))
    scale = _power_of_two(b, n, lanes_of(x))
    power = b.multiply_add(scale, _less_one(b, rest), b.add_floats(scale, one))
    far = b.subtract(one, b.divide(two, power))
    is_near = b.compare_lanes("olt", size, like(b, x, 0.625))
    return with_sign_of(b, b.choose(is_near, near, far), x)


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
