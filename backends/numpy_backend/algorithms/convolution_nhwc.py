"""Convolutions on N x spatial x C data, a strip of the result at a time.

A strip's windows are runs of kernel * C elements. They are laid out as columns, multiplied while they
are in the cache, and the product is finished (bias, residual, activation) before the next strip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Implementation, Run, bound
from pyflame_rt.backends.numpy_backend.epilogue import activate_of
from pyflame_rt.backends.numpy_backend.products import Product, Shape
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strip, Strips
from pyflame_rt.kernels.windows import WindowAxis, window_axes

_FEW = 8
"""Fewer channels that lie apart are copied one by one: NumPy's inner loop would be over them."""

_SHORT = 64
"""Positions for each of them: so few take less time than the calls."""

_WIDE = 1 << 12
"""Elements to which a bias is added by one inner loop: rows of fewer take longer, and of more no less."""

_PART = 5
"""The number of the room for parts of a product."""


def strips_of(call: BoundCall, phases: bool = False) -> tuple[Strips, Array]:
    """How a convolution goes over its result, and its input as N x spatial x C.

    With `phases` there are two spatial axes at least, the last one by phases of its stride.
    """
    x, params = call.input(0), call.params
    if params.get("x_layout") == "nchw":
        x = np.moveaxis(x, 1, -1)
    axes = window_axes(
        call.input(1).shape[2:],
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
    )
    if phases and len(axes) == 1:
        x, axes = x[:, :, None], (*axes, WindowAxis(1))
    count = axes[-1].stride if phases else 0
    return Strips(x.shape[0], x.shape[1:-1], x.shape[-1], axes, count), x


def is_prepared(call: BoundCall) -> bool:
    """Whether a convolution has anything to compute, on nhwc data of f32 or f64."""
    return call.computes() and call.in_layout("nhwc") and 0 not in (*call.shape(0), *call.shape(1))


def _conv_gemm_1x1(call: BoundCall) -> Run | None:
    """y = x @ w over all positions, where windows are single elements without gaps."""
    if not is_prepared(call):
        return None
    (strips, x), output = strips_of(call), call.output
    channels, features = x.shape[-1], output.shape[-1]
    multiply = _Multiply.of(call, 1)
    finish, steps = finishing(call), list(multiply.prepare)
    for strip in strips.strips(strips.at_once((channels + features) * x.itemsize)):
        y = output[strip.index].reshape(-1, features)
        steps += multiply(x[strip.index].reshape(-1, channels), y)
        steps += finish(strip)
    return sequence(steps)


def _conv_im2col(call: BoundCall) -> Run | None:
    """y = columns @ w, for each group."""
    if not is_prepared(call):
        return None
    (strips, x), output = strips_of(call), call.output
    group, features = call.params.get("group", 1), output.shape[-1]
    at_once = strips.of_columns(x.itemsize)
    padding = Padding.of(call, strips, x, at_once)
    buffer = call.scratch_of(padding.used, strips.columns(at_once), x.dtype).reshape(-1)
    multiply = _Multiply.of(call, group)
    finish, steps = finishing(call), [*multiply.prepare, *padding.prepare]
    for strip in strips.strips(at_once):
        more, windows = padding.windows(strip)
        columns = buffer[: windows.size].reshape(group, *windows.shape[:-1], -1)
        split = windows.reshape(*windows.shape[:-1], group, -1) if group > 1 else windows
        target = np.moveaxis(columns, 0, -2) if group > 1 else columns[0]
        steps += [*more, partial(np.copyto, target, split)]
        y = output[strip.index].reshape(-1, features)
        if group > 1:
            steps += multiply.groups(columns.reshape(group, len(y), -1), y)
        else:
            steps += multiply(columns.reshape(len(y), -1), y)
        steps += finish(strip)
    return sequence(steps)


