"""Windows that slide over each channel by itself: depthwise convolution, max and average pooling.

Data lies as rows x columns x channels. A vector holds neighbouring channels; a window's elements come
from as many addresses as it has taps. Where a window reaches beyond the image, a tap's address is that
of a filler, so that the inner loop has no conditions: columns at both ends, where that may be, go
through a slower loop of their own, and rows are whole rows of filler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.dialects import llvm
from xdsl.dialects.builtin import ModuleOp, f32, i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.activations import activated
from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, vectors

FIELDS = (
    "@x", "@y", "@filler", "@weights", "@bias", "channels", "first", "rows", "height", "width",
    "x_row", "x_column", "y_row", "y_column", "row_stride", "column_stride",
    "row_dilation", "column_dilation", "top", "left", "before", "inside", "after", "packed",
    "activates", "padded_height", "padded_width",
)  # fmt: skip
"""`rows` of the result from the `first` on; the ways between rows and columns, in bytes; strides,
dilations and padding, in elements. Of the columns of a row, windows of `before` and `after` may reach
beyond the image, those `inside` do not. `packed` is the way from tap to tap of the weights. Padded sizes
are those of the image with its padding."""

_AT_ONCE = 4
"""Columns that are computed together."""

Emit = Callable[[SSAValue], SSAValue]


@dataclass(frozen=True)
class WindowKernel:
    """Code for windows of a size: "depthwise", "max", "average" (of what lies in the image),
    "average_padded" (of what lies in it or on its padding), or "average_all"."""

    cpu: str
    lanes: int
    fused: bool
    what: str
    rows: int
    columns: int
    has_rest: bool
    """Whether channels may be no multiple of the lanes."""
    activation: str = ""
    numbers: tuple[float, ...] = ()

    entry = "windows"

    @property
    def taps(self) -> list[tuple[int, int]]:
        """Row and column of each."""
        return [(i, j) for i in range(self.rows) for j in range(self.columns)]

    @property
    def filler(self) -> float:
        """What counts for nothing."""
        return -float("inf") if self.what == "max" else 0.0

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)

        def row(values: tuple[SSAValue, ...]) -> Values:
            index, y = values
            _Row(self, b, given, index).emit(y)
            return [b.plus(index, 1), b.at(y, given["y_row"])]

        b.loop(given["rows"], [given["first"], given["y"]], row)
        return ModuleOp([b.finish()])


class _Row:
    """One row of the result."""

    def __init__(
        self, kernel: WindowKernel, b: Builder, given: dict[str, SSAValue], index: SSAValue
    ) -> None:
        self._kernel, self._b, self._given = kernel, b, given
        self._lines: list[SSAValue] = []
        self._is_inside: list[SSAValue] = []
        start = b.minus(b.times(index, given["row_stride"]), given["top"])
        for i in range(kernel.rows):
            line = b.plus(start, b.times(given["row_dilation"], i))
            inside = b.compare("ult", line, given["height"])
            there = b.at(given["x"], b.times(line, given["x_row"]))
            self._lines.append(b.choose(inside, there, given["filler"]))
            if kernel.what == "average_padded":
                inside = b.compare("ult", b.plus(line, given["top"]), given["padded_height"])
            self._is_inside.append(inside)

    def emit(self, y: SSAValue) -> None:
        b, kernel = self._b, self._kernel
        moving = [y, *self._lines]
        if kernel.what == "depthwise":
            moving += [self._given["weights"], self._given["bias"]]

        def channels(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            place, lines = places[0], places[1 : 1 + kernel.rows]
            factors: list[SSAValue] = []
            bias = None
            if kernel.what == "depthwise":
                weights, biases = places[-2:]
                ways = (b.times(self._given["packed"], t) for t in range(len(kernel.taps)))
                factors = [b.load_vector(b.at(weights, way), kernel.lanes) for way in ways]
                bias = b.load_vector(biases, kernel.lanes)
            _Channels(kernel, b, self._given, self._is_inside, lines, mask, factors, bias).emit(
                place
            )
            return ()

        vectors(
            b, self._given["channels"], kernel.lanes, moving, channels, has_rest=kernel.has_rest
        )


class _Channels:
    """A vector of channels of a row."""

    def __init__(
        self,
        kernel: WindowKernel,
        b: Builder,
        given: dict[str, SSAValue],
        is_inside: Sequence[SSAValue],
        lines: Sequence[SSAValue],
        mask: SSAValue | None,
        factors: Sequence[SSAValue],
        bias: SSAValue | None,
    ) -> None:
        self._kernel, self._b, self._given = kernel, b, given
        self._is_inside, self._lines, self._mask = is_inside, lines, mask
        self._factors, self._bias = factors, bias
        self._step = b.times(given["column_stride"], given["x_column"])
        self._apart = b.times(given["column_dilation"], given["x_column"])

    def emit(self, y: SSAValue) -> None:
        b, given = self._b, self._given
        zero = b.integer(0)
        y, column = self._edges(given["before"], y, zero)
        y, column = self._middle(y, column)
        self._edges(given["after"], y, column)

    def _edges(self, count: SSAValue, y: SSAValue, column: SSAValue) -> tuple[SSAValue, SSAValue]:
        b, given = self._b, self._given

        def one(values: Pointers) -> Values:
            place, index = values
            start = b.minus(b.times(index, given["column_stride"]), given["left"])
            found: dict[int, SSAValue] = {}
            inside: list[SSAValue] = []
            counted: list[SSAValue] = []
            for j in range(self._kernel.columns):
                at = b.plus(start, b.times(given["column_dilation"], j))
                inside.append(b.compare("ult", at, given["width"]))
                found[j] = b.times(at, given["x_column"])
                if self._kernel.what == "average_padded":
                    at = b.plus(at, given["left"])
                    counted.append(b.compare("ult", at, given["padded_width"]))
            # The filler's channels, like all of its elements, are the same.
            addresses = [
                b.choose(inside[j], b.at(self._lines[i], found[j]), given["filler"])
                for i, j in self._kernel.taps
            ]
            self._put(self._window(addresses), place, counted or inside)
            return [b.at(place, given["y_column"]), b.plus(index, 1)]

        y, column = b.loop(count, [y, column], one)
        return y, column

    def _middle(self, y: SSAValue, column: SSAValue) -> tuple[SSAValue, SSAValue]:
        b, given = self._b, self._given
        start = b.minus(b.times(column, given["column_stride"]), given["left"])
        first = b.times(start, given["x_column"])
        ways = [b.times(self._apart, j) for j in range(self._kernel.columns)]
        taps = [b.at(b.at(self._lines[i], first), ways[j]) for i, j in self._kernel.taps]

        def some(count: int, values: Pointers) -> Values:
            place, *taps = values
            for k in range(count):
                way = b.times(self._step, k) if k else None
                addresses = taps if way is None else [b.at(tap, way) for tap in taps]
                here = b.at(place, b.times(given["y_column"], k)) if k else place
                self._put(self._window(addresses), here, ())
            step, y_step = b.times(self._step, count), b.times(given["y_column"], count)
            return [b.at(place, y_step), *(b.at(tap, step) for tap in taps)]

        inside = given["inside"]
        bits = _AT_ONCE.bit_length() - 1
        found = b.loop(b.shifted(inside, bits), [y, *taps], partial(some, _AT_ONCE))
        found = b.loop(b.masked(inside, _AT_ONCE - 1), found, partial(some, 1))
        return found[0], b.plus(column, inside)

    def _window(self, addresses: Sequence[SSAValue]) -> SSAValue:
        b, kernel = self._b, self._kernel
        loaded = [b.load_vector(address, kernel.lanes, self._mask) for address in addresses]
        if kernel.what == "depthwise":
            assert self._bias is not None
            pairs = zip(loaded, self._factors, strict=True)
            total = b.multiply(*next(pairs))
            for value, factor in pairs:
                total = b.multiply_add(value, factor, total)
            # In the end, as NumPy does: what quantized data sum up to is exact, and rounded once then.
            return b.add_floats(total, self._bias)
        combine = b.larger if kernel.what == "max" else b.add_floats
        total, *others = loaded
        for value in others:
            total = combine(total, value)
        return total

    def _put(self, value: SSAValue, place: SSAValue, inside: Sequence[SSAValue]) -> None:
        b, kernel = self._b, self._kernel
        if kernel.what.startswith("average"):
            value = b.divide(value, self._count(inside))
        if kernel.activation:
            activates = b.compare("ne", self._given["activates"], 0)
            activate = partial(activated, b, kernel.activation, kernel.numbers, value)
            (value,) = b.when(activates, lambda: [activate()], [value])
        b.store(value, place, self._mask)

    def _count(self, inside: Sequence[SSAValue]) -> SSAValue:
        """How many elements a window averages."""
        b, kernel = self._b, self._kernel
        if kernel.what == "average_all":
            return b.splat(float(kernel.rows * kernel.columns), kernel.lanes)
        rows = self._number(self._is_inside)
        columns = self._number(inside) if inside else b.integer(kernel.columns)
        count = b.add(llvm.SIToFPOp, (b.times(rows, columns),), f32, {})
        return b.spread(count, kernel.lanes)

    def _number(self, conditions: Sequence[SSAValue]) -> SSAValue:
        b = self._b
        total = b.integer(0)
        for condition in conditions:
            total = b.plus(total, b.add(llvm.ZExtOp, (condition,), i64, {}))
        return total
