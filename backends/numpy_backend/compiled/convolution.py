"""Convolutions by machine code: by tiles, or by windows where they lie in a padded image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import strips_of
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled import halves
from pyflame_rt.backends.numpy_backend.compiled.forms import ending_of
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strips
from pyflame_rt.dialects.plan.convolution_schedules import ConvolutionSchedule
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native.floats.products import Layout
    from pyflame_rt.backends.native.steps import Call, Place, Step

PADDED = 6
"""The number of the room for a padded image."""

_WORTH_SHARING = 1 << 16
"""Bytes of a padded image that are copied by several threads."""

_COPIED = 16.0
"""Bytes of it that are copied in a nanosecond; about."""


def prepare(schedule: Schedule, call: BoundCall) -> Run | None:
    """A convolution as its schedule says, if it can be done so."""
    from pyflame_rt.backends.numpy_backend.compiled import groups, winograd

    if isinstance(schedule, ConvolutionSchedule):
        by_tiles = None if schedule.output_tile == 1 else winograd.prepare(schedule, call)
        if by_tiles is not None:
            return by_tiles
        schedule = schedule.products
    return _by_windows(schedule, call) or groups.prepare(schedule, call)


def _by_windows(schedule: Schedule, call: BoundCall) -> Run | None:
    """y = windows @ w for each row of positions, of two spatial axes in one group.

    A window is, for each of its rows, one stretch of memory: its taps stand side by side.
    """
    from pyflame_rt.backends.native.floats.products import Product
    from pyflame_rt.backends.native.steps import Place

    w, y = call.shape(1), call.output
    in_place = call.in_layout("nhwc") and call.params.get("group", 1) == 1
    if not in_place or not call.is_constant(1) or len(w) != 4 or 0 in (*w, *y.shape):
        return None
    strips, x = strips_of(call)
    ending, residual = ending_of(schedule, call, w[0]), call.optional(3)
    if ending is None or strips.axes[1].dilation != 1 or 0 in x.shape:
        return None
    if any(a is not None and a.strides[-1] != a.itemsize for a in (y, residual)):
        return None
    is_rounded = schedule.elements == halves.PAIRS
    padded = Padded.of(call, strips, x, is_rounded=is_rounded)
    if is_rounded and x.strides[-1] != x.itemsize:
        return None
    packed = call.pack(1, halves.key_of(schedule), partial(_pack, schedule))
    image = x[0] if padded is None else padded.image
    layout = _layout(strips, image, y[0], None if residual is None else residual[0])
    product = Product.of(schedule, layout, packed, ending.bias, ending.finish, schedule.shares)
    steps: list[Step] = []
    for index in range(len(x)):
        seen = Place(0, index * x.strides[0])
        if padded is not None:
            steps.append(padded.step(schedule, seen, Place(3)))
            seen = Place(3)
        more = None if residual is None else Place(2, index * residual.strides[0])
        steps.append(product.step(seen, Place(1, index * y.strides[0]), more))
    room = None if padded is None else padded.image
    return NativeStep(schedule.cpu, steps, (x, y, residual, room), [])


def _layout(strips: Strips, image: Array, y: Array, residual: Array | None) -> Layout:
    from pyflame_rt.backends.native.floats.products import Layout

    rows, across = strips.axes
    line, element, _ = image.strides
    more = (0, 0) if residual is None else residual.strides[:2]
    return Layout(
        y.shape[1],
        y.shape[2],
        across.kernel * image.shape[2],
        across.stride * element,
        y.strides[1],
        more[1],
        repeats=y.shape[0],
        a_repeat=rows.stride * line,
        c_repeat=y.strides[0],
        residual_repeat=more[0],
        runs=rows.kernel,
        a_run=rows.dilation * line,
    )


@dataclass(frozen=True, eq=False)
class Padded:
    """Memory for one image with zeros around it, and the place inside."""

    image: Array
    inside: Array
    ways: tuple[int, ...]
    """Between elements of what is copied."""

    @staticmethod
    def of(call: BoundCall, strips: Strips, x: Array, *, is_rounded: bool = False) -> Padded | None:
        """That of a call, as bf16 if it `is_rounded`; None where windows see nothing else than the
        input, and taps of a row lie side by side."""
        channels = x.shape[-1]
        is_dense = x.strides[-1] == x.itemsize and x.strides[-2] == channels * x.itemsize
        if not strips.is_padded and is_dense and not is_rounded:
            return None
        begins, sizes = strips.begins, strips.sizes
        shape = tuple(
            max(begin + size, strips.reach(axis, count))
            for axis, (begin, size, count) in enumerate(
                zip(begins, sizes, strips.outputs, strict=True)
            )
        )
        count = math.prod(shape) * channels
        dtype = np.dtype(np.uint16) if is_rounded else x.dtype
        room = call.rooms.get(PADDED, dtype, count * dtype.itemsize)
        image = room[:count].reshape(*shape, channels)
        (top, left), (height, width) = begins, sizes
        return Padded(image, image[top : top + height, left : left + width], x.strides[1:])

    def step(self, schedule: Schedule, source: Place, target: Place) -> Step:
        """The copy from one place, and the zeros around it, to another one."""
        from pyflame_rt.backends.native.steps import Step

        count = len(self.image)
        shares = 1 if self.image.nbytes < _WORTH_SHARING else schedule.shares
        bounds = [count * share // shares for share in range(shares + 1)]
        calls = [tuple(self._calls(schedule, source, target, *some)) for some in pairwise(bounds)]
        return Step(tuple(share for share in calls if share), self.image.nbytes / _COPIED)

    def _calls(
        self, schedule: Schedule, source: Place, target: Place, first: int, stop: int
    ) -> Iterator[Call]:
        """Some of the rows of the image."""
        from pyflame_rt.backends.native.steps import Place

        image, copy = self.image, self._copy(schedule)
        top, left, height, width = self._borders
        begin, end = max(first, top), min(stop, top + height)

        def within(part: Array) -> Place:
            start = part.__array_interface__["data"][0] - image.__array_interface__["data"][0]
            return Place(target.operand, target.offset + start)

        around = (
            image[first : min(stop, top)],
            image[max(first, top + height) : stop],
            image[begin:end, :left],
            image[begin:end, left + width :],
        )
        for part in around:
            if part.size:
                yield copy(0, within(part), *_as_rows(part))
        inside = image[begin:end, left : left + width]
        if not inside.size:
            return
        seen = Place(source.operand, source.offset + (begin - top) * self.ways[0])
        sizes, ways = inside.shape, inside.strides
        if self.ways[1] == sizes[2] * 4 and self.ways[2] == 4:
            # Pixels lie side by side in both.
            ways = (ways[0], ways[2])
            yield copy(
                seen, within(inside), (sizes[0], sizes[1] * sizes[2]), (self.ways[0], 4), ways
            )
            return
        # The longest axis is the last one, which has no loop around it.
        order = sorted(
            range(3), key=lambda axis: sizes[axis] * (ways[axis] != 4 or sizes[axis] > 8)
        )
        if self.is_rounded:
            order = [0, 1, 2]
        yield copy(seen, within(inside), *([n[i] for i in order] for n in (sizes, self.ways, ways)))

    def _copy(self, schedule: Schedule) -> Callable[..., Call]:
        """Makes calls that copy rows, or round them."""
        from pyflame_rt.backends.native.floats.casting import CastKernel, cast_call
        from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call

        if not self.is_rounded:
            return partial(copy_call, CopyKernel(schedule.cpu, schedule.lanes))
        kernel = CastKernel.of(schedule.cpu, schedule.lanes, "f32", "bf16")

        def copy(
            source: Any,
            target: Any,
            sizes: Sequence[int],
            before: Sequence[int],
            after: Sequence[int],
        ) -> Call:
            rows = list(zip(sizes, before, after, strict=True))[:-1]
            return cast_call(kernel, source, target, sizes[-1], rows)

        return copy

    @property
    def is_rounded(self) -> bool:
        """Whether the image is bf16."""
        return self.image.itemsize == 2

    @property
    def _borders(self) -> tuple[int, int, int, int]:
        """Rows above and columns before what is inside, and its height and width."""
        image, inside = self.image, self.inside
        start = inside.__array_interface__["data"][0] - image.__array_interface__["data"][0]
        top, rest = divmod(start, image.strides[0])
        return top, rest // image.strides[1], inside.shape[0], inside.shape[1]


def _as_rows(part: Array) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The sizes and ways of a part of an image whose pixels lie side by side."""
    rows, columns, channels = part.shape
    ways = (part.strides[0], part.itemsize)
    return (rows, columns * channels), ways, ways


def _pack(schedule: Schedule, w: Array) -> Array:
    """(features, channels, rows, columns) by rows, columns and channels."""
    matrix = halves.as_bits(w).transpose(2, 3, 1, 0).reshape(-1, w.shape[0])
    return halves.packed(schedule, matrix, runs=w.shape[2])
