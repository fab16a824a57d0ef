"""Arithmetic on raw bits, written so that plain Python and numba round alike.

Plain Python sees the buffer through memoryviews (ints and floats of any size come out), numba through
arrays. Every float is widened to 64 bits before it is used and rounded once when it is stored.
"""

from __future__ import annotations

import math
from typing import Any

from pyflame_rt.backends.wse.sim.image import (
    ADD16,
    ADD32,
    ALU_ABS,
    ALU_ADD,
    ALU_AND,
    ALU_DIV,
    ALU_EQ,
    ALU_GE,
    ALU_GT,
    ALU_LE,
    ALU_LT,
    ALU_MAX,
    ALU_MIN,
    ALU_MUL,
    ALU_NE,
    ALU_NEG,
    ALU_NOT,
    ALU_OR,
    ALU_REM,
    ALU_SHL,
    ALU_SHR,
    ALU_SQRT,
    ALU_SUB,
    ALU_XOR,
    AND16,
    F16,
    F32,
    FADDH,
    FADDHS,
    FADDS,
    FH2S,
    FMACH,
    FMACHS,
    FMACS,
    FMAXH,
    FMAXS,
    FMINH,
    FMINS,
    FMOVH,
    FMOVS,
    FMULH,
    FMULS,
    FNEGH,
    FNEGS,
    FS2H,
    FSUBH,
    FSUBS,
    I16,
    I32,
    MOV16,
    MOV32,
    OR16,
    SUB16,
    U16,
    U32,
    XOR16,
)  # fmt: skip
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
    if kind == F32:
        return single(S, F, bits)
    if kind == F16:
        return half(S, F, bits)
    if kind == U32:
        return (bits & 0xFFFFFFFF) * 1.0
    return bits * 1.0


def from_float(S: Any, F: Any, value: float, kind: int) -> int:
    """A float as a register of a type; integers truncate and saturate, NaN gives 0."""
    if kind == F32:
        return single_bits(S, F, value)
    if kind == F16:
        return half_bits(value)
    if value != value:
        return 0
    low = -32768.0 if kind == I16 else -2147483648.0 if kind == I32 else 0.0
    high = (
        32767.0
        if kind == I16
        else 65535.0
        if kind == U16
        else 2147483647.0
        if kind == I32
        else 4294967295.0
    )
    if value < low:
        value = low
    if value > high:
        value = high
    return wrap32(int(value))


def integer(value: int, kind: int) -> int:
    """An integer wrapped to a type, as a register keeps it."""
    if kind == I16:
        return wrap16(value)
    if kind == U16:
        return value & 0xFFFF
    return wrap32(value)


def scalar_op(S: Any, F: Any, function: int, kind: int, left: int, right: int) -> int:
    """ALU: the functions of `image.ALU_FUNCTIONS` by number."""
    if kind >= F16:
        x = to_float(S, F, left, kind)
        y = to_float(S, F, right, kind)
        if function >= ALU_EQ and function <= ALU_GE:
            return compared(x, y, function)
        return from_float(S, F, float_op(function, x, y), kind)
    if kind == U32:
        left = left & 0xFFFFFFFF
        right = right & 0xFFFFFFFF
    if function >= ALU_EQ and function <= ALU_GE:
        return compared(left, right, function)
    return integer(integer_op(function, kind, left, right), kind)


def compared(x: Any, y: Any, function: int) -> int:
    """eq ne lt le gt ge as 0 or 1."""
    truth = False
    if function == ALU_EQ:
        truth = x == y
    elif function == ALU_NE:
        truth = x != y
    elif function == ALU_LT:
        truth = x < y
    elif function == ALU_LE:
        truth = x <= y
    elif function == ALU_GT:
        truth = x > y
    else:
        truth = x >= y
    return 1 if truth else 0


