"""Transposed convolutions by machine code: a convolution for each phase of the strides.

Along an axis, o + pad = s v + p with 0 <= p < s, result o is the sum of x[v - j] w[p + s j]. So results
that are s apart are windows over x, with some of the taps, turned round; nothing is added up in memory.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pyflame_rt.backends.numpy_backend.algorithms.convolution_transposed import axes_of
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled.convolution import PADDED, Padded
from pyflame_rt.backends.numpy_backend.compiled.forms import ending_of
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.windows import TransposedAxis

if TYPE_CHECKING:
    from pyflame_rt.backends.native.steps import Step


@dataclass(frozen=True)
class Phase:
    """Results of an axis that get the same taps."""

    tap: int
    """The first of them: others are a stride on."""
    taps: int
    first: int
    """The first result: others are a stride on."""
    count: int
    begin: int
    """Where in x the window of the first result begins; it may be before it."""

    @property
    def end(self) -> int:
        """Where the last window ends."""
        return self.begin + self.count + self.taps - 1


def phases_of(axis: TransposedAxis, size: int, outputs: int) -> list[Phase]:
    """Those of an axis of so many elements and results, of which each gets a tap at least."""
    stride, pad = axis.stride, axis.resolved(size)[0]
    found: list[Phase] = []
    for tap in range(stride):
        first = (tap - pad) % stride
        if first < outputs:
            taps = len(range(tap, axis.kernel, stride))
            begin = (first + pad - tap) // stride - taps + 1
            found.append(Phase(tap, taps, first, -(-(outputs - first) // stride), begin))
    return found


def prepare(schedule: Schedule, call: BoundCall) -> Run | None:
    """y = the sum over taps of x @ w[tap], shifted; two spatial axes, one group, taps side by side."""
    from pyflame_rt.backends.native.floats.products import Layout, Product
    from pyflame_rt.backends.native.steps import Place

    x, shape, y = call.input(0), call.shape(1), call.output
    is_plain = call.in_layout("nhwc") and call.params.get("group", 1) == 1 and call.is_constant(1)
    if not is_plain or len(shape) != 4 or 0 in (*shape, *x.shape, *y.shape):
        return None
    axes = axes_of(call)
    if any(axis.dilation != 1 or axis.kernel < axis.stride for axis in axes):
        return None
    ending = ending_of(schedule, call, shape[1])
    if ending is None or schedule.elements != "f32" or y.strides[-1] != y.itemsize:
        return None
    down, across = (
        phases_of(axis, size, count)
        for axis, size, count in zip(axes, x.shape[1:3], y.shape[1:3], strict=True)
    )
    padded, (top, left) = _padded(call, x, down, across)
    image = x[0] if padded is None else padded.image
    line, pixel, _ = image.strides
    products: list[tuple[int, int, Product]] = []
    for rows, columns in itertools.product(down, across):
        layout = Layout(
            columns.count, shape[1], columns.taps * image.shape[2], pixel,
            axes[1].stride * y.strides[2], repeats=rows.count, a_repeat=line,
            c_repeat=axes[0].stride * y.strides[1], runs=rows.taps, a_run=line,
        )  # fmt: skip
        taps = (slice(rows.tap, None, axes[0].stride), slice(columns.tap, None, axes[1].stride))
        key = ("native", schedule.columns, "phase", rows.tap, columns.tap)
        packed = call.pack(1, key, partial(_pack, schedule.columns, taps))
        seen = (rows.begin + top) * line + (columns.begin + left) * pixel
        put = rows.first * y.strides[1] + columns.first * y.strides[2]
        product = Product.of(schedule, layout, packed, ending.bias, ending.finish, schedule.shares)
        products.append((seen, put, product))
    steps: list[Step] = []
    for index in range(len(x)):
        source = Place(0, index * x.strides[0])
        if padded is not None:
            steps.append(padded.step(schedule, source, Place(2)))
            source = Place(2)
        for seen, put, product in products:
            target = Place(1, index * y.strides[0] + put)
            steps.append(product.step(Place(source.operand, source.offset + seen), target, None))
    return NativeStep(schedule.cpu, steps, (x, y, None if padded is None else image), [])


def _padded(
    call: BoundCall, x: Array, down: Sequence[Phase], across: Sequence[Phase]
) -> tuple[Padded | None, tuple[int, int]]:
    """Memory for an image with what windows see around it, and how many rows and columns of that come
    before it; None where they see nothing else, and pixels lie side by side."""
    channels = x.shape[3]
    before = [max(0, *(-phase.begin for phase in phases)) for phases in (down, across)]
    after = [
        max(0, *(phase.end - size for phase in phases))
        for phases, size in ((down, x.shape[1]), (across, x.shape[2]))
    ]
    top, left = before
    is_dense = x.strides[-1] == x.itemsize and x.strides[-2] == channels * x.itemsize
    if is_dense and not any((*before, *after)):
        return None, (0, 0)
    _, height, width, _ = x.shape
    shape = (top + height + after[0], left + width + after[1], channels)
    count = math.prod(shape)
    image = call.rooms.get(PADDED, x.dtype, count * x.itemsize)[:count].reshape(shape)
    inside = image[top : top + height, left : left + width]
    return Padded(image, inside, x.strides[1:]), (top, left)


def _pack(width: int, taps: tuple[slice, slice], w: Array) -> Array:
    """Some taps of (channels, features, rows, columns), from the last to the first."""
    from pyflame_rt.backends.native.floats.products import pack

    some = w[:, :, taps[0], taps[1]][:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    return pack(width, some.reshape(-1, w.shape[1]), runs=some.shape[0])
