"""Convolutions by machine code that reads windows where they lie in a padded image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import strips_of
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled import ending_of
from pyflame_rt.backends.numpy_backend.compiled_steps import NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strips
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native.products import Layout
    from pyflame_rt.backends.native.steps import Call, Step

_PADDED = 6
"""The number of the room for a padded image."""


def prepare(schedule: Schedule, call: BoundCall) -> Run | None:
    """y = windows @ w for each row of positions, of two spatial axes in one group.

    A window is, for each of its rows, one stretch of memory: its taps stand side by side.
    """
    from pyflame_rt.backends.native.products import Product
    from pyflame_rt.backends.native.steps import Place, Step

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
    padded = Padded.of(call, strips, x)
    packed = call.pack(1, ("native", schedule.columns), partial(_pack, schedule.columns))
    image = x[0] if padded is None else padded.image
    layout = _layout(strips, image, y[0], None if residual is None else residual[0])
    product = Product.of(schedule, layout, packed, ending.bias, ending.finish, schedule.shares)
    steps: list[Step] = []
    for index in range(len(x)):
        seen = Place(0, index * x.strides[0])
        if padded is not None:
            steps.append(Step.of(*padded.calls(schedule, seen, Place(3))))
            seen = Place(3)
        more = None if residual is None else Place(2, index * residual.strides[0])
        steps.append(product.step(seen, Place(1, index * y.strides[0]), more))
    room = None if padded is None else padded.image
    return NativeStep(schedule.cpu, steps, (x, y, residual, room), [])


def _layout(strips: Strips, image: Array, y: Array, residual: Array | None) -> Layout:
    from pyflame_rt.backends.native.products import Layout

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
    def of(call: BoundCall, strips: Strips, x: Array) -> Padded | None:
        """That of a call; None where windows see nothing else than the input, and taps of a row lie
        side by side."""
        channels = x.shape[-1]
        is_dense = x.strides[-1] == x.itemsize and x.strides[-2] == channels * x.itemsize
        if not strips.is_padded and is_dense:
            return None
        begins, sizes = strips.begins, strips.sizes
        shape = tuple(
            max(begin + size, strips.reach(axis, count))
            for axis, (begin, size, count) in enumerate(
                zip(begins, sizes, strips.outputs, strict=True)
            )
        )
        count = math.prod(shape) * channels
        room = call.rooms.get(_PADDED, x.dtype, count * x.itemsize)
        image = room[:count].reshape(*shape, channels)
        (top, left), (height, width) = begins, sizes
        return Padded(image, image[top : top + height, left : left + width], x.strides[1:])

    def calls(self, schedule: Schedule, source: Any, target: Any) -> Iterator[Call]:
        """The copy from one place, and the zeros around it, to another one."""
        from pyflame_rt.backends.native.copying import CopyKernel, copy_call
        from pyflame_rt.backends.native.steps import Place

        kernel, image = CopyKernel(schedule.cpu, schedule.lanes), self.image

        def within(part: Array) -> Place:
            start = part.__array_interface__["data"][0] - image.__array_interface__["data"][0]
            return Place(target.operand, target.offset + start)

        for part in self._around():
            yield copy_call(kernel, 0, within(part), *_as_rows(part))
        sizes, ways = self.inside.shape, self.inside.strides
        if self.ways[1] == sizes[2] * 4 and ways[1] == sizes[2] * 4 and self.ways[2] == 4:
            # Pixels lie side by side in both.
            yield copy_call(
                kernel, source, within(self.inside), (sizes[0], sizes[1] * sizes[2]),
                (self.ways[0], 4), (ways[0], 4),
            )  # fmt: skip
            return
        # The longest axis is the last one, which has no loop around it.
        order = sorted(
            range(3), key=lambda axis: sizes[axis] * (ways[axis] != 4 or sizes[axis] > 8)
        )
        yield copy_call(
            kernel,
            source,
            within(self.inside),
            *([n[i] for i in order] for n in (sizes, self.ways, ways)),
        )

    def _around(self) -> Iterator[Array]:
        image, inside = self.image, self.inside
        start = inside.__array_interface__["data"][0] - image.__array_interface__["data"][0]
        top, rest = divmod(start, image.strides[0])
        left, (height, width) = rest // image.strides[1], inside.shape[:2]
        parts = (
            image[:top],
            image[top + height :],
            image[top : top + height, :left],
            image[top : top + height, left + width :],
        )
        yield from (part for part in parts if part.size)


def _as_rows(part: Array) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The sizes and ways of a part of an image whose pixels lie side by side."""
    rows, columns, channels = part.shape
    ways = (part.strides[0], 4)
    return (rows, columns * channels), ways, ways


def _pack(width: int, w: Array) -> Array:
    """(features, channels, rows, columns) by rows, columns and channels."""
    from pyflame_rt.backends.native.products import pack

    return pack(width, w.transpose(2, 3, 1, 0).reshape(-1, w.shape[0]))