def float_op(function: int, x: float, y: float) -> float:
    """Float arithmetic; bitwise functions give 0."""
    if function == ALU_ADD:
        return x + y
    if function == ALU_SUB:
        return x - y
    if function == ALU_MUL:
        return x * y
    if function == ALU_DIV:
        if y == 0.0:
            if x == 0.0 or x != x:
                return math.nan
            return math.inf * math.copysign(1.0, x) * math.copysign(1.0, y)
        return x / y
    if function == ALU_MIN:
        return y if y < x or x != x else x
    if function == ALU_MAX:
        return y if y > x or x != x else x
    if function == ALU_NEG:
        return -x
    if function == ALU_ABS:
        return abs(x)
    if function == ALU_SQRT:
        return math.sqrt(x) if x >= 0.0 else math.nan
    return 0.0


def integer_op(function: int, kind: int, x: int, y: int) -> int:
    """Integer arithmetic before it is wrapped."""
    width = 15 if kind < I32 else 31
    if function == ALU_ADD:
        return x + y
    if function == ALU_SUB:
        return x - y
    if function == ALU_MUL:
        # The low bits of an unsigned product: signed factors have the same ones and cannot overflow.
        return wrap32(x) * wrap32(y)
    if function == ALU_DIV or function == ALU_REM:
        if y == 0:
            return 0
        quotient = abs(x) // abs(y)
        if (x < 0) != (y < 0):
            quotient = -quotient
        return quotient if function == ALU_DIV else x - quotient * y
    if function == ALU_MIN:
        return y if y < x else x
    if function == ALU_MAX:
        return y if y > x else x
    if function == ALU_AND:
        return x & y
    if function == ALU_OR:
        return x | y
    if function == ALU_XOR:
        return x ^ y
    if function == ALU_SHL:
        return wrap32(x) << (y & width)
    if function == ALU_SHR:
        return x >> (y & width)
    if function == ALU_NEG:
        return -x
    if function == ALU_ABS:
        return abs(x)
    if function == ALU_NOT:
        return ~x
    return 0


def vector_op(S: Any, F: Any, function: int, a: int, b: int, c: int) -> int:
    """One element of a vector op: src0, src1, scalar, by `image.VECTOR_FUNCTIONS`' number."""
    if function == FADDS:
        return single_bits(S, F, single(S, F, a) + single(S, F, b))
    if function == FMACS:
        return single_bits(S, F, single(S, F, a) + single(S, F, b) * single(S, F, c))
    if function == MOV32 or function == MOV16 or function == FMOVS or function == FMOVH:
        return a
    if function == FMACH:
        return half_bits(half(S, F, a) + half(S, F, b) * half(S, F, c))
    if function == FMACHS:
        return single_bits(S, F, single(S, F, a) + half(S, F, b) * half(S, F, c))
    if function == FADDH:
        return half_bits(half(S, F, a) + half(S, F, b))
    if function == FSUBS:
        return single_bits(S, F, single(S, F, a) - single(S, F, b))
    if function == FSUBH:
        return half_bits(half(S, F, a) - half(S, F, b))
    if function == FMULS:
        return single_bits(S, F, single(S, F, a) * single(S, F, b))
    if function == FMULH:
        return half_bits(half(S, F, a) * half(S, F, b))
    if function == FMAXS:
        return single_bits(S, F, float_op(ALU_MAX, single(S, F, a), single(S, F, b)))
    if function == FMAXH:
        return half_bits(float_op(ALU_MAX, half(S, F, a), half(S, F, b)))
    if function == FNEGS:
        return a ^ -0x80000000
    if function == FNEGH:
        return (a ^ 0x8000) & 0xFFFF
    if function == ADD16:
        return wrap16(a + b)
    if function == SUB16:
        return wrap16(a - b)
    if function == FS2H:
        return half_bits(single(S, F, a))
    if function == FH2S:
        return single_bits(S, F, half(S, F, a))
    if function == FADDHS:
        return single_bits(S, F, single(S, F, a) + half(S, F, b))
    if function == FMINS:
        return single_bits(S, F, float_op(ALU_MIN, single(S, F, a), single(S, F, b)))
    if function == FMINH:
        return half_bits(float_op(ALU_MIN, half(S, F, a), half(S, F, b)))
    if function == AND16:
        return a & b
    if function == OR16:
        return a | b
    if function == XOR16:
        return a ^ b
    if function == ADD32:
        return wrap32(a + b)
    return a
