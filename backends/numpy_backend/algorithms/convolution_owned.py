"""Convolutions on N x C x spatial data whose sizes are known at run time only.

What a window sees is laid out for some rows of the result at a time, so that beside the result
little memory is taken; and depthwise ones add up their taps without laying out anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from pyflame_rt import kernels
from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import CONVOLUTION
from pyflame_rt.backends.numpy_backend.blocks import Rooms
from pyflame_rt.backends.numpy_backend.calls import Call, Function, Implementation, by_kernel, late
from pyflame_rt.backends.numpy_backend.epilogue import Activate, activate_of
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.windows import WindowAxis, sliding, window_axes

_CACHED = 1 << 20
"""Bytes of what is laid out, or of the channels that are added up, at once."""

_COLUMNS, _PADDED, _TERMS, _SUMS = range(40, 44)
"""The rooms that these calls use."""


def _own_conv(call: Call) -> Function | None:
    """As the kernel does, in a bounded part of its memory; what this does not take goes there."""
    if not call.in_layout("nchw") or call.params.get("x_layout") is not None:
        return None
    dtype = call.dtype
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)) or not call.one_dtype():
        return None
    kernel = partial(kernels.table()["conv"], **call.params)
    names = ("strides", "pads", "dilations", "auto_pad")
    window = {name: call.params[name] for name in names}
    group, activate, rooms = call.params["group"], activate_of(call), call.rooms

    def run(x: Array, w: Array, bias: Array | None, residual: Array | None) -> Array:
        axes = window_axes(w.shape[2:], **window) if w.ndim > 2 and x.ndim == w.ndim else ()
        fits = axes and x.shape[1] == w.shape[1] * group and w.shape[0] % group == 0
        if not fits or 0 in (*x.shape, *w.shape) or not x.flags.c_contiguous:
            return kernel(x, w, bias, residual)
        outputs = [axis.output_size(size) for axis, size in zip(axes, x.shape[2:], strict=True)]
        shape = (x.shape[0], w.shape[0], *outputs)
        if 0 in shape or (residual is not None and residual.shape != shape):
            return kernel(x, w, bias, residual)
        work = _Work(x, w, axes, group, np.empty(shape, dtype), rooms)
        work.run()
        _finish(work.y, bias, residual, activate)
        return work.y

    return run


def _finish(
    y: Array, bias: Array | None, residual: Array | None, activate: Activate | None
) -> None:
    """What follows the sums, one image after the other."""
    if bias is not None:
        bias = bias.reshape(-1, *(1,) * (y.ndim - 2))
    for index, image in enumerate(y):
        if bias is not None:
            np.add(image, bias, image)
        if residual is not None:
            np.add(image, residual[index], image)
        if activate is not None:
            activate(image)


@dataclass(frozen=True)
class _Work:
    """One convolution: y = sum over the taps of w of what x is there."""

    x: Array
    w: Array
    axes: Sequence[WindowAxis]
    group: int
    y: Array
    rooms: Rooms

    def run(self) -> None:
        """Compute y."""
        if self.w.shape[1] == 1 and self.group > 1:
            self._by_channel()
        else:
            self._by_columns()

    def _room(self, number: int, shape: Sequence[int]) -> Array:
        size = math.prod(shape) * self.y.itemsize
        return self.rooms.get(number, self.y.dtype, size).reshape(shape)

    def _by_columns(self) -> None:
        """One product a group, and some rows of one image at a time."""
        batch, rank, features = self.x.shape[0], len(self.axes), self.w.shape[0] // self.group
        depth, rows = math.prod(self.w.shape[1:]), self.y.shape[2]
        along = math.prod(self.y.shape[3:])
        weights = self.w.reshape(self.group, features, depth)
        y = self.y.reshape(batch, self.group, features, rows * along)
        is_direct = all(a.kernel == a.stride == 1 and a.pads == (0, 0) for a in self.axes) and all(
            n == m for n, m in zip(self.x.shape[2:], self.y.shape[2:], strict=True)
        )
        if is_direct:
            np.matmul(weights, self.x.reshape(batch, self.group, depth, rows * along), y)
            return
        windows = sliding(self.x, self.axes, 0)
        order = (0, *range(1 + rank, 1 + 2 * rank), *range(1, 1 + rank))
        at_once = max(1, _CACHED // (self.group * depth * along * y.itemsize))
        for image, first in product(range(batch), range(0, rows, at_once)):
            seen = windows[image, :, first : first + at_once].transpose(order)
            columns = self._room(_COLUMNS, seen.shape)
            np.copyto(columns, seen)
            part = columns.reshape(self.group, depth, -1)
            np.matmul(weights, part, y[image, ..., first * along : (first + at_once) * along])

    def _by_channel(self) -> None:
        """One multiplication and addition a tap, for some channels of one image at a time."""
        channels, features = self.x.shape[1], self.w.shape[0]
        each = features // channels
        pads = [axis.resolved_pads(n) for axis, n in zip(self.axes, self.x.shape[2:], strict=True)]
        sizes = [
            max(low + size + high, (count - 1) * axis.stride + axis.extent)
            for axis, size, count, (low, high) in zip(
                self.axes, self.x.shape[2:], self.y.shape[2:], pads, strict=True
            )
        ]
        at_once = max(1, _CACHED // (4 * math.prod(sizes) * self.y.itemsize))
        inside = tuple(
            slice(low, low + size) for (low, _), size in zip(pads, self.x.shape[2:], strict=True)
        )
        is_padded = any(map(any, pads)) or tuple(sizes) != self.x.shape[2:]
        for image, first in product(range(self.x.shape[0]), range(0, channels, at_once)):
            seen = self.x[image, first : first + at_once]
            count = seen.shape[0]
            if is_padded:
                padded = self._room(_PADDED, (count, *sizes))
                padded.fill(0)
                padded[(slice(None), *inside)] = seen
                seen = padded
            part = slice(first * each, (first + count) * each)
            y = self.y[image, part].reshape(count, each, *self.y.shape[2:])
            w = self.w[part].reshape(count, each, *self.w.shape[2:])
            if all(axis.stride == 1 for axis in self.axes):
                self._sum_runs(seen, w, y)
            else:
                self._sum_taps(seen, w, y)

    def _sum_runs(self, seen: Array, w: Array, y: Array) -> None:
        """All positions of an image in a run, with those between its rows, which are left out then."""
        sizes, outputs = seen.shape[1:], y.shape[2:]
        steps = [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]
        length = sum((n - 1) * step for n, step in zip(outputs, steps, strict=True)) + 1
        runs = seen.reshape(seen.shape[0], 1, -1)
        sums = self._room(_SUMS, (*y.shape[:2], runs.shape[2]))
        terms = self._room(_TERMS, (*y.shape[:2], length))
        total = sums[..., :length]
        for number, tap in enumerate(_taps(w.shape[2:])):
            places = zip(tap, self.axes, steps, strict=True)
            start = sum(at * axis.dilation * step for at, axis, step in places)
            target: Any = terms if number else total
            np.multiply(runs[..., start : start + length], w[(..., *tap)][..., None], target)
            if number:
                np.add(total, terms, total)
        whole = sums.reshape(*y.shape[:2], *sizes)
        np.copyto(y, whole[(slice(None), slice(None), *map(slice, outputs))])

    def _sum_taps(self, seen: Array, w: Array, y: Array) -> None:
        """Positions one stride apart."""
        ones = (1,) * len(self.axes)
        terms = self._room(_TERMS, y.shape)
        for number, tap in enumerate(_taps(w.shape[2:])):
            where = tuple(
                slice(at * a.dilation, at * a.dilation + (n - 1) * a.stride + 1, a.stride)
                for at, a, n in zip(tap, self.axes, y.shape[2:], strict=True)
            )
            factors = w[(..., *tap)].reshape(*w.shape[:2], *ones)
            target: Any = terms if number else y
            np.multiply(seen[(slice(None), None, *where)], factors, target)
            if number:
                np.add(y, terms, y)


def _taps(window: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return product(*map(range, window))


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    late("conv", by_kernel, *CONVOLUTION, arity=4, own=_own_conv),
)
