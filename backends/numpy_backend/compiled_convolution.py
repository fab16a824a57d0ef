"""Convolutions by machine code that reads windows where they lie in a padded image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from pyflame_rt.backends.native.products import Layout, Product, pack
from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import strips_of
from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled import ending_of
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strips
from pyflame_rt.dialects.plan.schedules import Schedule

_PADDED = 6
"""The number of the room for a padded image."""


def prepare(schedule: Schedule, call: BoundCall) -> Run | None:
    """y = windows @ w for each row of positions, of two spatial axes in one group.

    A window is, for each of its rows, one stretch of memory: its taps stand side by side.
    """
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
    image, steps, copies = _image(call, strips, x)
    packed = call.pack(1, ("native", schedule.columns), partial(_pack, schedule.columns))
    seen = image if image is not None else x[0]
    layout = _layout(strips, seen, y[0], None if residual is None else residual[0])
    product = Product.of(schedule, layout, packed, ending.bias, ending.finish)
    for index in range(len(x)):
        if image is not None:
            steps.append(partial(np.copyto, copies, x[index]))
        seen = image if image is not None else x[index]
        steps.append(product.on(seen, y[index], None if residual is None else residual[index]))
    if ending.activate is not None:
        steps.append(ending.activate.on(y))
    return sequence(steps)


def _layout(strips: Strips, image: Array, y: Array, residual: Array | None) -> Layout:
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


def _image(call: BoundCall, strips: Strips, x: Array) -> tuple[Array | None, list[Run], Array]:
    """Memory for a padded image, the steps that write zeros around it, and the place inside; no
    memory where windows see nothing else than the input, and taps of a row lie side by side."""
    channels = x.shape[-1]
    is_dense = x.strides[-1] == x.itemsize and x.strides[-2] == channels * x.itemsize
    if not strips.is_padded and is_dense:
        return None, [], x
    begins, sizes = strips.begins, strips.sizes
    shape = tuple(
        max(begin + size, strips.reach(axis, count))
        for axis, (begin, size, count) in enumerate(zip(begins, sizes, strips.outputs, strict=True))
    )
    count = math.prod(shape) * channels
    room = call.rooms.get(_PADDED, x.dtype, count * x.itemsize)
    image = room[:count].reshape(*shape, channels)
    (top, left), (height, width) = begins, sizes
    inside = image[top : top + height, left : left + width]
    steps: list[Run] = [partial(part.fill, 0) for part in _around(image, top, left, height, width)]
    return image, steps, inside


def _around(image: Array, top: int, left: int, height: int, width: int) -> Iterator[Array]:
    parts = (
        image[:top],
        image[top + height :],
        image[top : top + height, :left],
        image[top : top + height, left + width :],
    )
    yield from (part for part in parts if part.size)


def _pack(width: int, w: Array) -> Array:
    """(features, channels, rows, columns) by rows, columns and channels."""
    return pack(width, w.transpose(2, 3, 1, 0).reshape(-1, w.shape[0]))
