"""Quotients that are exact, and sums of bytes that stand for reals.

A quotient x / b of f32, rounded to an integer, is one product with a number next to 1 / b, where that was
tried with all x that there are: there are 65,536 sums of two bytes. Else the quotient is exact: with y,
the f32 nearest to 1 / b,

    q = x y,   q += (x - q b) y,   q += (x - q b) y

After the first correction q is next to the quotient, and x - q b exact; by Markstein's theorem the second
one is the quotient rounded. This holds where nothing becomes infinite or subnormal on the way; where it
may, numbers are divided.
"""

from __future__ import annotations

from xdsl.dialects.builtin import f32, i32
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.writing.builder import Builder

_A_ZERO, _B_ZERO, _A_SCALE, _B_SCALE, _Y_SCALE, _INVERSE, _LIMITS = (4 * k for k in range(7))
"""Where the numbers of a sum lie; limits are the last ones."""


TRIED, CORRECTED, DIVIDED = "tried", "corrected", "divided"
"""Ways to make quotients."""


def quotient(
    b: Builder, v: Integers, x: SSAValue, divisor: SSAValue, inverse: SSAValue, how: str
) -> SSAValue:
    """x / divisor, rounded once, or what becomes the same integers."""
    if how == DIVIDED or (how == CORRECTED and not b.fused):
        return b.divide(x, divisor)
    found = b.multiply(x, inverse)
    if how == CORRECTED:
        minus = b.subtract(b.splat(-0.0, v.lanes), divisor)
        for _ in range(2):
            found = b.multiply_add(b.multiply_add(found, minus, x), inverse, found)
    return found


class SumCode:
    """The code of a sum whose numbers are at an address."""

    def __init__(
        self, b: Builder, v: Integers, numbers: SSAValue, how: str, *, skips_a: bool = False
    ) -> None:
        self._b, self._v, self._how = b, v, how

        def spread(offset: int, kind: Attribute) -> SSAValue:
            return v.spread_number(b.load(b.at(numbers, offset), kind, 4))

        self._b_zero, self._a_scale = spread(_B_ZERO, i32), spread(_A_SCALE, f32)
        self._a_zero = None if skips_a else spread(_A_ZERO, i32)
        self._b_scale, self._y_scale = spread(_B_SCALE, f32), spread(_Y_SCALE, f32)
        self._inverse = spread(_INVERSE, f32)
        self._limits = v.limits(b.at(numbers, _LIMITS))

    def of_bytes(self, a: SSAValue, other: SSAValue) -> SSAValue:
        """y of i32 that were read as bytes."""
        assert self._a_zero is not None
        return self.of_real(self._v.to_floats(self._v.minus(a, self._a_zero)), other)

    def of_real(self, a: SSAValue, other: SSAValue) -> SSAValue:
        """y of whole f32, from which the zero point was taken off, and i32 that were read as bytes."""
        b, v = self._b, self._v
        left = b.multiply(a, self._a_scale)
        whole = v.to_floats(v.minus(other, self._b_zero))
        total = b.add_floats(left, b.multiply(whole, self._b_scale))
        value = quotient(b, v, total, self._y_scale, self._inverse, self._how)
        return v.narrow(v.rounded(value, self._limits, is_number=self._how != DIVIDED))
