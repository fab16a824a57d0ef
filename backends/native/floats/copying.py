"""Copies of up to four axes of f32, and zeros: padded images, transposes, parts of tensors.

Where elements lie side by side along one axis in the source and along another one in the target, squares
of as many rows as a register has lanes are turned in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, f32, i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.steps import Call, Number
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

_AXES = 4

FIELDS = ("@source", "@target", *(f"{what}{axis}" for axis in range(_AXES) for what in "nst"))
"""Addresses, and for each axis its size and the ways in source and target; bytes. Without a source (0)
zeros are written."""


@dataclass(frozen=True)
class CopyKernel:
    """Code that copies, by vectors where elements lie side by side."""

    cpu: str
    lanes: int

    entry = "copy"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        is_zero = b.compare("eq", b.load(b.arguments[0], i64, 8), 0)

        def zeros() -> Values:
            def row(values: Pointers) -> None:
                _Row(self, b, given).zeros(values[0])

            _nest(b, given, [given["target"]], ["t"], row)
            return ()

        def copies() -> Values:
            def row(values: Pointers) -> None:
                _Row(self, b, given).copies(*values)

            _nest(b, given, [given["source"], given["target"]], ["s", "t"], row)
            return ()

        b.either(is_zero, zeros, copies)
        return ModuleOp([b.finish()])


def _nest(
    b: Builder,
    given: dict[str, SSAValue],
    pointers: list[SSAValue],
    ways: list[str],
    body: Callable[[Pointers], None],
    axis: int = 0,
) -> None:
    """`body` of the pointers for each place along all axes but the last."""
    if axis == _AXES - 1:
        body(tuple(pointers))
        return

    def turn(values: Pointers) -> None:
        _nest(b, given, list(values), ways, body, axis + 1)

    over(b, given[f"n{axis}"], pointers, [given[f"{way}{axis}"] for way in ways], turn)


class _Row:
    """The last axis."""

    def __init__(self, kernel: CopyKernel, b: Builder, given: dict[str, SSAValue]) -> None:
        self._b, self._lanes = b, kernel.lanes
        self._count, self._source, self._target = given["n3"], given["s3"], given["t3"]

    def zeros(self, target: SSAValue) -> None:
        b, lanes = self._b, self._lanes

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.splat(0.0, lanes), places[0], mask)
            return ()

        vectors(b, self._count, lanes, [target], some)

    def copies(self, source: SSAValue, target: SSAValue) -> None:
        b, lanes = self._b, self._lanes

        def some(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            b.store(b.load_vector(places[0], lanes, mask), places[1], mask)
            return ()

        def side_by_side() -> Values:
            vectors(b, self._count, lanes, [source, target], some)
            return ()

        def one(places: Pointers) -> None:
            b.store(b.load(places[0], f32, 4), places[1])

        def one_by_one() -> Values:
            over(b, self._count, [source, target], [self._source, self._target], one)
            return ()

        apart = b.bits_of_both(b.minus(self._source, 4), b.minus(self._target, 4))
        b.either(b.compare("eq", apart, 0), side_by_side, one_by_one)


TURNED = (
    "@source", "@target", "n0", "s0", "t0", "n1", "s1", "t1", "rows", "columns", "row", "column",
)  # fmt: skip
"""Addresses; two axes outside, each with its size and the ways in source and target; rows and columns of
the source, the way from row to row in it, and from column to column in the target; bytes."""


@dataclass(frozen=True)
class TransposeKernel:
    """Code that writes columns of the source as rows."""

    cpu: str
    lanes: int

    entry = "transpose"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], TURNED)
        square = Square(b, self.lanes, given["row"], given["column"])

        def inner(places: Pointers) -> None:
            square.all(places[0], places[1], given["rows"], given["columns"])

        def outer(places: Pointers) -> None:
            over(b, given["n1"], places, [given["s1"], given["t1"]], inner)

        places = [given["source"], given["target"]]
        over(b, given["n0"], places, [given["s0"], given["t0"]], outer)
        return ModuleOp([b.finish()])


class Square:
    """As many rows as there are lanes, turned."""

    def __init__(self, b: Builder, lanes: int, row: SSAValue, column: SSAValue) -> None:
        self._b, self._lanes, self._row, self._column = b, lanes, row, column

    def all(self, source: SSAValue, target: SSAValue, rows: SSAValue, columns: SSAValue) -> None:
        """Square after square, down the rows, which are side by side in the target."""
        b, lanes, bits = self._b, self._lanes, self._lanes.bit_length() - 1
        full_rows, rest_rows = b.shifted(rows, bits), b.masked(rows, lanes - 1)
        full_columns, rest_columns = b.shifted(columns, bits), b.masked(columns, lanes - 1)
        down, across = b.times(self._row, lanes), b.times(self._column, lanes)

        def strip(start: Pointers, width: SSAValue | None) -> None:
            def turn(values: Pointers) -> Values:
                self._one(values[0], values[1], None if width is None else b.integer(lanes), width)
                return [b.at(values[0], down), b.at(values[1], 4 * lanes)]

            places = b.loop(full_rows, list(start), turn)

            def last() -> Values:
                columns = b.integer(lanes) if width is None else width
                self._one(places[0], places[1], rest_rows, columns)
                return ()

            b.when(b.compare("sgt", rest_rows, 0), last, ())

        def turn(values: Pointers) -> Values:
            strip(values, None)
            return [b.at(values[0], 4 * lanes), b.at(values[1], across)]

        places = b.loop(full_columns, [source, target], turn)

        def last() -> Values:
            strip(places, rest_columns)
            return ()

        b.when(b.compare("sgt", rest_columns, 0), last, ())

    def _one(
        self, source: SSAValue, target: SSAValue, rows: SSAValue | None, columns: SSAValue | None
    ) -> None:
        """One square; of a smaller one, so many rows and columns."""
        b, lanes = self._b, self._lanes
        found: list[SSAValue] = []
        place = source
        for index in range(lanes):
            found.append(b.load_vector(place, lanes, self._mask(index, rows, columns)))
            place = b.at(place, self._row)
        place = target
        for index, value in enumerate(turned(b, found)):
            b.store(value, place, self._mask(index, columns, rows))
            place = b.at(place, self._column)

    def _mask(self, index: int, count: SSAValue | None, lanes: SSAValue | None) -> SSAValue | None:
        if count is None or lanes is None:
            return None
        b = self._b
        is_there = b.compare("sgt", count, index)
        return b.lanes_below(b.choose(is_there, lanes, b.integer(0)), self._lanes)


def turned(b: Builder, rows: Sequence[SSAValue]) -> list[SSAValue]:
    """The columns of a square: first within groups of four lanes, then the groups."""
    lanes = len(rows)
    quarters = range(0, lanes, 4)

    def pick(low: bool, pair: bool) -> list[int]:
        """Lanes of two vectors: those of the lower or upper half of each group, one by one or by
        pairs, from either in turn."""
        half = (0, 1) if low else (2, 3)
        order = (0, 1, lanes, lanes + 1) if pair else (0, lanes, 1, lanes + 1)
        return [group + half[0] + n for group in quarters for n in order]

    groups: list[list[SSAValue]] = []
    for first in quarters:
        x, y, z, w = rows[first : first + 4]
        xy, zw = (
            [b.picked(p, q, pick(low, False)) for low in (True, False)] for p, q in ((x, y), (z, w))
        )
        groups.append(
            [
                b.picked(p, q, pick(low, True))
                for p, q in zip(xy, zw, strict=True)
                for low in (True, False)
            ]
        )
    found: list[SSAValue | None] = [None] * lanes
    for column in range(4):
        for group, value in enumerate(_regrouped(b, [group[column] for group in groups])):
            found[4 * group + column] = value
    return [value for value in found if value is not None]


def _regrouped(b: Builder, vectors: Sequence[SSAValue]) -> list[SSAValue]:
    """The first groups of four lanes of all vectors, the second ones, and so on."""
    count = len(vectors)
    if count == 1:
        return list(vectors)
    lanes = 4 * count

    def every_other(first: int) -> list[int]:
        return [4 * group + lane for group in range(first, 2 * count, 2) for lane in range(4)]

    if count == 2:
        low, high = vectors
        return [b.picked(low, high, every_other(first)) for first in (0, 1)]
    x, y, z, w = vectors
    found: list[SSAValue] = []
    pairs = [
        (b.picked(x, y, every_other(first)), b.picked(z, w, every_other(first))) for first in (0, 1)
    ]
    assert lanes == 16
    for second in (0, 1):
        found += [b.picked(*pair, every_other(second)) for pair in pairs]
    return found


def transpose_call(
    kernel: TransposeKernel,
    source: Number,
    target: Number,
    outer: Sequence[tuple[int, int, int]],
    square: tuple[int, int, int, int],
) -> Call:
    """Up to two axes outside (size, ways), and rows, columns, the way from row to row in the source and
    from column to column in the target."""
    axes = [(1, 0, 0)] * (2 - len(outer)) + list(outer)
    return Call(
        kernels.loaded(kernel), (source, target, *(n for axis in axes for n in axis), *square)
    )


def copy_call(
    kernel: CopyKernel,
    source: Number,
    target: Number,
    sizes: Sequence[int],
    source_ways: Sequence[int],
    target_ways: Sequence[int],
) -> Call:
    """The copy of an array of these sizes; source 0 writes zeros, side by side along the last axis."""
    missing = _AXES - len(sizes)
    axes = [(1, 0, 0)] * missing + list(zip(sizes, source_ways, target_ways, strict=True))
    return Call(kernels.loaded(kernel), (source, target, *(n for axis in axes for n in axis)))
