"""Algorithms on N x spatial x C data, where a window is a few runs of kernel * C elements.

A convolution goes over blocks of output positions: columns are multiplied while they are in the
cache, and the product is finished (bias, residual, activation) before the next block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyflame_rt.backends.numpy_backend.algorithms.normalization import folded_statistics
from pyflame_rt.backends.numpy_backend.algorithms.pooling import (
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
)
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Implementation,
    Run,
    bound,
    late,
    sequence,
)
from pyflame_rt.backends.numpy_backend.epilogue import (
    activation_of,
    activation_steps,
    residual_steps,
)
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.windows import WindowAxis, window_axes

Part: TypeAlias = tuple[int | slice, ...]
"""Some whole images, or some rows of one image: contiguous in the output."""

_CACHED = 1 << 20
"""Bytes that a product may read and write and find in the cache afterwards."""

_LEAST_POSITIONS = 192
"""With fewer rows, matrix products get slower than the cache makes what follows them faster."""

_FEW = 8
"""Fewer channels that lie apart are copied one by one: NumPy's inner loop would be over them."""

_WIDE = 512
"""A vector of so many elements is added to rows as fast as if it were longer."""


def _conv_gemm_1x1(call: BoundCall) -> Run | None:
    """y = x @ w over all positions, where windows are single elements without gaps."""
    if not call.computes() or 0 in call.shape(0) or not call.in_layout("nhwc"):
        return None
    x, output = call.input(0), call.output
    channels, features = x.shape[-1], output.shape[-1]
    weights, steps = _packed(call, lambda w: w.reshape(features, channels).T)
    along = math.prod(output.shape[2:-1])
    least = -(-_LEAST_POSITIONS // max(1, along))
    rows = max(least, _CACHED // max(1, along * (channels + features) * x.itemsize))
    finish = _finishing(call)
    for part in _parts(output.shape, rows):
        product = output[part].reshape(-1, features)
        steps.append(partial(np.matmul, x[part].reshape(-1, channels), weights, product))
        steps += finish(part)
    return sequence(steps)


def _conv_im2col(call: BoundCall) -> Run | None:
    """y = columns @ w, for each block of output positions and each group."""
    if not call.computes() or 0 in call.shape(0) or not call.in_layout("nhwc"):
        return None
    group, features = call.params.get("group", 1), call.output.shape[-1]
    weights, steps = _packed(call, partial(_rows_by_group, group=group))
    windows, padding, used = _windows(call)
    steps += padding
    channels = windows.shape[-1]
    row = math.prod(windows.shape[2:])
    held = call.scratch[used].nbytes if used < len(call.scratch) else _CACHED
    rows = max(1, held // max(1, row * windows.itemsize))
    buffer = call.scratch_of(used, (min(rows, math.prod(windows.shape[:2])) * row,), windows.dtype)
    finish = _finishing(call)
    for part in _parts(call.output.shape, rows):
        taken = windows[part]
        split = (*taken.shape[:-1], group, channels // group)
        columns = buffer[: taken.size].reshape(group, *taken.shape[:-1], channels // group)
        steps.append(partial(np.copyto, np.moveaxis(columns, 0, -2), taken.reshape(split)))
        flat = columns.reshape(group, -1, weights.shape[1])
        product = call.output[part].reshape(-1, group, features // group).swapaxes(0, 1)
        if group == 1:
            steps.append(partial(np.matmul, flat[0], weights[0], product[0]))
        else:
            steps.append(partial(np.matmul, flat, weights, product))
        steps += finish(part)
    return sequence(steps)


def _conv_depthwise(call: BoundCall) -> Run | None:
    """y = sum over taps of x, shifted, times the tap's weights: a few rows of y at a time."""
    if not call.computes() or 0 in call.shape(0) or not call.in_layout("nhwc"):
        return None
    windows, padding, used = _windows(call)
    channels, width = windows.shape[-1], call.output.shape[-2]
    # One long vector along rows that lie as they are, or runs of the channels.
    repeats = width if channels < _WIDE and call.output.ndim > 3 else 1
    weights, steps = _packed(call, partial(_taps, repeats=repeats))
    shape = (width, channels) if repeats > 1 else (channels,)
    steps += padding
    row = math.prod(call.output.shape[2:])
    held = call.scratch[used].nbytes if used < len(call.scratch) else row * windows.itemsize
    rows = max(1, min(held // max(1, row * windows.itemsize), call.output.shape[1]))
    strip = call.scratch_of(used, (rows, *call.output.shape[2:]), windows.dtype)
    taps, finish = list(np.ndindex(*call.input(1).shape[2:])), _finishing(call)
    for image in range(call.output.shape[0]):
        for rows_part in _row_parts(call.output.shape[1], rows):
            part = (image, rows_part)
            taken, y = windows[part], call.output[part]
            front = (slice(None),) * (y.ndim - 1)
            products = strip[: y.shape[0]]
            for index, tap in enumerate(taps):
                source, factor = taken[(*front, *tap)], weights[index].reshape(shape)
                target = products if index else y
                steps.append(partial(np.multiply, source, factor, target))
                if index:
                    steps.append(partial(np.add, y, products, y))
            steps += finish(part)
    return sequence(steps)


def _packed(call: BoundCall, pack: Callable[[Array], Array]) -> tuple[Array, list[Run]]:
    """The weights as a product wants them, and the steps that make them in every run if need be."""
    if call.is_constant(1):
        kept = call.packed("weights", lambda: np.ascontiguousarray(pack(call.constant(1))))
        return kept, []
    view = pack(call.input(1))
    own = np.empty(view.shape, view.dtype)
    return own, [lambda: np.copyto(own, pack(call.input(1)))]


def _rows_by_group(w: Array, group: int) -> Array:
    """(M, C/group, *kernel) as (group, kernel * C/group, M/group)."""
    split = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    last = np.moveaxis(np.moveaxis(split, 1, -1), 1, -2)
    return last.reshape(group, -1, last.shape[-1])


def _taps(w: Array, repeats: int) -> Array:
    """(C, 1, *kernel) as (taps, repeats * C)."""
    return np.tile(w.reshape(w.shape[0], -1).T, (1, repeats))


def _parts(shape: Sequence[int], rows: int) -> Iterator[Part]:
    """Parts of an (N, rows, …) array of about so many rows: whole images if one is no more."""
    batch, height = shape[:2]
    if 0 in shape:
        return
    if rows >= height:
        images = max(1, rows // height)
        for start in range(0, batch, images):
            yield (slice(start, min(start + images, batch)),)
        return
    for image in range(batch):
        yield from ((image, part) for part in _row_parts(height, rows))


def _row_parts(height: int, rows: int) -> Iterator[slice]:
    """Rows in parts of about the same size, at most `rows` each."""
    size = -(-height // -(-height // rows))
    return (slice(start, min(start + size, height)) for start in range(0, height, size))


def _windows(call: BoundCall) -> tuple[Array, list[Run], int]:
    """(N, *outputs, *kernel, C): what each window sees; the steps that pad x; scratch they use.

    The border of the padded input is written in every run: its memory is other buffers' too.
    """
    x, outputs = call.input(0), call.output.shape[1:-1]
    if call.params.get("x_layout") == "nchw":
        x = np.moveaxis(x, 1, -1)
    axes = _axes(call)
    begins = [axis.resolved_pads(size)[0] for axis, size in zip(axes, x.shape[1:-1], strict=True)]
    sizes = tuple(
        max(begin + size, (count - 1) * axis.stride + axis.extent)
        for axis, begin, size, count in zip(axes, begins, x.shape[1:-1], outputs, strict=True)
    )
    steps: list[Run] = []
    if sizes != x.shape[1:-1]:
        padded = call.scratch_of(0, (x.shape[0], *sizes, x.shape[-1]), x.dtype)
        steps = _padding(x, padded, begins)
        x = padded
    spatial = x.strides[1:-1]
    windows = as_strided(
        x,
        (x.shape[0], *outputs, *(axis.kernel for axis in axes), x.shape[-1]),
        (
            x.strides[0],
            *(axis.stride * s for axis, s in zip(axes, spatial, strict=True)),
            *(axis.dilation * s for axis, s in zip(axes, spatial, strict=True)),
            x.strides[-1],
        ),
        writeable=False,
    )
    return windows, steps, len(steps[:1])


def _axes(call: BoundCall) -> tuple[WindowAxis, ...]:
    params = call.params
    return window_axes(
        call.input(1).shape[2:],
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
    )


def _padding(x: Array, padded: Array, begins: Sequence[int]) -> list[Run]:
    """Steps that write zeros around a copy of x."""
    steps: list[Run] = []
    ends = [begin + size for begin, size in zip(begins, x.shape[1:-1], strict=True)]
    for axis, (begin, end) in enumerate(zip(begins, ends, strict=True), start=1):
        front = (slice(None),) * axis
        for strip in (padded[(*front, slice(0, begin))], padded[(*front, slice(end, None))]):
            if strip.size:
                steps.append(partial(strip.fill, 0))
    inside = padded[(slice(None), *map(slice, begins, ends))]
    if x.strides[-1] == x.itemsize or x.shape[-1] >= _FEW:
        return [*steps, partial(np.copyto, inside, x)]
    channels = range(x.shape[-1])
    return [*steps, *(partial(np.copyto, inside[..., c], x[..., c]) for c in channels)]


def _finishing(call: BoundCall) -> Callable[[Part], list[Run]]:
    """The steps that add bias and residual to a part of the output, and apply the activation."""
    bias, activate, shape = call.optional(2), activation_of(call), call.output.shape
    row = shape[-1:]
    if bias is not None and len(shape) > 3 and shape[-1] < _WIDE and call.is_constant(2):
        row = (shape[-2] * shape[-1],)
        bias = call.packed("bias", lambda: np.tile(call.constant(2), shape[-2]))

    def steps(part: Part) -> list[Run]:
        y = call.output[part]
        rows = y.reshape(-1, *row)
        added = [] if bias is None else [partial(np.add, rows, bias, rows)]
        applied = [] if activate is None else [activate.on(y)]
        return [*added, *residual_steps(call, 3, y, part), *applied]

    return steps


def _batch_normalization_folded(call: BoundCall) -> Run | None:
    """x * factor + shift, on rows of the last spatial axis where there are few channels."""
    folded = folded_statistics(call)
    if folded is None or not call.in_layout("nhwc"):
        return None
    x, y = call.input(0), call.output
    width = y.shape[-2] if y.ndim > 3 and y.shape[-1] < _WIDE else 1
    factor, shift = (np.tile(part.reshape(-1), width) for part in folded)
    if 0 in y.shape:
        return sequence([])
    rows, flat = x.reshape(-1, factor.size), y.reshape(-1, factor.size)
    multiply, add = partial(np.multiply, rows, factor, flat), partial(np.add, flat, shift, flat)
    return sequence([multiply, add, *activation_steps(call, y)])


_CONV = ("strides", "pads", "dilations", "group", "auto_pad", "layout", "activation")
_POOL = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "layout")

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("average_pool_nhwc", partial(average_pool, first=1), *_POOL, "count_include_pad"),
    bound(
        "batch_normalization_folded_nhwc",
        _batch_normalization_folded,
        "epsilon",
        "layout",
        "activation",
    ),
    bound("conv_depthwise_nhwc", _conv_depthwise, *_CONV),
    bound("conv_gemm_1x1_nhwc", _conv_gemm_1x1, *_CONV),
    bound("conv_im2col_nhwc", _conv_im2col, *_CONV, "x_layout"),
    late("global_average_pool_nhwc", partial(global_average_pool, first=1), "layout"),
    late("global_max_pool_nhwc", partial(global_max_pool, first=1), "layout"),
    bound("max_pool_nhwc", partial(max_pool, first=1), *_POOL),
)
