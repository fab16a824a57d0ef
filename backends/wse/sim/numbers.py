"""Arithmetic on raw bits, written so that plain Python and numba round alike.

Plain Python sees the buffer through memoryviews (ints and floats of any size come out), numba through
arrays. Every float is widened to 64 bits before it is used and rounded once when it is stored.
"""

from __future__ import annotations

import math
from typing import Any

from pyflame_rt.backends.wse.sim.layout import (
    HALF,
    SCRATCH,
)

NAN_32 = 0x7FC00000
NAN_16 = 0x7E00


def wrap32(value: int) -> int:
    """The low 32 bits as a signed number."""
    return ((value + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def wrap16(value: int) -> int:
    """The low 16 bits as a signed number."""
    return ((value + 0x8000) & 0xFFFF) - 0x8000


def single(S: Any, F: Any, bits: int) -> float:
    """The f32 of some bits, as a 64-bit float; an intrinsic in compiled form."""
    S[SCRATCH] = bits
    return F[SCRATCH] * 1.0


def rounded_bits(S: Any, F: Any, value: float) -> int:
    """The bits of a 64-bit float rounded to f32; an intrinsic in compiled form."""
    F[SCRATCH] = value
    return S[SCRATCH] * 1


def single_bits(S: Any, F: Any, value: float) -> int:
    """A 64-bit float rounded to f32; every NaN is the same."""
    if value != value:
        return NAN_32
    return rounded_bits(S, F, value)


def half(S: Any, F: Any, bits: int) -> float:
    """The f16 in the low 16 bits."""
    return F[S[HALF] + (bits & 0xFFFF)] * 1.0


def half_bits(value: float) -> int:
    """A 64-bit float rounded to f16, ties to even; every NaN is the same."""
    if value != value:
        return NAN_16
    sign = 0
    if value < 0.0 or (value == 0.0 and math.copysign(1.0, value) < 0.0):
        sign = 0x8000
        value = -value
    if value >= 65520.0:
        return sign | 0x7C00
    if value < 6.103515625e-05:
        scaled = value * 16777216.0
        start = 0
    else:
        fraction, exponent = math.frexp(value)
        scaled = fraction * 2048.0
        # The mantissa's leading one adds to the exponent.
        start = (exponent + 13) << 10
    whole = int(scaled)
    rest = scaled - whole
    if rest > 0.5 or (rest == 0.5 and whole & 1 == 1):
        whole += 1
    return sign | (start + whole)


def to_float(S: Any, F: Any, bits: int, kind: int) -> float:
    """A register's value of a type, as a float."""
    if kind == 5:
        return single(S, F, bits)
    if kind == 4:
        return half(S, F, bits)
    if kind == 3:
        return (bits & 0xFFFFFFFF) * 1.0
    return bits * 1.0


def from_float(S: Any, F: Any, value: float, kind: int) -> int:
    """A float as a register of a type; integers truncate and saturate, NaN gives 0."""
    if kind == 5:
        return single_bits(S, F, value)
    if kind == 4:
        return half_bits(value)
    if value != value:
        return 0
    low = -32768.0 if kind == 0 else -2147483648.0 if kind == 2 else 0.0
    high = (
        32767.0
        if kind == 0
        else 65535.0
        if kind == 1
        else 2147483647.0
        if kind == 2
        else 4294967295.0
    )
    if value < low:
        value = low
    if value > high:
        value = high
    return wrap32(int(value))


def integer(value: int, kind: int) -> int:
    """An integer wrapped to a type, as a register keeps it."""
    if kind == 0:
        return wrap16(value)
    if kind == 1:
        return value & 0xFFFF
    return wrap32(value)


def scalar_op(S: Any, F: Any, function: int, kind: int, left: int, right: int) -> int:
    """ALU: the functions of `image.ALU_FUNCTIONS` by number."""
    if kind >= 4:
        x = to_float(S, F, left, kind)
        y = to_float(S, F, right, kind)
        if function >= 12 and function <= 17:
            return compared(x, y, function)
        return from_float(S, F, float_op(function, x, y), kind)
    if kind == 3:
        left = left & 0xFFFFFFFF
        right = right & 0xFFFFFFFF
    if function >= 12 and function <= 17:
        return compared(left, right, function)
    return integer(integer_op(function, kind, left, right), kind)


def compared(x: Any, y: Any, function: int) -> int:
    """eq ne lt le gt ge as 0 or 1."""
    truth = False
    if function == 12:
        truth = x == y
    elif function == 13:
        truth = x != y
    elif function == 14:
        truth = x < y
    elif function == 15:
        truth = x <= y
    elif function == 16:
        truth = x > y
    else:
        truth = x >= y
    return 1 if truth else 0


def float_op(function: int, x: float, y: float) -> float:
    """Float arithmetic; bitwise functions give 0."""
    if function == 0:
        return x + y
    if function == 1:
        return x - y
    if function == 2:
        return x * y
    if function == 3:
        if y == 0.0:
            if x == 0.0 or x != x:
                return math.nan
            return math.inf * math.copysign(1.0, x) * math.copysign(1.0, y)
        return x / y
    if function == 5:
        return y if y < x or x != x else x
    if function == 6:
        return y if y > x or x != x else x
    if function == 18:
        return -x
    if function == 19:
        return abs(x)
    if function == 21:
        return math.sqrt(x) if x >= 0.0 else math.nan
    return 0.0


def integer_op(function: int, kind: int, x: int, y: int) -> int:
    """Integer arithmetic before it is wrapped."""
    width = 15 if kind < 2 else 31
    if function == 0:
        return x + y
    if function == 1:
        return x - y
    if function == 2:
        # The low bits of an unsigned product: signed factors have the same ones and cannot overflow.
        return wrap32(x) * wrap32(y)
    if function == 3 or function == 4:
        if y == 0:
            return 0
        quotient = abs(x) // abs(y)
        if (x < 0) != (y < 0):
            quotient = -quotient
        return quotient if function == 3 else x - quotient * y
    if function == 5:
        return y if y < x else x
    if function == 6:
        return y if y > x else x
    if function == 7:
        return x & y
    if function == 8:
        return x | y
    if function == 9:
        return x ^ y
    if function == 10:
        return wrap32(x) << (y & width)
    if function == 11:
        return x >> (y & width)
    if function == 18:
        return -x
    if function == 19:
        return abs(x)
    if function == 20:
        return ~x
    return 0


def vector_op(S: Any, F: Any, function: int, a: int, b: int, c: int) -> int:
    """One element of a vector op: src0, src1, scalar, by `image.VECTOR_FUNCTIONS`' number."""
    if function == 3:
        return single_bits(S, F, single(S, F, a) + single(S, F, b))
    if function == 0:
        return single_bits(S, F, single(S, F, a) + single(S, F, b) * single(S, F, c))
    if function == 16 or function == 15 or function == 13 or function == 14:
        return a
    if function == 1:
        return half_bits(half(S, F, a) + half(S, F, b) * half(S, F, c))
    if function == 2:
        return single_bits(S, F, single(S, F, a) + half(S, F, b) * half(S, F, c))
    if function == 4:
        return half_bits(half(S, F, a) + half(S, F, b))
    if function == 5:
        return single_bits(S, F, single(S, F, a) - single(S, F, b))
    if function == 6:
        return half_bits(half(S, F, a) - half(S, F, b))
    if function == 7:
        return single_bits(S, F, single(S, F, a) * single(S, F, b))
    if function == 8:
        return half_bits(half(S, F, a) * half(S, F, b))
    if function == 9:
        return single_bits(S, F, float_op(6, single(S, F, a), single(S, F, b)))
    if function == 10:
        return half_bits(float_op(6, half(S, F, a), half(S, F, b)))
    if function == 11:
        return a ^ -0x80000000
    if function == 12:
        return (a ^ 0x8000) & 0xFFFF
    if function == 17:
        return wrap16(a + b)
    if function == 18:
        return wrap16(a - b)
    if function == 19:
        return half_bits(single(S, F, a))
    if function == 20:
        return single_bits(S, F, half(S, F, a))
    if function == 22:
        return single_bits(S, F, single(S, F, a) + half(S, F, b))
    if function == 23:
        return single_bits(S, F, float_op(5, single(S, F, a), single(S, F, b)))
    if function == 24:
        return half_bits(float_op(5, half(S, F, a), half(S, F, b)))
    if function == 25:
        return a & b
    if function == 26:
        return a | b
    if function == 27:
        return a ^ b
    if function == 28:
        return wrap32(a + b)
    return a
