"""Images of bytes with their zero point around them, which windows read without asking for borders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from xdsl.dialects import llvm
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i8, i32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values, vector_of
from pyflame_rt.backends.native.writing.loops import fields

FIELDS = (
    "@x", "@y", "@zero", "above", "rows", "below", "before", "inside", "after", "x_row",
)  # fmt: skip
"""Rows of filler, of x, and of filler; bytes of filler, of a row of x, and of filler in each of these."""


@dataclass(frozen=True)
class PaddingKernel:
    """Code that copies an image into the middle of a larger one, the rest of which it fills."""

    cpu: str
    size: int
    """Bytes of a register."""

    entry = "integer_padding"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        byte = b.load(given["zero"], i8, 1)
        fill = partial(self._fill, b, byte, self._spread(b, byte))
        width = b.plus(b.plus(given["before"], given["inside"]), given["after"])

        def row(places: tuple[SSAValue, ...]) -> Values:
            x, y = places
            y = fill(y, given["before"])
            self._copy(b, x, y, given["inside"])
            y = fill(b.at(y, given["inside"]), given["after"])
            return [b.at(x, given["x_row"]), y]

        y = fill(given["y"], b.times(width, given["above"]))
        _, y = b.loop(given["rows"], [given["x"], y], row)
        fill(y, b.times(width, given["below"]))
        return ModuleOp([b.finish()])

    def _spread(self, b: Builder, byte: SSAValue) -> SSAValue:
        kind = vector_of(self.size, i8)
        first = b.add(llvm.InsertElementOp, (b.poison(kind), byte, b.integer(0, i32)), kind, {})
        places = {"mask": DenseArrayBase.from_list(i32, [0] * self.size)}
        return b.add(llvm.ShuffleVectorOp, (first, first), kind, places)

    def _fill(
        self, b: Builder, byte: SSAValue, many: SSAValue, y: SSAValue, count: SSAValue
    ) -> SSAValue:
        """Put the filler down so many times; what comes after it."""
        found = self._by_size(b, count, (y,), lambda _, size: many if size > 1 else byte)
        return found[0]

    def _copy(self, b: Builder, x: SSAValue, y: SSAValue, count: SSAValue) -> None:
        def read(places: Values, size: int) -> SSAValue:
            return b.load(places[1], vector_of(size, i8) if size > 1 else i8, 1)

        self._by_size(b, count, (y, x), read)

    def _by_size(
        self, b: Builder, count: SSAValue, places: Values, value: Callable[[Values, int], SSAValue]
    ) -> Values:
        """Registers, then single bytes."""
        v = Integers(b, self.size // 4, "single")

        def some(size: int, here: tuple[SSAValue, ...]) -> Values:
            v.put(value(here, size), here[0], None, 1)
            return [b.at(place, size) for place in here]

        bits = self.size.bit_length() - 1
        here = b.loop(b.shifted(count, bits), places, partial(some, self.size))
        return b.loop(b.masked(count, self.size - 1), here, partial(some, 1))
