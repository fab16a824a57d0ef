"""Floats of 32 bits made floats of 16, and the other way, along rows; and zeros of 16 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, i16, i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.processors import instructions
from pyflame_rt.backends.native.steps import Call, Number
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values, vector_of
from pyflame_rt.backends.native.writing.half_floats import HalfFloats
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over

FIELDS = ("@source", "@target", "count", "n0", "s0", "t0", "n1", "s1", "t1")
"""Addresses, elements of a row, and how many rows there are along two axes, with the ways in source and
target; bytes. Without a source (0) zeros are written."""

_SIZES = {"f32": 4, "f16": 2, "bf16": 2}


@dataclass(frozen=True)
class CastKernel:
    """Code that makes elements of one type of such of another; one of both is "f32"."""

    cpu: str
    lanes: int
    source: str
    target: str
    converts: bool
    """Whether the processor converts f16."""

    entry = "cast"

    @staticmethod
    def of(cpu: str, lanes: int, source: str, target: str) -> CastKernel:
        """That for a kind of processor."""
        kind = instructions(cpu)
        return CastKernel(cpu, lanes, source, target, kind is not None and kind.has_fma)

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        is_zero = b.compare("eq", b.load(b.arguments[0], i64, 8), 0)

        def rows(*, zeros: bool) -> Values:
            def outer(places: Pointers) -> None:
                def inner(places: Pointers) -> None:
                    self._row(b, given["count"], places, zeros=zeros)

                over(b, given["n1"], places, [given["s1"], given["t1"]], inner)

            start = [given["source"], given["target"]]
            over(b, given["n0"], start, [given["s0"], given["t0"]], outer)
            return ()

        b.either(is_zero, lambda: rows(zeros=True), lambda: rows(zeros=False))
        return ModuleOp([b.finish()])

    def _row(self, b: Builder, count: SSAValue, places: Pointers, *, zeros: bool) -> None:
        def some(lanes: int, places: Pointers) -> Values:
            self._some(b, lanes, places, zeros=zeros)
            sizes = (_SIZES[self.source], _SIZES[self.target])
            return [b.at(p, lanes * size) for p, size in zip(places, sizes, strict=True)]

        bits = self.lanes.bit_length() - 1
        places = b.loop(b.shifted(count, bits), places, lambda at: some(self.lanes, at))
        b.loop(b.masked(count, self.lanes - 1), places, lambda at: some(1, at))

    def _some(self, b: Builder, lanes: int, places: Pointers, *, zeros: bool) -> None:
        source, target = places
        halves = HalfFloats(b, lanes, converts=self.converts)
        narrow = vector_of(lanes, i16)
        if zeros:
            value = b.add_zeros(vector_of(lanes) if self.target == "f32" else narrow)
        elif self.source == "f32":
            value = halves.rounded(self.target, b.load(source, vector_of(lanes), 4))
        else:
            value = halves.widened(self.source, b.load(source, narrow, 2))
        b.store(value, target, alignment=_SIZES[self.target])


def cast_call(
    kernel: CastKernel,
    source: Number,
    target: Number,
    count: int,
    rows: Sequence[tuple[int, int, int]],
    held: tuple[object, ...] = (),
) -> Call:
    """Rows of so many elements; of up to two axes their number, and the ways in source and target."""
    axes = [(1, 0, 0)] * (2 - len(rows)) + list(rows)
    numbers = (source, target, count, *(n for axis in axes for n in axis))
    return Call(kernels.loaded(kernel), numbers, held)
