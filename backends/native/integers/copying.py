"""Bytes moved: rows of tensors that are put together, few channels that are mixed; and bounded ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from xdsl.dialects import llvm
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i8, i32
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.steps import Call, Number
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values, suffix, vector_of
from pyflame_rt.backends.native.writing.loops import fields, over
from pyflame_rt.backends.runtime import Array

FIELDS = ("@x", "@y", "rows", "width", "x_row", "y_row")
"""Bytes of a row, and the ways from row to row."""

MIX_FIELDS = ("@x", "@y", "columns", "x_row")
"""Rows of x, so many bytes each, become columns of y."""

_SIDE = 16
MOST_MIXED = 4
"""Rows, at the most, whose vectors are mixed."""

Some = Callable[[int, tuple[SSAValue, ...]], None]
"""What is done with so many bytes at addresses."""


def by_size(
    b: Builder, count: SSAValue, largest: int, places: Values, some: Some
) -> tuple[SSAValue, ...]:
    """`some` of registers, of shorter vectors, and of single bytes at last; where all of it ends."""
    sizes = [size for size in (largest, 16, 4, 1) if size <= largest]
    found, left = tuple(places), count
    for size in dict.fromkeys(sizes):

        def turn(here: tuple[SSAValue, ...], size: int = size) -> Values:
            some(size, here)
            return [b.at(place, size) for place in here]

        bits = size.bit_length() - 1
        found = b.loop(b.shifted(left, bits), found, turn)
        left = b.masked(left, size - 1)
    return found


def kind_of(size: int) -> Attribute:
    """The type of so many bytes."""
    return vector_of(size, i8) if size > 1 else i8


@dataclass(frozen=True)
class ByteCopyKernel:
    """Code that copies rows of bytes."""

    cpu: str
    size: int
    """Bytes of a register."""

    entry = "integer_copy"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        v = Integers(b, self.size // 4, "single")

        def some(size: int, here: tuple[SSAValue, ...]) -> None:
            x, y = here
            v.put(b.load(x, kind_of(size), 1), y, None, 1)

        def row(places: tuple[SSAValue, ...]) -> None:
            by_size(b, given["width"], self.size, places, some)

        ways = [given["x_row"], given["y_row"]]
        over(b, given["rows"], [given["x"], given["y"]], ways, row)
        return ModuleOp([b.finish()])


@dataclass(frozen=True)
class MixingKernel:
    """Code of y[j][i] = x[i][j] for few i: neighbouring bytes of y come from as many rows."""

    cpu: str
    rows: int

    entry = "integer_mixing"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], MIX_FIELDS)
        v, rows = Integers(b, 4, "single"), self.rows

        def some(size: int, here: tuple[SSAValue, ...]) -> Values:
            x, y = here
            found = [
                b.load(b.at(x, b.times(given["x_row"], k)) if k else x, kind_of(size), 1)
                for k in range(rows)
            ]
            parts = found if size == 1 else _mixed(b, found)
            for k, part in enumerate(parts):
                v.put(part, b.at(y, k * size), None, 1)
            return [b.at(x, size), b.at(y, rows * size)]

        start = [given["x"], given["y"]]
        bits = _SIDE.bit_length() - 1
        end = b.loop(b.shifted(given["columns"], bits), start, partial(some, _SIDE))
        b.loop(b.masked(given["columns"], _SIDE - 1), end, partial(some, 1))
        return ModuleOp([b.finish()])


BOUND_FIELDS = ("@x", "@y", "@bounds", "count")
"""Bytes, and the least and the greatest that is put down."""


@dataclass(frozen=True)
class BoundingKernel:
    """Code of y = x between two bytes."""

    cpu: str
    size: int
    """Bytes of a register."""
    signed: bool

    entry = "integer_bounding"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], BOUND_FIELDS)
        v, kind = Integers(b, self.size // 4, "single"), "s" if self.signed else "u"
        low, high = (b.load(b.at(given["bounds"], k), i8, 1) for k in range(2))

        def some(size: int, here: tuple[SSAValue, ...]) -> None:
            x, y = here
            value = b.load(x, kind_of(size), 1)
            for name, bound in (("max", low), ("min", high)):
                wide = bound if size == 1 else _spread(b, bound, size)
                value = b.call(f"llvm.{kind}{name}.{suffix(value)}", (value, wide), value.type)
            v.put(value, y, None, 1)

        by_size(b, given["count"], self.size, [given["x"], given["y"]], some)
        return ModuleOp([b.finish()])


def _spread(b: Builder, byte: SSAValue, size: int) -> SSAValue:
    kind = vector_of(size, i8)
    first = b.add(llvm.InsertElementOp, (b.poison(kind), byte, b.integer(0, i32)), kind, {})
    places = {"mask": DenseArrayBase.from_list(i32, [0] * size)}
    return b.add(llvm.ShuffleVectorOp, (first, first), kind, places)


def bounding_call(cpu: str, lanes: int, x: Number, y: Number, bounds: Array, count: int) -> Call:
    """Bytes, so many, between two of their type."""
    kernel = BoundingKernel(cpu, 4 * lanes, bounds.dtype == np.int8)
    numbers = (x, y, bounds.ctypes.data, count)
    return Call(processors.loaded(kernel), numbers, (bounds,))


def _mixed(b: Builder, rows: Sequence[SSAValue]) -> list[SSAValue]:
    """Vectors of the elements of all rows in turn."""
    count = len(rows)
    found: list[SSAValue] = []
    for part in range(count):
        # Of the result's elements, which element of which row each is.
        wanted = [divmod(part * _SIDE + k, count)[::-1] for k in range(_SIDE)]
        made = rows[0]
        for row in range(1, count):
            # What earlier rows had is in its place already after the first time.
            places = [
                _SIDE + column if owner == row else k if row > 1 or owner != 0 else column
                for k, (owner, column) in enumerate(wanted)
            ]
            made = _shuffled(b, made, rows[row], places)
        found.append(made)
    return found


def _shuffled(b: Builder, left: SSAValue, right: SSAValue, places: Sequence[int]) -> SSAValue:
    mask = {"mask": DenseArrayBase.from_list(i32, places)}
    return b.add(llvm.ShuffleVectorOp, (left, right), vector_of(_SIDE, i8), mask)


def copying_call(
    cpu: str, lanes: int, x: Number, y: Number, rows: int, width: int, ways: tuple[int, int]
) -> Call:
    """The copy of rows of so many bytes."""
    kernel = processors.loaded(ByteCopyKernel(cpu, 4 * lanes))
    return Call(kernel, (x, y, rows, width, *ways))


def mixing_call(cpu: str, x: Number, y: Number, rows: int, columns: int) -> Call:
    """A matrix of few rows turned."""
    kernel = processors.loaded(MixingKernel(cpu, rows))
    return Call(kernel, (x, y, columns, columns))
