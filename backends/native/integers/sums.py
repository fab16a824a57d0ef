"""Sums of two tensors of bytes that stand for reals, as bytes again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.products import limits_of, on_lines
from pyflame_rt.backends.native.integers.quotients import CORRECTED, DIVIDED, TRIED, SumCode
from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.processors import instructions
from pyflame_rt.backends.native.steps import Call, Place, Step
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import fields
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule

FIELDS = ("@a", "@b", "@y", "@numbers", "count")
"""Bytes, and what `numbers` of a sum returns."""

_WIDE = 2
"""Registers of a vector."""

_SAFE = 2.0**40
"""Scales up to it, and down to its inverse, are far from where f32 end."""
_MOST = 2.0**20
"""Of a quotient."""
_A_BYTE = 0.03
"""Nanoseconds."""
_LINE = 64


@dataclass(frozen=True)
class Quantization:
    """What bytes stand for: (q - zero point) * scale."""

    scale: float
    zero_point: int
    signed: bool

    @staticmethod
    def of(scale: Array, zero_point: Array) -> Quantization:
        """That of a scale and a zero point of one element."""
        zero = zero_point.reshape(())
        return Quantization(float(scale.reshape(())), int(zero), zero.dtype == np.int8)

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest byte."""
        return (-128, 127) if self.signed else (0, 255)

    @property
    def centered(self) -> tuple[float, float]:
        """The limits less the zero point."""
        low, high = self.limits
        return float(low - self.zero_point), float(high - self.zero_point)

    def reals(self) -> Array:
        """What all bytes stand for."""
        low, high = self.centered
        return np.arange(low, high + 1, dtype=np.float32) * np.float32(self.scale)

    @property
    def read_zero(self) -> int:
        """The zero point among bytes that are read as unsigned ones."""
        return self.zero_point + (128 if self.signed else 0)


@dataclass(frozen=True)
class Sum:
    """y = (a + b) / scale, all bytes that stand for reals."""

    a: Quantization
    b: Quantization
    y: Quantization

    @cached_property
    def quotients(self) -> tuple[str, float]:
        """How sums are divided, and the inverse of the scale of y for it."""
        divisor = np.float32(self.y.scale)
        if not self._is_tame:
            return DIVIDED, 0.0
        inverse, sums, limits = np.float32(1) / divisor, self._sums(), self.y.centered
        expected = np.rint(np.clip(sums / divisor, *limits))
        for bound in (inverse, np.inf, 0):
            tried = np.nextafter(inverse, np.float32(bound))
            if np.array_equal(np.rint(np.clip(sums * tried, *limits)), expected):
                return TRIED, float(tried)
        return CORRECTED, float(inverse)

    @property
    def _is_tame(self) -> bool:
        """Whether nothing is infinite or subnormal on the way to a quotient."""
        scales = [part.scale for part in (self.a, self.b, self.y)]
        largest = 255 * (self.a.scale + self.b.scale) / max(self.y.scale, 1 / _SAFE)
        return all(1 / _SAFE < scale < _SAFE for scale in scales) and largest < _MOST

    def _sums(self) -> Array:
        """All of them, in f32."""
        left, right = (part.reals() for part in (self.a, self.b))
        return left[:, None] + right

    def numbers(self) -> Array:
        """What `integer_quotients` reads: zero points, scales, the inverse of the last, limits."""
        found = on_lines((16,), np.int32)
        found[0], found[1] = self.a.read_zero, self.b.read_zero
        floats = found.view(np.float32)
        floats[2:6] = self.a.scale, self.b.scale, self.y.scale, self.quotients[1]
        found[6:10] = limits_of(*self.y.limits, self.y.zero_point)
        return found


@dataclass(frozen=True)
class SumKernel:
    """Code of sums, of a sign each, that divides in a certain way."""

    cpu: str
    lanes: int
    signed: tuple[bool, bool]
    how: str
    fused: bool

    entry = "integer_sum"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        v = Integers(b, _WIDE * self.lanes, "single")
        code = SumCode(b, v, given["numbers"], self.how)

        def some(places: tuple[SSAValue, ...], mask: SSAValue | None = None) -> Values:
            *sources, y = places
            values = [
                v.load_bytes(place, mask, signed=signed)
                for place, signed in zip(sources, self.signed, strict=True)
            ]
            v.put(code.of_bytes(*values), y, mask, 1)
            return [b.at(place, v.lanes) for place in places]

        bits, start = v.lanes.bit_length() - 1, [given[name] for name in ("a", "b", "y")]
        end = b.loop(b.shifted(given["count"], bits), start, some)
        rest = b.masked(given["count"], v.lanes - 1)

        def last() -> Values:
            some(end, b.lanes_below(rest, v.lanes))
            return ()

        b.when(b.compare("sgt", rest, 0), last, ())
        return ModuleOp([b.finish()])


def has_fma(cpu: str) -> bool:
    """Whether code of a kind multiplies and adds at once."""
    kind = instructions(processors.of_floats(cpu))
    return kind is not None and kind.has_fma


def sum_step(schedule: IntegerSchedule, what: Sum, places: tuple[Place, ...], count: int) -> Step:
    """The step of bytes a, b and y, so many, in shares of whole cache lines."""
    cpu = schedule.cpu
    signed = what.a.signed, what.b.signed
    kernel = SumKernel(cpu, schedule.lanes, signed, what.quotients[0], has_fma(cpu))
    loaded, numbers = processors.loaded(kernel), what.numbers()
    lines = -(-count // _LINE)
    shares = max(1, min(schedule.shares, lines))
    bounds = [min(count, lines * k // shares * _LINE) for k in range(shares + 1)]
    calls = [
        (
            Call(
                loaded,
                (
                    *(Place(p.operand, p.offset + first) for p in places),
                    numbers.ctypes.data, last - first,
                ),
                (numbers,),
            ),
        )
        for first, last in pairwise(bounds)
    ]  # fmt: skip
    return Step(tuple(calls), count * _A_BYTE)


def is_finite(what: Sum) -> bool:
    """Whether scales are numbers, not 0."""
    return all(math.isfinite(part.scale) and part.scale for part in (what.a, what.b, what.y))
