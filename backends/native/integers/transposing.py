"""Matrices of bytes turned: from channels x positions to positions x channels, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import llvm
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i8, i32
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.steps import Call, Number
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values, vector_of
from pyflame_rt.backends.native.writing.loops import fields, over

FIELDS = ("@x", "@y", "rows", "columns")
"""Sizes of x, whose rows lie one after the other, as those of y do."""

_SIDE = 16


@dataclass(frozen=True)
class TransposingKernel:
    """Code of y[j][i] = x[i][j], by squares of 16 x 16 and single bytes around them."""

    cpu: str

    entry = "integer_transposing"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)
        high, wide = (b.shifted(given[name], 4) for name in ("rows", "columns"))
        rows, columns = given["rows"], given["columns"]

        def squares(places: tuple[SSAValue, ...]) -> None:
            ways = [b.integer(_SIDE), b.times(rows, _SIDE)]
            over(b, wide, places, ways, lambda here: self._square(b, here, columns, rows))

        over(b, high, [given["x"], given["y"]], [b.times(columns, _SIDE), _SIDE], squares)
        inside = b.times(high, _SIDE)
        across = b.times(wide, _SIDE)
        start = b.at(given["x"], across), b.at(given["y"], b.times(across, rows))
        self._single(b, start, inside, b.minus(columns, across), columns, rows)
        start = b.at(given["x"], b.times(inside, columns)), b.at(given["y"], inside)
        self._single(b, start, b.minus(rows, inside), columns, columns, rows)
        return ModuleOp([b.finish()])

    def _single(
        self, b: Builder, start: Values, rows: SSAValue, columns: SSAValue, x_row: SSAValue,
        y_row: SSAValue,
    ) -> None:  # fmt: skip
        v = Integers(b, 4, "single")

        def row(places: tuple[SSAValue, ...]) -> None:
            def one(here: tuple[SSAValue, ...]) -> None:
                v.put(b.load(here[0], i8, 1), here[1], None, 1)

            over(b, columns, places, [1, y_row], one)

        over(b, rows, start, [x_row, 1], row)

    def _square(self, b: Builder, here: Values, x_row: SSAValue, y_row: SSAValue) -> None:
        x, y = here
        v, kind = Integers(b, 4, "single"), vector_of(_SIDE, i8)
        found = [b.load(b.at(x, b.times(x_row, k)) if k else x, kind, 1) for k in range(_SIDE)]
        half = _SIDE // 2
        # Rows k and k + 8 shuffled into each other, four times, are columns.
        for _ in range(4):
            pairs = ((found[k], found[k + half]) for k in range(half))
            found = [_mixed(b, pair, part) for pair in pairs for part in (0, half)]
        for k, value in enumerate(found):
            v.put(value, b.at(y, b.times(y_row, k)) if k else y, None, 1)


def _mixed(b: Builder, pair: Sequence[SSAValue], first: int) -> SSAValue:
    """Elements of two vectors in turn, from one on."""
    places = [side + k for k in range(first, first + _SIDE // 2) for side in (0, _SIDE)]
    mask = {"mask": DenseArrayBase.from_list(i32, places)}
    return b.add(llvm.ShuffleVectorOp, pair, vector_of(_SIDE, i8), mask)


def transposing_call(cpu: str, x: Number, y: Number, rows: int, columns: int) -> Call:
    """The call for a matrix of that size."""
    kernel = processors.loaded(TransposingKernel(cpu))
    return Call(kernel, (x, y, rows, columns))
