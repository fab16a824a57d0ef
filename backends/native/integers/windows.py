"""Convolution of bytes in each channel by itself, in a padded image of rows x columns x channels."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers import finish as integer_finish
from pyflame_rt.backends.native.integers.finish import Ending, Finish
from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import fields, over

FIELDS = (
    "@x", "@y", "@residual", "@zero", "@scale", "@weights", "rows", "columns", "channels",
    "x_row", "x_column", "tap_row", "tap_column", "y_row", "y_column", "packed",
    *integer_finish.FIELDS,
)  # fmt: skip
"""`x_row` and `x_column` are the ways, in bytes, between the windows of neighbouring results, `tap_row`
and `tap_column` those between elements of a window, `packed` that from tap to tap of the weights: i32.
What `residual` is an address of lies as y does."""


@dataclass(frozen=True)
class IntegerWindowKernel:
    """Code for windows of a size."""

    cpu: str
    lanes: int
    dot: str
    rows: int
    columns: int
    ending: Ending
    fused: bool = True
    """Whether there is an instruction that multiplies and adds f32, for `ending`'s function."""
    adds: bool = False
    """Whether there is a residual."""

    entry = "integer_windows"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        v, bits = Integers(b, self.lanes, self.dot), self.lanes.bit_length() - 1

        def row(places: tuple[SSAValue, ...]) -> None:
            def some(here: tuple[SSAValue, ...], mask: SSAValue | None = None) -> Values:
                self._vector(b, v, given, here, mask)
                x, *results, weights, across = here
                return [
                    b.at(x, v.lanes), *(b.at(y, self.ending.size * v.lanes) for y in results),
                    b.at(weights, 4 * v.lanes), b.plus(across, 4 * v.lanes),
                ]  # fmt: skip

            start = [*places, given["weights"], b.integer(0)]
            end = b.loop(b.shifted(given["channels"], bits), start, some)
            rest = b.masked(given["channels"], v.lanes - 1)

            def last() -> Values:
                some(end, b.lanes_below(rest, v.lanes))
                return ()

            b.when(b.compare("sgt", rest, 0), last, ())

        results = [given["y"], *([given["residual"]] if self.adds else [])]
        ways = [given["x_row"], *[given["y_row"]] * len(results)]
        over(b, given["rows"], [given["x"], *results], ways, row)
        return ModuleOp([b.finish()])

    def _vector(
        self,
        b: Builder,
        v: Integers,
        given: dict[str, SSAValue],
        here: tuple[SSAValue, ...],
        mask: SSAValue | None,
    ) -> None:
        """Some channels of a row."""
        x, *results, weights, across = here
        taps = [(i, j) for i in range(self.rows) for j in range(self.columns)]
        factors = [
            v.load(b.at(weights, b.times(given["packed"], k))) if k else v.load(weights)
            for k in range(len(taps))
        ]
        finish = Finish(b, v, self.ending, given, across)
        starts = finish.starts(1)
        finish.prepare(1)
        lines = [b.at(x, b.times(given["tap_row"], i)) if i else x for i in range(self.rows)]
        ways = [b.times(given["tap_column"], j) for j in range(self.columns)]

        def column(places: tuple[SSAValue, ...]) -> Values:
            lines, (y, *more) = places[: self.rows], places[self.rows :]
            (total,) = starts
            for (i, j), factor in zip(taps, factors, strict=True):
                place = b.at(lines[i], ways[j]) if j else lines[i]
                value = v.load_bytes(place, mask, signed=self.ending.signed)
                product = v.multiply_small(value, factor)
                total = v.plus(total, product)
            residual = b.load_vector(more[0], v.lanes, mask) if more else None
            value = finish.activated(finish.value(total, 0, None, residual), is_one=True)
            v.put(value, y, mask, self.ending.size)
            return [
                *(b.at(line, given["x_column"]) for line in lines),
                *(b.at(place, given["y_column"]) for place in (y, *more)),
            ]

        b.loop(given["columns"], [*lines, *results], column)
