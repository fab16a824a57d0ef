"""Convolutions of bytes: products whose rows are windows, read where they lie in a padded image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.finish import FIELDS, Ending
from pyflame_rt.backends.native.integers.padding import PaddingKernel
from pyflame_rt.backends.native.integers.products import (
    Epilogue,
    IntegerProduct,
    Weights,
    Windows,
    finishing,
    on_lines,
)
from pyflame_rt.backends.native.integers.windows import IntegerWindowKernel
from pyflame_rt.backends.native.steps import Call, Number, Place, Step
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.errors import BackendError

_MOST_TAPS = 32
"""Of windows whose weights stay in registers, or near them."""

_A_BYTE = 0.1
"""Nanoseconds."""


Packed = Callable[[str, Callable[[], Array]], Array]
"""What was packed under a name, or is made now."""


@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution of two spatial axes; data lies as images x rows x columns x channels."""

    images: int
    sizes: tuple[int, int]
    channels: int
    features: int
    window: tuple[int, int]
    outputs: tuple[int, int]
    begins: tuple[int, int] = (0, 0)
    """Rows and columns of filler before those of x."""
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    group: int = 1

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns with those of filler."""
        rows, columns = (
            max(begin + size, (count - 1) * stride + (window - 1) * dilation + 1)
            for begin, size, count, stride, window, dilation in zip(
                self.begins, self.sizes, self.outputs, self.strides, self.window, self.dilations,
                strict=True,
            )
        )  # fmt: skip
        return rows, columns

    @property
    def is_padded(self) -> bool:
        """Whether there is any filler."""
        return self.padded != self.sizes

    @property
    def is_pointwise(self) -> bool:
        """Whether windows are single elements without gaps."""
        return not self.is_padded and self.window == (1, 1) == self.strides and self.group == 1

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has a small window of its own."""
        return (
            1 < self.group == self.channels == self.features
            and math.prod(self.window) <= _MOST_TAPS
        )

    @property
    def room(self) -> int:
        """Bytes of a padded image; 0 if there is none."""
        return math.prod(self.padded) * self.channels if self.is_padded else 0