@dataclass(frozen=True)
class _Multiply:
    """The product with the weights; `prepare` packs them in every run if they are not constant."""

    product: Product
    prepare: tuple[Run, ...]
    room: Array | None
    group: int

    @staticmethod
    def of(call: BoundCall, group: int) -> _Multiply:
        """That of a call's weights, of (features, channels of a group, *kernel)."""
        w = call.input(1)
        features, depth = w.shape[0] // group, math.prod(w.shape[1:])
        if not call.is_constant(1):
            shape = Shape.whole(depth, features)
            own = np.empty((group, 1, depth, features), w.dtype)

            def copy() -> None:
                np.copyto(own[:, 0], _by_group(w, group))

            return _Multiply(Product(shape, own), (copy,), None, group)
        shape = Shape.of(depth, features, w.dtype) if group == 1 else Shape.whole(depth, features)
        packed = call.pack(1, (shape, group), partial(_pack, shape, group))
        product = Product(shape, packed)
        size = product.room(math.prod(call.output_shape[:-1])) * w.itemsize
        room = call.rooms.get(_PART, w.dtype, size) if size else None
        return _Multiply(product, (), room, group)

    def __call__(self, x: Array, y: Array) -> list[Run]:
        """y = x @ w, for one group."""
        return list(self.product.steps(x, y, self.room))

    def groups(self, x: Array, y: Array) -> list[Run]:
        """y = x[g] @ w[g], side by side; BLAS is called for each group."""
        result = y.reshape(len(y), self.group, -1).swapaxes(0, 1)
        return [partial(np.matmul, x, self.product.weights[:, 0], result)]


def _by_group(w: Array, group: int) -> Array:
    """(M, C/group, *kernel) as (group, kernel * C/group, M/group)."""
    split = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    last = np.moveaxis(np.moveaxis(split, 1, -1), 1, -2)
    return last.reshape(group, -1, last.shape[-1])


def _pack(shape: Shape, group: int, w: Array) -> Array:
    rows = _by_group(w, group)
    return shape.pack(rows[0]) if group == 1 else np.ascontiguousarray(rows)[:, None]


@dataclass(frozen=True)
class Padding:
    """What windows see: the input, or a buffer for a strip of it with zeros around.

    `prepare` are the steps that write what all strips have in common, in every run: the memory is
    other buffers' too.
    """

    strips: Strips
    x: Array
    buffer: Array | None
    prepare: tuple[Run, ...]
    used: int
    """How many scratch buffers of the call this takes."""

    @staticmethod
    def of(call: BoundCall, strips: Strips, x: Array, at_once: tuple[int, int]) -> Padding:
        """That of a call, whose first scratch buffer it may take."""
        if not strips.is_padded and x.strides[-1] == x.itemsize:
            return Padding(strips, x, None, (), 0)
        buffer = call.scratch_of(0, strips.padded(at_once), x.dtype)
        return Padding(strips, x, buffer, tuple(_borders(strips, buffer)), 1)

    def windows(self, strip: Strip) -> tuple[list[Run], Array]:
        """(images, rows, …, *window, channels) of a strip, and the steps that make the input so."""
        steps, seen = self.seen(strip)
        axes, spatial = self.strips.axes, seen.strides[1:-1]
        images, rows = _sizes(strip)
        view = as_strided(
            seen,
            (images, rows, *self.strips.outputs[1:], *self.strips.window, seen.shape[-1]),
            (
                seen.strides[0],
                *(axis.stride * s for axis, s in zip(axes, spatial, strict=True)),
                *(axis.dilation * s for axis, s in zip(axes, spatial, strict=True)),
                seen.strides[-1],
            ),
            writeable=False,
        )
        return steps, view

    def seen(self, strip: Strip) -> tuple[list[Run], Array]:
        """What a strip's windows see from its first row on, and the steps that make it so."""
        strips = self.strips
        first = strip.rows.start * strips.axes[0].stride - strips.begins[0]
        if self.buffer is None:
            return [], self.x[strip.images, first:]
        images, rows = _sizes(strip)
        held = self.buffer[:images]
        low, high = max(first, 0), min(first + strips.reach(0, rows), strips.sizes[0])
        high = max(low, high)
        above, below = held[:, : low - first], held[:, high - first : strips.reach(0, rows)]
        steps: list[Run] = [partial(part.fill, 0) for part in (above, below) if part.size]
        source = self.x[strip.images, low:high]
        return [*steps, *self._copies(held[:, low - first : high - first], source)], held

    def _copies(self, held: Array, source: Array) -> list[Run]:
        strips = self.strips
        if source.size == 0:
            return []
        middle = [
            slice(begin, begin + size)
            for begin, size in zip(strips.begins[1:], strips.sizes[1:], strict=True)
        ]
        if strips.phases:
            return _by_phase(strips, held[(slice(None), slice(None), *middle[:-1])], source)
        inside = held[(slice(None), slice(None), *middle)]
        channels = source.shape[-1]
        if (
            source.strides[-1] == source.itemsize
            or channels >= _FEW
            or source.size < _SHORT * channels**2
        ):
            return [partial(np.copyto, inside, source)]
        return [partial(np.copyto, inside[..., c], source[..., c]) for c in range(channels)]


