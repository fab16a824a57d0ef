"""The largest bytes of windows in each channel by itself, of images of rows x columns x channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.integers.copying import by_size, kind_of
from pyflame_rt.backends.native.integers.vectors import Integers
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values, suffix
from pyflame_rt.backends.native.writing.loops import fields

FIELDS = (
    "@x", "@y", "@filler", "first", "rows", "columns", "channels", "height", "width",
    "x_row", "x_column", "y_row", "row_stride", "column_stride", "row_dilation",
    "column_dilation", "top", "left",
)  # fmt: skip
"""`rows` of the result from the `first` on, its columns; sizes of the image; the ways between its rows
and columns, and between rows of the result, in bytes; strides, dilations and padding, in elements.
What a window has beyond the image is at `filler`: the least byte, for all channels."""


@dataclass(frozen=True)
class MaximumKernel:
    """Code for windows of a size."""

    cpu: str
    size: int
    """Bytes of a register."""
    rows: int
    columns: int
    signed: bool

    entry = "integer_maximum"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True)
        given = fields(b, b.arguments[0], FIELDS)

        def row(values: tuple[SSAValue, ...]) -> Values:
            index, y = values
            start = b.minus(b.times(index, given["row_stride"]), given["top"])
            lines: list[tuple[SSAValue, SSAValue]] = []
            for i in range(self.rows):
                line = b.plus(start, b.times(given["row_dilation"], i))
                inside = b.compare("ult", line, given["height"])
                lines.append((b.at(given["x"], b.times(line, given["x_row"])), inside))
            self._columns(b, given, lines, y)
            return [b.plus(index, 1), b.at(y, given["y_row"])]

        b.loop(given["rows"], [given["first"], given["y"]], row)
        return ModuleOp([b.finish()])

    def _columns(
        self,
        b: Builder,
        given: dict[str, SSAValue],
        lines: Sequence[tuple[SSAValue, SSAValue]],
        y: SSAValue,
    ) -> None:
        def column(values: tuple[SSAValue, ...]) -> Values:
            index, place = values
            start = b.minus(b.times(index, given["column_stride"]), given["left"])
            taps: list[SSAValue] = []
            for j in range(self.columns):
                at = b.plus(start, b.times(given["column_dilation"], j))
                inside = b.compare("ult", at, given["width"])
                way = b.times(at, given["x_column"])
                for line, has_line in lines:
                    there = b.bits_of_all(inside, has_line)
                    taps.append(b.choose(there, b.at(line, way), given["filler"]))
            v = Integers(b, 4, "single")

            def some(size: int, here: tuple[SSAValue, ...]) -> None:
                *sources, target = here
                found = [b.load(source, kind_of(size), 1) for source in sources]
                v.put(self._largest(b, found), target, None, 1)

            by_size(b, given["channels"], self.size, [*taps, place], some)
            return [b.plus(index, 1), b.at(place, given["channels"])]

        b.loop(given["columns"], [b.integer(0), y], column)

    def _largest(self, b: Builder, values: Sequence[SSAValue]) -> SSAValue:
        found = list(values)
        name = f"llvm.{'smax' if self.signed else 'umax'}.{suffix(found[0])}"
        while len(found) > 1:
            pairs = zip(found[::2], found[1::2], strict=False)
            found = [b.call(name, pair, pair[0].type) for pair in pairs] + found[len(found) & ~1 :]
        return found[0]