@dataclass(frozen=True, eq=False)
class IntegerConvolution:
    """y = epilogue of the convolution of (x - zero point) with (w - its zero points)."""

    geometry: Geometry
    schedule: IntegerSchedule
    epilogue: Epilogue
    ending: Ending
    products: tuple[IntegerProduct, ...]
    """One of each group, for an image, or for all if windows are single elements."""
    taps: Array | None
    """Weights of windows in each channel, by taps."""
    colsums: Array | None

    @staticmethod
    def of(
        schedule: IntegerSchedule,
        geometry: Geometry,
        w: Array,
        zero_point: Array | None,
        epilogue: Epilogue,
        *,
        signed: bool,
        packed: Packed = lambda _, make: make(),
    ) -> IntegerConvolution:
        """That of weights (features, channels of a group, rows, columns), with one zero point or one
        a feature, of x of int8, if `signed`, or uint8. What is packed of them may be there already.

        Raises BackendError when this machine has no such instructions.
        """
        if not processors.runs(schedule.cpu):
            raise BackendError(f"code of kind {schedule.cpu!r} does not run here")
        ending = epilogue.ending(signed=signed, has_shifts=False)
        if geometry.is_depthwise:
            whole = packed("taps", lambda: _taps(schedule.columns, w, zero_point))
            given = (geometry, schedule, epilogue, ending, ())
            return IntegerConvolution(*given, whole[:-1], whole[-1])
        products = tuple(_products(schedule, geometry, w, zero_point, epilogue, signed, packed))
        return IntegerConvolution(geometry, schedule, epilogue, ending, products, None, None)

    def steps(
        self,
        x: Place,
        y: Place,
        room: Place,
        *,
        zero: Number | None = None,
        scale: Number | None = None,
        residual: Place | None = None,
    ) -> list[Step]:
        """The steps of operands: `room` is memory for a padded image."""
        g, size = self.geometry, self.ending.size
        if g.is_pointwise:
            return [self.products[0].step(x, y, zero=zero, scale=scale, residual=residual)]
        found: list[Step] = []
        for image in range(g.images):
            seen = Place(x.operand, x.offset + image * math.prod(g.sizes) * g.channels)
            put = Place(y.operand, y.offset + image * math.prod(g.outputs) * g.features * size)
            if g.is_padded:
                found.append(self._padding(seen, room, zero))
                seen = room
            way = put.offset - y.offset
            more = None if residual is None else Place(residual.operand, residual.offset + way)
            found += self._image(seen, put, zero, scale, more)
        return found

    def _image(
        self,
        x: Place,
        y: Place,
        zero: Number | None,
        scale: Number | None,
        residual: Place | None,
    ) -> Iterator[Step]:
        g = self.geometry
        if self.taps is not None:
            yield self._windows(x, y, zero, scale, residual)
            return
        across = g.channels // g.group
        columns = g.features // g.group * self.ending.size
        for k, product in enumerate(self.products):
            seen = Place(x.operand, x.offset + k * across)
            put = Place(y.operand, y.offset + k * columns)
            more = residual
            if more is not None:
                more = Place(more.operand, more.offset + k * columns)
            yield product.step(seen, put, zero=zero, scale=scale, residual=more)

    def _padding(self, x: Place, room: Place, zero: Number | None) -> Step:
        g = self.geometry
        (rows, columns), (top, left) = g.padded, g.begins
        # Where windows do not reach the end of the image, all of it is there all the same.
        height, width = g.sizes
        loaded = processors.loaded(PaddingKernel(self.schedule.cpu, 4 * self.schedule.lanes))
        zero, held = (_NO_ZERO.ctypes.data, (_NO_ZERO,)) if zero is None else (zero, ())
        c, count = g.channels, max(1, min(self.schedule.shares, height))
        bounds = [height * share // count for share in range(count + 1)]
        shares: list[tuple[Call, ...]] = []
        for first, last in pairwise(bounds):
            # What is above and below belongs to the first share and the last one.
            above, below = top if first == 0 else 0, rows - top - height if last == height else 0
            begin = 0 if first == 0 else top + first
            numbers = (
                Place(x.operand, x.offset + first * width * c),
                Place(room.operand, room.offset + begin * columns * c),
                zero, above, last - first, below,
                left * c, width * c, (columns - left - width) * c, width * c,
            )  # fmt: skip
            shares.append((Call(loaded, numbers, held),))
        return Step(tuple(shares), g.room * _A_BYTE)

    def _windows(
        self,
        x: Place,
        y: Place,
        zero: Number | None,
        scale: Number | None,
        residual: Place | None,
    ) -> Step:
        g, schedule, taps, colsums = self.geometry, self.schedule, self.taps, self.colsums
        assert taps is not None and colsums is not None
        dot = processors.dot_of(schedule.cpu)
        # Two numbers of 16 bits at once: what multiplies four bytes has no use for one.
        dot = "pairs" if dot == "bytes" else dot
        has_fma = processors.known()[schedule.cpu].has_fma
        kernel = IntegerWindowKernel(
            schedule.cpu, schedule.lanes, dot, *g.window, self.ending, has_fma, residual is not None
        )
        loaded = processors.loaded(kernel)
        vectors = finishing(schedule.columns, g.features, self.epilogue)
        vectors |= {"colsums": colsums, "shifts": on_lines(colsums.shape, np.int32)}
        line, c = g.padded[1] * g.channels, g.channels
        y_row = g.outputs[1] * g.features * self.ending.size
        shares: list[tuple[Call, ...]] = []
        count = min(schedule.shares, g.outputs[0])
        for share in range(count):
            first, last = (g.outputs[0] * k // count for k in (share, share + 1))
            numbers = (
                Place(x.operand, x.offset + first * g.strides[0] * line),
                Place(y.operand, y.offset + first * y_row),
                0 if residual is None else Place(residual.operand, residual.offset + first * y_row),
                _NO_ZERO.ctypes.data if zero is None else zero,
                _ONE.ctypes.data if scale is None else scale,
                taps.ctypes.data, last - first, g.outputs[1], c,
                g.strides[0] * line, g.strides[1] * c, g.dilations[0] * line, g.dilations[1] * c,
                y_row, g.features * self.ending.size, taps.strides[0],
                *(vectors[name.removeprefix("@")].ctypes.data for name in FIELDS),
            )  # fmt: skip
            held = (taps, *vectors.values(), _NO_ZERO, _ONE)
            shares.append((Call(loaded, numbers, held),))
        work = math.prod((*g.outputs, c, *g.window)) * _A_BYTE / 2
        return Step(tuple(shares), work)


_NO_ZERO = np.zeros(64, np.uint8)
_ONE = np.ones(16, np.float32)
_NO_ZERO.flags.writeable = _ONE.flags.writeable = False


def _taps(width: int, w: Array, zero_point: Array | None) -> Array:
    """(taps, channels) as i32 less zero points, filled up; and their sums."""
    wide = w.reshape(w.shape[0], -1).astype(np.int32)
    if zero_point is not None:
        wide = wide - zero_point.reshape(-1, 1).astype(np.int32)
    found = on_lines((wide.shape[1] + 1, -(-wide.shape[0] // width) * width), np.int32)
    found[:-1, : wide.shape[0]] = wide.T
    found[-1, : wide.shape[0]] = wide.sum(1)
    return found


def _products(
    schedule: IntegerSchedule,
    g: Geometry,
    w: Array,
    zero_point: Array | None,
    epilogue: Epilogue,
    signed: bool,
    packed: Packed,
) -> Iterator[IntegerProduct]:
    layout, runs = _layout(g, 1 if epilogue.result == "bytes" else 4)
    each = g.features // g.group
    for k in range(g.group):
        part = slice(k * each, (k + 1) * each)
        shift = zero_point
        if shift is not None and shift.size > 1:
            shift = shift.reshape(-1)[part]

        def make(part: slice = part, shift: Array | None = shift) -> Array:
            # (features, channels, rows, columns) by rows, columns and channels.
            matrix = w[part].transpose(2, 3, 1, 0).reshape(runs, -1, each)
            return Weights.of(schedule.columns, matrix, shift).whole

        depth = math.prod(w.shape[1:]) // runs
        weights = Weights.over(
            schedule.columns, packed(f"{k} {each} {runs}", make), (runs, depth, each)
        )
        yield IntegerProduct.of(schedule, layout, weights, _of_part(epilogue, part), signed=signed)


def _of_part(epilogue: Epilogue, part: slice) -> Epilogue:
    def taken(values: Array | None) -> Array | None:
        return values.reshape(-1)[part] if values is not None and values.size > 1 else values

    return replace(
        epilogue,
        bias=taken(epilogue.bias),
        factors=taken(epilogue.factors),
        addends=taken(epilogue.addends),
    )


def _layout(g: Geometry, size: int) -> tuple[Windows, int]:
    """The layout of a group of an image, and how many stretches a window has."""
    pixel, c_row = g.channels, g.features * size
    each, columns = g.channels // g.group, g.features // g.group
    if g.is_pointwise:
        rows = g.images * math.prod(g.outputs)
        return Windows(rows, columns, pixel, pixel, c_row, c_row), 1
    line = g.padded[1] * pixel
    (rows, across), (down, right) = g.window, g.dilations
    dense = right == 1 and g.group == 1
    if dense:
        # Taps of a row stand side by side.
        lines, a_line, runs, a_run, depth = 1, 0, rows, down * line, across * pixel
    else:
        lines, a_line, runs, a_run, depth = rows, down * line, across, right * pixel, each
    layout = Windows(
        g.outputs[1], columns, depth, g.strides[1] * pixel, c_row, c_row,
        repeats=g.outputs[0], a_repeat=g.strides[0] * line, c_repeat=g.outputs[1] * c_row,
        residual_repeat=g.outputs[1] * c_row,
        runs=runs, a_run=a_run, lines=lines, a_line=a_line,
    )  # fmt: skip
    return layout, lines * runs


def operands(arrays: Sequence[Array | None]) -> list[Place | None]:
    """A place for each array that is there."""
    return [None if array is None else Place(k) for k, array in enumerate(arrays)]