def _sizes(strip: Strip) -> tuple[int, int]:
    """How many images and rows a strip has."""
    return strip.images.stop - strip.images.start, strip.rows.stop - strip.rows.start


def _borders(strips: Strips, buffer: Array) -> list[Run]:
    """Steps that write zeros before and after the input along all axes but the first."""
    found: list[Array] = []
    for axis in range(1, len(strips.axes)):
        front = (slice(None),) * (axis + 1)
        begin, size = strips.begins[axis], strips.sizes[axis]
        if strips.phases and axis == len(strips.axes) - 1:
            for phase, (_, place) in enumerate(_places(strips)):
                for part in (slice(0, place.start), slice(place.stop, None)):
                    found.append(buffer[(*front, phase, part)])
            continue
        found += [buffer[(*front, slice(0, begin))], buffer[(*front, slice(begin + size, None))]]
    return [partial(part.fill, 0) for part in found if part.size]


def _places(strips: Strips) -> list[tuple[slice, slice]]:
    """For each phase, the elements along the last axis that have it, and where they go."""
    phases, begin, size = strips.phases, strips.begins[-1], strips.sizes[-1]
    found: list[tuple[slice, slice]] = []
    for phase in range(phases):
        first = (phase - begin) % phases
        place = (begin + first) // phases
        count = len(range(first, size, phases))
        found.append((slice(first, None, phases), slice(place, place + count)))
    return found


def _by_phase(strips: Strips, held: Array, source: Array) -> list[Run]:
    return [
        partial(np.copyto, held[..., phase, place, :], source[..., taken, :])
        for phase, (taken, place) in enumerate(_places(strips))
        if place.start < place.stop
    ]


def finishing(call: BoundCall) -> Callable[[Strip], list[Run]]:
    """The steps that add bias and residual to a strip of the result, and apply the activation."""
    bias, residual, shape = call.optional(2), call.optional(3), call.output.shape
    activate = activate_of(call)
    if bias is not None and call.is_constant(2):
        count = _repeats(shape)
        bias = call.pack(2, ("tiled", count), partial(_tiled, count))

    def steps(strip: Strip) -> list[Run]:
        y = call.output[strip.index]
        added = [] if bias is None else _biased(y.reshape(-1), bias)
        if residual is not None:
            added.append(partial(np.add, y, residual[strip.index], y))
        return added if activate is None else [*added, activate.on(y)]

    return steps


def _biased(y: Array, bias: Array) -> list[Run]:
    """Adds a bias to the rows of a contiguous part of the result, and to the rest of a row."""
    whole = y.size - y.size % bias.size
    rows, rest = y[:whole].reshape(-1, bias.size), y[whole:]
    parts = [(rows[0] if len(rows) == 1 else rows, bias), (rest, bias[: rest.size])]
    return [partial(np.add, part, row, part) for part, row in parts if part.size]


def _repeats(shape: Sequence[int]) -> int:
    """How many times a bias is repeated: for all of a small result, else for enough positions, with those
    of whole rows where that is not many more."""
    features, positions, along = shape[-1], math.prod(shape[:-1]), max(1, shape[-2])
    count = -(-_WIDE // max(1, features))
    of_rows = -(-count // along) * along
    return min(positions, of_rows if of_rows < 2 * count else count)


def _tiled(count: int, vector: Array) -> Array:
    return np.tile(vector, count)


CONVOLUTION: Sequence[str] = (
    "strides", "pads", "dilations", "group", "auto_pad", "layout", "activation", "x_layout",
)  # fmt: skip
"""The properties of a convolution."""

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("conv_gemm_1x1_nhwc", _conv_gemm_1x1, *CONVOLUTION, raw=(1,)),
    bound("conv_im2col_nhwc", _conv_im2col, *CONVOLUTION, raw=(1,)),
)
