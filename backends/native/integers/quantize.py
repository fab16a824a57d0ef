"""Floats made bytes: by a scale and zero point that are given, or by the range of the floats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from xdsl.dialects import llvm
from xdsl.dialects.builtin import ModuleOp, f32, i8, i32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.vectors import (
    MAGIC_BITS,
    NARROWS,
    WRAPS,
    Integers,
    Limits,
)
from pyflame_rt.backends.native.steps import Call, Number, Place, Step
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import fields, vectors
from pyflame_rt.dialects.plan.integer_schedules import INTEGER_SCHEDULES

FIELDS = ("@x", "@y", "@scale", "@zero", "count")
"""Of f32 x, bytes y, an f32 scale and the byte of a zero point, which a dynamic kernel writes."""

SHARED = (*FIELDS, "@ranges", "parts")
"""Of a part of x, the ranges of all of whose parts are known."""

_MANY = 1 << 15
"""Elements of a share, at the least."""

_MEASURED, _QUANTIZED = 0.05, 0.12
"""Nanoseconds an element, about."""

_WIDE = 4
"""Registers of a vector."""


@dataclass(frozen=True)
class QuantizeKernel:
    """Code of y = x / scale, rounded to even, plus the zero point, in the limits of its type.

    A `dynamic` kernel makes the scale and zero point first, of the range of x and 0, as
    `dynamic_quantize_linear` has them: all of its arithmetic is that of f32, and NaN has no part in it.
    """

    cpu: str
    lanes: int
    dynamic: bool
    signed: bool
    shared: bool = False
    """Whether ranges of the parts of x were measured by `RangeKernel`."""

    entry = "integer_quantize"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], SHARED if self.shared else FIELDS)
        v = Integers(b, _WIDE * self.lanes, "single")
        if self.dynamic:
            find = range_of_parts if self.shared else range_of
            scale, zero = self._measured(b, v, given, *find(b, v, given))
        else:
            scale = b.load(given["scale"], f32, 4)
            zero = v.byte(given["zero"], signed=self.signed)
            if self.signed:
                zero = b.add(llvm.SubOp, (zero, b.integer(128, i32)), i32, WRAPS)
        self._divide(b, v, given, v.spread_number(scale), self._limits(b, v, zero))
        return ModuleOp([b.finish()])

    def _limits(self, b: Builder, v: Integers, zero: SSAValue) -> Limits:
        low, high = (-128.0, 127.0) if self.signed else (0.0, 255.0)
        shift = b.add(llvm.SIToFPOp, (zero,), f32, {})
        bounds = (b.subtract(b.float(bound), shift) for bound in (low, high))
        bits = b.add(llvm.SubOp, (zero, b.integer(MAGIC_BITS, i32)), i32, WRAPS)
        return Limits(*(v.spread_number(value) for value in (*bounds, bits)))

    def _measured(
        self, b: Builder, v: Integers, given: dict[str, SSAValue], low: SSAValue, high: SSAValue
    ) -> tuple[SSAValue, SSAValue]:
        """The scale and zero point of the range of x, which are written as well."""
        ratio = b.divide(b.subtract(high, low), b.float(255.0))
        is_point = b.compare_floats("oeq", low, high)
        scale = b.choose(is_point, b.float(1.0), ratio)
        shift = b.divide(b.subtract(b.float(0.0), low), scale)
        for how, bound in (("ogt", 0.0), ("olt", 255.0)):
            limit = b.float(bound)
            shift = b.choose(b.compare_floats(how, shift, limit), shift, limit)
        bits = b.cast(b.add_floats(shift, b.cast(b.integer(MAGIC_BITS, i32), f32)), i32)
        zero = b.add(llvm.SubOp, (bits, b.integer(MAGIC_BITS, i32)), i32, WRAPS)
        v.put(scale, given["scale"], None, 4)
        v.put(b.add(llvm.TruncOp, (zero,), i8, NARROWS), given["zero"], None, 1)
        return scale, zero

    def _divide(
        self, b: Builder, v: Integers, given: dict[str, SSAValue], scale: SSAValue, limits: Limits
    ) -> None:
        def put(x: SSAValue, y: SSAValue, mask: SSAValue | None) -> None:
            value = b.divide(b.load_vector(x, v.lanes, mask), scale)
            v.put(v.narrow(v.rounded(value, limits)), y, mask, 1)

        _over_both(b, v, given, put)


def range_of(b: Builder, v: Integers, given: Mapping[str, SSAValue]) -> tuple[SSAValue, SSAValue]:
    """The least and the greatest of `count` elements of x, and 0."""

    def widen(places: Values, mask: SSAValue | None, found: Values) -> Values:
        x = b.load_vector(places[0], v.lanes, mask)
        return [v.at_most(x, found[0]), v.at_least(x, found[1])]

    none = b.splat(0.0, v.lanes)
    lows, highs = vectors(b, given["count"], v.lanes, [given["x"]], widen, [none, none])
    name = f"llvm.vector.reduce.fminimum.v{v.lanes}f32"
    return b.call(name, (lows,), f32), b.largest_lane(highs)


def range_of_parts(
    b: Builder, v: Integers, given: Mapping[str, SSAValue]
) -> tuple[SSAValue, SSAValue]:
    """The least of the first of several pairs, and the greatest of the others."""

    def widen(values: Values) -> Values:
        place, low, high = values
        one, other = b.load(place, f32, 4), b.load(b.at(place, 4), f32, 4)
        low = b.choose(b.compare_floats("olt", one, low), one, low)
        high = b.choose(b.compare_floats("ogt", other, high), other, high)
        return [b.at(place, 8), low, high]

    zero = b.float(0.0)
    _, low, high = b.loop(given["parts"], [given["ranges"], zero, zero], widen)
    return low, high


@dataclass(frozen=True)
class RangeKernel:
    """Code that writes the range of x and 0: the least element and the greatest, where y would be."""

    cpu: str
    lanes: int

    entry = "integer_range"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        v = Integers(b, _WIDE * self.lanes, "single")
        low, high = range_of(b, v, given)
        v.put(low, given["y"], None, 4)
        v.put(high, b.at(given["y"], 4), None, 4)
        return ModuleOp([b.finish()])


@dataclass(frozen=True)
class DequantizeKernel:
    """Code of x = (y - the zero point) * scale, of the record of `QuantizeKernel`."""

    cpu: str
    lanes: int
    signed: bool

    entry = "integer_dequantize"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        v = Integers(b, _WIDE * self.lanes, "single")
        zero = v.spread_number(v.byte(given["zero"], signed=self.signed))
        scale = v.spread_number(b.load(given["scale"], f32, 4))

        def put(x: SSAValue, y: SSAValue, mask: SSAValue | None) -> None:
            whole = v.minus(v.load_bytes(y, mask, signed=self.signed), zero)
            v.put(b.multiply(v.to_floats(whole), scale), x, mask, 4)

        _over_both(b, v, given, put)
        return ModuleOp([b.finish()])


def _over_both(
    b: Builder,
    v: Integers,
    given: dict[str, SSAValue],
    put: Callable[[SSAValue, SSAValue, SSAValue | None], None],
) -> None:
    """`put` of the places of f32 and bytes, by vectors, and with a mask for the rest."""

    def turn(places: tuple[SSAValue, ...]) -> Values:
        x, y = places
        put(x, y, None)
        return [b.at(x, 4 * v.lanes), b.at(y, v.lanes)]

    bits, start = v.lanes.bit_length() - 1, [given["x"], given["y"]]
    x, y = b.loop(b.shifted(given["count"], bits), start, turn)
    rest = b.masked(given["count"], v.lanes - 1)

    def last() -> Values:
        put(x, y, b.lanes_below(rest, v.lanes))
        return ()

    b.when(b.compare("sgt", rest, 0), last, ())


def dequantize_call(
    cpu: str, x: Number, y: Number, scale: Number, zero: Number, count: int, *, signed: bool
) -> Call:
    """The f32 x that so many bytes y stand for."""
    kernel = DequantizeKernel(cpu, INTEGER_SCHEDULES[cpu].lanes, signed)
    return Call(processors.loaded(kernel), (x, y, scale, zero, count))


def quantize_call(
    cpu: str, x: Number, y: Number, scale: Number, zero: Number, count: int, *,
    dynamic: bool = False, signed: bool = False,
) -> Call:  # fmt: skip
    """The quantization of so many f32; a `dynamic` one, to uint8, writes the scale and zero point."""
    kernel = QuantizeKernel(cpu, INTEGER_SCHEDULES[cpu].lanes, dynamic, signed)
    return Call(processors.loaded(kernel), (x, y, scale, zero, count))


def stretches(count: int, shares: int) -> list[tuple[int, int]]:
    """Where each of several parts of so many elements begins, and how many it has: few of few."""
    parts = max(1, min(shares, count // _MANY))
    bounds = [count * k // parts for k in range(parts + 1)]
    return [(start, stop - start) for start, stop in pairwise(bounds)]


def steps_of(
    cpu: str, places: Sequence[Place], count: int, shares: int, how: str, *, signed: bool
) -> tuple[Step, ...]:
    """Between so many f32 and bytes at places, by a scale and zero point at others: "given", "dynamic",
    or "back"."""
    x, y, scale, zero = places
    if how == "dynamic":
        return dynamic_steps(cpu, x, y, scale, zero, count, shares)
    make = dequantize_call if how == "back" else quantize_call
    calls = [
        make(
            cpu, Place(x.operand, x.offset + 4 * start), Place(y.operand, y.offset + start),
            scale, zero, size, signed=signed,
        )
        for start, size in stretches(count, shares)
    ]  # fmt: skip
    return (Step(tuple((call,) for call in calls), count * _QUANTIZED),)


def dynamic_steps(
    cpu: str, x: Place, y: Place, scale: Place, zero: Place, count: int, shares: int
) -> tuple[Step, ...]:
    """The quantization of so many f32 by their own range: many of them in parts, each of which is
    measured before any is quantized."""
    found = stretches(count, shares)
    if len(found) < 2:
        return (Step.of(quantize_call(cpu, x, y, scale, zero, count, dynamic=True)),)
    lanes = INTEGER_SCHEDULES[cpu].lanes
    ranges, unused = np.zeros((len(found), 2), np.float32), np.zeros(2, np.float32)
    measure = processors.loaded(RangeKernel(cpu, lanes))
    quantize = processors.loaded(QuantizeKernel(cpu, lanes, True, False, shared=True))
    measuring: list[tuple[Call]] = []
    quantizing: list[tuple[Call]] = []
    for k, (start, size) in enumerate(found):
        part = Place(x.operand, x.offset + 4 * start)
        record = (part, ranges[k].ctypes.data, 0, 0, size)
        measuring.append((Call(measure, record, (ranges,)),))
        # One of the parts says what all of them found.
        told = (unused.ctypes.data, unused.ctypes.data + 4) if k else (scale, zero)
        into = Place(y.operand, y.offset + start)
        record = (part, into, *told, size, ranges.ctypes.data, len(found))
        quantizing.append((Call(quantize, record, (ranges, unused)),))
    return Step(tuple(measuring), count * _MEASURED), Step(tuple(quantizing), count * _QUANTIZED)
