"""Vectors of f16 and bf16: made of f32, rounded once to the nearest, even ones of two, and widened.

All numbers stay what they are: NaN a NaN, infinities, and those that are less than normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from xdsl.dialects import llvm
from xdsl.dialects.builtin import IntegerAttr, f16, i16, i32
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.backends.native.writing.builder import Builder, vector_of

_NOTHING: Mapping[str, Attribute] = MappingProxyType({})
_WRAPS: Mapping[str, Attribute] = MappingProxyType({"overflowFlags": IntegerAttr(0, i32)})
_NARROWS: Mapping[str, Attribute] = MappingProxyType({"overflowFlags": llvm.OverflowAttr(None)})

_SIGN, _INFINITE, _QUIET = -(1 << 31), 0x7F800000, 0x400000


class HalfFloats:
    """Conversions of vectors of so many lanes; halves are i16."""

    def __init__(self, b: Builder, lanes: int, *, converts: bool) -> None:
        self._b, self._lanes, self._converts = b, lanes, converts
        """Whether the processor converts f16 itself, and not by integers."""

    def widened(self, name: str, halves: SSAValue) -> SSAValue:
        """f16 or bf16, by their name, as f32."""
        b, kind = self._b, vector_of(self._lanes)
        if name == "f16" and self._converts:
            return b.add(llvm.FPExtOp, (b.cast(halves, vector_of(self._lanes, f16)),), kind)
        wide = b.add(llvm.ZExtOp, (halves,), vector_of(self._lanes, i32), _NOTHING)
        if name == "bf16":
            return b.cast(self._shifted(llvm.ShlOp, wide, 16), kind)
        sign = self._shifted(llvm.ShlOp, self._and(wide, 0x8000), 16)
        size = self._shifted(llvm.ShlOp, self._and(wide, 0x7FFF), 13)
        # As f32 the exponent is 112 too small, also of what is less than normal.
        number = b.cast(b.multiply(b.cast(size, kind), b.splat(2.0**112, self._lanes)), size.type)
        special = self._chosen("sge", size, 0x0F800000, self._or(number, _INFINITE), number)
        return b.cast(self._both(special, sign), kind)

    def rounded(self, name: str, value: SSAValue) -> SSAValue:
        """f32 as f16 or bf16, by their name."""
        b, halves = self._b, vector_of(self._lanes, i16)
        if name == "f16" and self._converts:
            narrow = b.add(llvm.FPTruncOp, (value,), vector_of(self._lanes, f16))
            return b.cast(narrow, halves)
        bits = b.cast(value, vector_of(self._lanes, i32))
        found = self._bfloat(bits) if name == "bf16" else self._float16(bits)
        return b.add(llvm.TruncOp, (found,), halves, _NARROWS)

    def _bfloat(self, bits: SSAValue) -> SSAValue:
        size = self._and(bits, 0x7FFFFFFF)
        odd = self._and(self._shifted(llvm.LShrOp, bits, 16), 1)
        nearest = self._plus(self._plus(bits, odd), 0x7FFF)
        found = self._chosen("sgt", size, _INFINITE, self._or(bits, _QUIET), nearest)
        return self._shifted(llvm.LShrOp, found, 16)

    def _float16(self, bits: SSAValue) -> SSAValue:
        b, kind = self._b, vector_of(self._lanes)
        size = self._and(bits, 0x7FFFFFFF)
        odd = self._and(self._shifted(llvm.LShrOp, size, 13), 1)
        # The exponent of f16 is smaller by 112; what is carried out of the fraction goes into it.
        nearest = self._plus(self._plus(size, odd), 0xFFF - (112 << 23))
        normal = self._shifted(llvm.LShrOp, nearest, 13)
        # Added to 0.5, what is less than normal is rounded to multiples of the least number.
        half = b.add_floats(b.cast(size, kind), b.splat(0.5, self._lanes))
        small = self._plus(b.cast(half, size.type), -0x3F000000)
        found = self._chosen("slt", size, 113 << 23, small, normal)
        found = self._chosen("sge", size, 0x47800000, self._splat(0x7C00), found)
        nan = self._or(self._and(self._shifted(llvm.LShrOp, size, 13), 0x3FF), 0x7E00)
        found = self._chosen("sgt", size, _INFINITE, nan, found)
        sign = self._shifted(llvm.LShrOp, self._and(bits, _SIGN), 16)
        return self._both(found, sign)

    def _chosen(
        self, how: str, a: SSAValue, bound: int, then: SSAValue, otherwise: SSAValue
    ) -> SSAValue:
        return self._b.choose(self._b.compare_integers(how, a, self._splat(bound)), then, otherwise)

    def _shifted(self, op: Any, value: SSAValue, bits: int) -> SSAValue:
        properties = _WRAPS if op is llvm.ShlOp else _NOTHING
        return self._b.add(op, (value, self._splat(bits)), value.type, properties)

    def _and(self, value: SSAValue, mask: int) -> SSAValue:
        return self._b.bits_of_all(value, self._splat(mask))

    def _or(self, value: SSAValue, bits: int) -> SSAValue:
        return self._both(value, self._splat(bits))

    def _both(self, a: SSAValue, c: SSAValue) -> SSAValue:
        return self._b.bits_of_both(a, c)

    def _plus(self, a: SSAValue, c: SSAValue | int) -> SSAValue:
        c = self._splat(c) if isinstance(c, int) else c
        return self._b.add(llvm.AddOp, (a, c), a.type, _WRAPS)

    def _splat(self, value: int) -> SSAValue:
        return self._b.splat_integer(value, self._lanes)
