"""Vectors of integers: loading bytes, products of them, rounding and narrowing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    DenseArrayBase,
    IntegerAttr,
    f32,
    i8,
    i16,
    i32,
    i64,
)
from xdsl.dialects.utils.fast_math import FastMathFlag
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.backends.native.writing.builder import Builder, suffix, vector_of

_NOTHING: Mapping[str, Attribute] = MappingProxyType({})
WRAPS: Mapping[str, Attribute] = MappingProxyType({"overflowFlags": IntegerAttr(0, i32)})
"""Of ops on integers whose results may not fit."""
NARROWS: Mapping[str, Attribute] = MappingProxyType({"overflowFlags": llvm.OverflowAttr(None)})
"""Of those that keep the low bits."""

_PAIRS = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd"}
_PAIRS[16] = "llvm.x86.avx512.pmaddw.d.512"
_BYTES = {8: "llvm.x86.avx512.vpdpbusd.256", 16: "llvm.x86.avx512.vpdpbusd.512"}

MAGIC_BITS = 0x4B400000
"""Those of 1.5 * 2^23: added to a small f32, it leaves the nearest integer, the even one of two, in the
low bits."""


class Integers:
    """Arithmetic on vectors of so many i32, and of f32 on the way to them."""

    def __init__(self, b: Builder, lanes: int, dot: str) -> None:
        self._b, self.lanes, self._dot = b, lanes, dot

    # Memory.

    def load(self, pointer: SSAValue) -> SSAValue:
        """i32 from an address."""
        return self._b.load(pointer, vector_of(self.lanes, i32), 4)

    def load_bytes(self, pointer: SSAValue, mask: SSAValue | None, *, signed: bool) -> SSAValue:
        """Bytes as i32, signed ones 128 more than they are; nothing is read where a mask says no."""
        b, kind = self._b, vector_of(self.lanes, i8)
        if mask is None:
            found = b.load(pointer, kind, 1)
        else:
            none = b.cast(b.splat_integer(0, self.lanes // 4), kind)
            given = (pointer, b.integer(1, i32), mask, none)
            found = b.call(f"llvm.masked.load.v{self.lanes}i8.p0", given, kind)
        wide = b.add(llvm.ZExtOp, (found,), vector_of(self.lanes, i32), _NOTHING)
        return b.add(llvm.XOrOp, (wide, self._splat(128)), wide.type, _NOTHING) if signed else wide

    def spread(self, pointer: SSAValue) -> SSAValue:
        """Four bytes in each lane."""
        return self.spread_number(self._b.load(pointer, i32, 1))

    def spread_number(self, value: SSAValue) -> SSAValue:
        """An i32 or f32 in each lane."""
        b = self._b
        kind = vector_of(self.lanes, value.type)
        first = b.add(
            llvm.InsertElementOp, (b.poison(kind), value, b.integer(0, i32)), kind, _NOTHING
        )
        places = {"mask": DenseArrayBase.from_list(i32, [0] * self.lanes)}
        return b.add(llvm.ShuffleVectorOp, (first, first), kind, places)

    def byte(self, pointer: SSAValue, *, signed: bool) -> SSAValue:
        """A byte as i32; a signed one 128 more than it is."""
        b = self._b
        wide = b.add(llvm.ZExtOp, (b.load(pointer, i8, 1),), i32, _NOTHING)
        return b.add(llvm.XOrOp, (wide, b.integer(128, i32)), i32, _NOTHING) if signed else wide

    def few_bytes(self, pointer: SSAValue, count: SSAValue) -> SSAValue:
        """One to three bytes in each lane; others are any."""
        b = self._b
        last = b.minus(count, 1)
        total = b.add(llvm.ZExtOp, (b.load(pointer, i8, 1),), i32, _NOTHING)
        for k in (1, 2):
            found = b.load(b.at(pointer, b.smallest(last, k)), i8, 1)
            wide = b.add(llvm.ZExtOp, (found,), i32, _NOTHING)
            moved = b.add(llvm.ShlOp, (wide, b.integer(8 * k, i32)), i32, WRAPS)
            total = b.bits_of_both(total, moved)
        return self.spread_number(total)

    def ones(self, count: SSAValue | None = None) -> SSAValue:
        """A one in each byte, or in so many of the four bytes of a lane."""
        b = self._b
        if count is None:
            return b.splat_integer(0x01010101, self.lanes)
        bits = b.add(llvm.TruncOp, (b.times(count, 8),), i32, NARROWS)
        one = b.add(llvm.ShlOp, (b.integer(1, i32), bits), i32, WRAPS)
        mask = b.add(llvm.SubOp, (one, b.integer(1, i32)), i32, WRAPS)
        return self.spread_number(b.bits_of_all(b.integer(0x01010101, i32), mask))

    def put(self, value: SSAValue, pointer: SSAValue, mask: SSAValue | None, size: int) -> None:
        """Put elements of so many bytes down, all or where the mask says so."""
        b = self._b
        if mask is None:
            properties = {"ordering": IntegerAttr(0, i64), "alignment": IntegerAttr(size, i64)}
            b.do(llvm.StoreOp.create(operands=(value, pointer), properties=properties))
            return
        given = (value, pointer, b.integer(size, i32), mask)
        b.run(f"llvm.masked.store.{suffix(value)}.p0", given)

    # Products.

    def flipped(self, value: SSAValue) -> SSAValue:
        """Signed bytes, 128 more than they are."""
        flip = self._b.splat_integer(-0x7F7F7F80, self.lanes)
        return self._b.add(llvm.XOrOp, (value, flip), value.type, _NOTHING)

    def left(self, value: SSAValue) -> Sequence[SSAValue]:
        """Bytes from 0 to 255 as they are multiplied."""
        if self._dot == "bytes":
            return (value,)
        if self._dot == "pairs":
            wide = self._halves(value)
            low = self._b.bits_of_all(wide, self._splat_halves(0x00FF00FF))
            return low, self._shifted(llvm.LShrOp, wide, self._splat_halves(0x00080008))
        low = self._splat(255)
        moved = [
            self._shifted(llvm.LShrOp, value, self._splat(8 * k)) if k else value for k in range(4)
        ]
        return [self._b.bits_of_all(part, low) for part in moved]

    def right(self, value: SSAValue) -> Sequence[SSAValue]:
        """Bytes from -128 to 127 as they are multiplied."""
        if self._dot == "bytes":
            return (value,)
        if self._dot == "pairs":
            wide, eight = self._halves(value), self._splat_halves(0x00080008)
            moved = self._shifted(llvm.ShlOp, wide, eight)
            return [self._shifted(llvm.AShrOp, part, eight) for part in (moved, wide)]
        return [self._extended(value, 24 - 8 * k) for k in range(4)]

    def dot(self, total: SSAValue, left: Sequence[SSAValue], right: Sequence[SSAValue]) -> SSAValue:
        """total + the four products of each lane."""
        b, kind = self._b, vector_of(self.lanes, i32)
        if self._dot == "bytes":
            return b.call(_BYTES[self.lanes], (total, left[0], right[0]), kind)
        for x, w in zip(left, right, strict=True):
            total = self.plus(total, self._pair(x, w))
        return total

    def multiply_small(self, a: SSAValue, c: SSAValue) -> SSAValue:
        """Products of i32 from 0 to 2^15 with i32 of 16 bits."""
        if self._dot == "single":
            return self.times(a, c)
        # The upper halves of a are zeros: whatever c has there does not count.
        return self._pair(self._halves(a), self._halves(c))

    def _pair(self, x: SSAValue, w: SSAValue) -> SSAValue:
        if self._dot == "single":
            return self.times(x, w)
        return self._b.call(_PAIRS[self.lanes], (x, w), vector_of(self.lanes, i32))

    def plus(self, a: SSAValue, c: SSAValue) -> SSAValue:
        """a + c, which wraps."""
        return self._b.add(llvm.AddOp, (a, c), a.type, WRAPS)

    def minus(self, a: SSAValue, c: SSAValue) -> SSAValue:
        """a - c, which wraps."""
        return self._b.add(llvm.SubOp, (a, c), a.type, WRAPS)

    def times(self, a: SSAValue, c: SSAValue) -> SSAValue:
        """a * c, which wraps."""
        return self._b.add(llvm.MulOp, (a, c), a.type, WRAPS)

    def _extended(self, value: SSAValue, bits: int) -> SSAValue:
        """The byte that so many bits are above, with its sign."""
        moved = self._shifted(llvm.ShlOp, value, self._splat(bits)) if bits else value
        return self._shifted(llvm.AShrOp, moved, self._splat(24))

    def _shifted(self, op: Any, value: SSAValue, count: SSAValue) -> SSAValue:
        properties = WRAPS if op is llvm.ShlOp else _NOTHING
        return self._b.add(op, (value, count), value.type, properties)

    def _halves(self, value: SSAValue) -> SSAValue:
        return self._b.cast(value, vector_of(2 * self.lanes, i16))

    def _splat(self, value: int) -> SSAValue:
        return self._b.splat_integer(value, self.lanes)

    def _splat_halves(self, value: int) -> SSAValue:
        return self._halves(self._splat(value))

    # To floats and back.

    def to_floats(self, value: SSAValue) -> SSAValue:
        """The nearest f32."""
        return self._b.add(llvm.SIToFPOp, (value,), vector_of(self.lanes), _NOTHING)

    def at_least(self, value: SSAValue, bound: SSAValue, *, is_number: bool = False) -> SSAValue:
        """The larger of f32; the bound for NaN, which there is none of if it `is_number`."""
        return self._extreme("maxnum", value, bound, is_number)

    def at_most(self, value: SSAValue, bound: SSAValue, *, is_number: bool = False) -> SSAValue:
        """The smaller of f32; the bound for NaN, which there is none of if it `is_number`."""
        return self._extreme("minnum", value, bound, is_number)

    def _extreme(self, name: str, value: SSAValue, bound: SSAValue, is_number: bool) -> SSAValue:
        flags = {"fastmathFlags": llvm.FastMathAttr([FastMathFlag.NO_NANS])}
        given = (value, bound)
        name = f"llvm.{name}.{suffix(value)}"
        if is_number:
            return self._b.call(name, given, value.type, flags)
        return self._b.call(name, given, value.type)

    def rounded(self, value: SSAValue, limits: Limits, *, is_number: bool = False) -> SSAValue:
        """f32 as the nearest integers, even ones of two, in limits; the least one for NaN."""
        b = self._b
        whole = b.add_floats(self._bounded(value, limits, is_number), self._magic())
        return self.plus(b.cast(whole, vector_of(self.lanes, i32)), limits.shift)

    def whole(self, value: SSAValue, limits: Limits) -> SSAValue:
        """f32 that are numbers as the nearest integers, in limits without their shift; f32 too."""
        b, magic = self._b, self._magic()
        return b.subtract(b.add_floats(self._bounded(value, limits, True), magic), magic)

    def _bounded(self, value: SSAValue, limits: Limits, is_number: bool) -> SSAValue:
        """Limits are integers: bounding before rounding is bounding after it."""
        bounded = self.at_least(value, limits.low, is_number=is_number)
        # What is at least a limit is a number.
        return self.at_most(bounded, limits.high, is_number=True)

    def _magic(self) -> SSAValue:
        return self._b.cast(self._splat(MAGIC_BITS), vector_of(self.lanes))

    def narrow(self, value: SSAValue) -> SSAValue:
        """The low bytes."""
        return self._b.add(llvm.TruncOp, (value,), vector_of(self.lanes, i8), NARROWS)

    def limits(self, record: SSAValue) -> Limits:
        """Limits from memory: f32, f32, i32."""
        b = self._b
        kinds = (f32, f32, i32)
        found = [b.load(b.at(record, 4 * k), kind, 4) for k, kind in enumerate(kinds)]
        return Limits(*(self.spread_number(value) for value in found))


class Limits:
    """Of what is rounded: the least and greatest f32, and what makes an integer of the magic sum."""

    def __init__(self, low: SSAValue, high: SSAValue, shift: SSAValue) -> None:
        self.low, self.high, self.shift = low, high, shift
