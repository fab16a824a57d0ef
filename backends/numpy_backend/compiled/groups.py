"""Convolutions of several groups, with gaps between taps, or along one axis, by machine code.

The input of an image is laid out anew, padded, so that the windows of each product are stretches of
memory as those of a plain convolution are: groups one after the other, and within them, by phases, the
columns that taps with gaps meet. Groups stay apart, though several would fill a register: zeros as the
weights from one to another make NaN of another group's infinities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import strips_of
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled.forms import ending_of
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strips
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.windows import WindowAxis

if TYPE_CHECKING:
    from pyflame_rt.backends.native.floats.products import Finish, Product
    from pyflame_rt.backends.native.steps import Call, Step

_LAID_OUT = 8
"""The number of the room for an image that is laid out anew."""

_FLOAT = 4
_FEWEST = 4
"""The part of a register that the features of a group fill, at least: one in so many."""

_COPIED = 8.0
"""Bytes that are laid out in a nanosecond; about."""

_X, _Y, _RESIDUAL, _ROOM = range(4)


def prepare(schedule: Schedule, call: BoundCall) -> Run | None:
    """y = activation(conv(x, w) + bias + residual) on one or two spatial axes."""
    w, group = call.shape(1), int(call.params.get("group", 1))
    is_plain = schedule.elements == "f32" and call.in_layout("nhwc") and call.is_constant(1)
    if not is_plain or len(w) not in (3, 4) or 0 in (*w, *call.output_shape) or w[0] % group:
        return None
    ending = ending_of(schedule, call, w[0])
    strips, x = strips_of(call)
    y, residual = call.output, call.optional(3)
    is_narrow = group > 1 and w[0] // group * _FEWEST < schedule.lanes
    if ending is None or 0 in x.shape or is_narrow:
        return None
    if len(w) == 3:
        x, y = x[:, None], y[:, None]
        residual = None if residual is None else residual[:, None]
        axes = (WindowAxis(1), *strips.axes)
        strips = Strips(strips.batch, (1, *strips.sizes), strips.channels, axes)
    if any(a is not None and a.strides[-1] != _FLOAT for a in (y, residual)):
        return None
    layer = _Layer.of(schedule, call, strips, group, x, y, residual, ending.finish)
    room = call.rooms.get(_LAID_OUT, np.dtype(np.float32), layer.size * _FLOAT)[: layer.size]
    return NativeStep(schedule.cpu, tuple(layer.steps()), (x, y, residual, room), [])


@dataclass(frozen=True)
class _Phase:
    """Every so many results along the last axis, whose taps meet the same columns."""

    first: int
    apart: int
    count: int
    phase: int
    """Of the columns that are met."""
    start: int
    """The first that is met, of those of the phase."""
    stride: int


def phases(axis: WindowAxis, outputs: int) -> Iterator[_Phase]:
    """Those of an axis: with gaps between taps, neighbouring windows meet different columns."""
    common = math.gcd(axis.stride, axis.dilation)
    apart = axis.dilation // common
    for first in range(min(apart, outputs)):
        start, phase = divmod(first * axis.stride, axis.dilation)
        count = -(-(outputs - first) // apart)
        yield _Phase(first, apart, count, phase, start, axis.stride // common)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A convolution as products of groups and phases."""

    schedule: Schedule
    strips: Strips
    groups: int
    x: Array
    y: Array
    residual: Array | None
    weights: Array
    """Of each group: panels x depth x columns of a panel."""
    bias: Array | None
    finish: Finish

    @staticmethod
    def of(
        schedule: Schedule,
        call: BoundCall,
        strips: Strips,
        group: int,
        x: Array,
        y: Array,
        residual: Array | None,
        finish: Finish,
    ) -> _Layer:
        """That of a call."""
        from pyflame_rt.backends.native.floats.products import pack_bias

        features = y.shape[-1]
        schedule = schedule.narrowed(features // group)
        width = schedule.columns
        weights = call.pack(1, ("native groups", width), partial(_pack, width, group))
        bias = None
        if call.has(2):
            parts = call.constant(2).reshape(group, -1)
            bias = np.stack([pack_bias(width, part) for part in parts])
        return _Layer(schedule, strips, group, x, y, residual, weights, bias, finish)

    @cached_property
    def dilation(self) -> int:
        """Columns between taps of a row."""
        return self.strips.axes[1].dilation

    @cached_property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Of what is laid out: groups, rows, phases, columns of a phase, channels of a group."""
        (top, left), (height, width) = self.strips.begins, self.strips.sizes
        rows = max(top + height, self.strips.reach(0, self.strips.outputs[0]))
        columns = max(left + width, self.strips.reach(1, self.strips.outputs[1]))
        channels = self.strips.channels // self.groups
        return self.groups, rows, self.dilation, -(-columns // self.dilation), channels

    @cached_property
    def size(self) -> int:
        """Elements of what is laid out."""
        return math.prod(self.shape)

    @cached_property
    def ways(self) -> tuple[int, ...]:
        """In bytes, along the axes of what is laid out."""
        shape = self.shape
        return tuple(_FLOAT * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))

    def steps(self) -> Iterator[Step]:
        """Image by image: laid out, and multiplied."""
        from pyflame_rt.backends.native.steps import Place, Step

        products = [(g, p, self._product(g, p)) for g in range(self.groups) for p in self._phases]
        work = sum(product.work for *_, product in products)
        x, y, residual = self.x, self.y, self.residual
        for image in range(len(x)):
            yield self._laid_out(image * x.strides[0])
            shares: list[list[Call]] = [[] for _ in range(self.schedule.shares)]
            for group, phase, product in products:
                features = self.y.shape[-1] // self.groups * _FLOAT * group
                start = (
                    group * self.ways[0] + phase.phase * self.ways[2] + phase.start * self.ways[3]
                )
                to = image * y.strides[0] + phase.first * y.strides[2] + features
                more = None
                if residual is not None:
                    before = image * residual.strides[0] + phase.first * residual.strides[2]
                    more = Place(_RESIDUAL, before + features)
                step = product.step(Place(_ROOM, start), Place(_Y, to), more)
                for share, calls in zip(shares, step.shares, strict=False):
                    share += calls
            yield Step(tuple(tuple(share) for share in shares if share), work)

    @cached_property
    def _phases(self) -> tuple[_Phase, ...]:
        return tuple(phases(self.strips.axes[1], self.strips.outputs[1]))

    def _product(self, group: int, phase: _Phase) -> Product:
        from pyflame_rt.backends.native.floats.products import Layout, Product

        rows, across = self.strips.axes
        line, element = self.ways[1], self.ways[3]
        y, more = self.y.strides, (0,) * 4 if self.residual is None else self.residual.strides
        layout = Layout(
            phase.count, self.y.shape[-1] // self.groups, across.kernel * self.shape[-1],
            phase.stride * element, phase.apart * y[2], phase.apart * more[2],
            repeats=self.y.shape[1], a_repeat=rows.stride * line, c_repeat=y[1],
            residual_repeat=more[1], runs=rows.kernel, a_run=rows.dilation * line,
        )  # fmt: skip
        bias = None if self.bias is None else self.bias[group]
        return Product.of(
            self.schedule, layout, self.weights[group], bias, self.finish, self.schedule.shares
        )

    def _laid_out(self, at: int) -> Step:
        """The step that lays out the image that begins there, by rows."""
        from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call
        from pyflame_rt.backends.native.steps import Place, Step

        kernel = CopyKernel(self.schedule.cpu, self.schedule.lanes)
        groups, rows, _, columns, channels = self.shape
        (top, left), (height, width) = self.strips.begins, self.strips.sizes
        ways, x = self.ways, self.x.strides[1:]
        shares: list[tuple[Call, ...]] = []
        count = self.schedule.shares
        for first, stop in pairwise(rows * i // count for i in range(count + 1)):
            calls: list[Call] = []
            begin, end = max(first, top), min(stop, top + height)
            if first == stop:
                continue
            sizes = (groups, stop - first, self.dilation * columns * channels)
            if self._is_padded:
                to = (ways[0], ways[1], _FLOAT)
                calls.append(copy_call(kernel, 0, Place(_ROOM, first * ways[1]), sizes, to, to))
            for phase in range(self.dilation if begin < end else 0):
                column = (phase - left) % self.dilation
                sizes = (groups, end - begin, -(-(width - column) // self.dilation), channels)
                if sizes[2] < 1:
                    continue
                seen = Place(_X, at + (begin - top) * x[0] + column * x[1])
                target = (
                    begin * ways[1] + phase * ways[2] + (left + column) // self.dilation * ways[3]
                )
                before = (channels * x[2], x[0], self.dilation * x[1], x[2])
                after = (ways[0], ways[1], ways[3], _FLOAT)
                calls.append(copy_call(kernel, seen, Place(_ROOM, target), sizes, before, after))
            shares.append(tuple(calls))
        return Step(tuple(share for share in shares if share), self.size * _FLOAT / _COPIED)

    @property
    def _is_padded(self) -> bool:
        return self.shape[1] > self.strips.sizes[0] or (
            self.shape[2] * self.shape[3] > self.strips.sizes[1]
        )


def _pack(width: int, group: int, w: Array) -> Array:
    """(features, channels of a group, …, columns) for each group: rows, columns and channels by
    features."""
    from pyflame_rt.backends.native.floats.products import pack

    rows, columns = (1, *w.shape[2:])[-2:]
    features, channels = w.shape[0] // group, w.shape[1]
    taps = w.reshape(group, features, channels, rows, columns).transpose(0, 3, 4, 2, 1)
    return np.stack([pack(width, part.reshape(-1, features)) for part in taps])
