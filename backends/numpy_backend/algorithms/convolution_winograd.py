"""Convolutions with windows of 3 x 3 by fewer multiplications, on N x height x width x C data.

F(2 x 2, 3 x 3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016: a tile of
2 x 2 outputs is A^T ((G g G^T) * (B^T d B)) A for the 4 x 4 inputs d that it sees, summed over channels
before A, so that 16 matrix products take the place of 36. The entries of A and B are 0 and +-1: sums
differ from those of the windows by a few units in the last place of the largest of their terms. An
input that is no finite number makes NaN of all outputs of the tiles that see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import (
    CONVOLUTION,
    Padding,
    finishing,
    is_prepared,
    strips_of,
)
from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Implementation, Run, bound
from pyflame_rt.backends.numpy_backend.products import Shape
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strip

_AT_ONCE = 32
"""Features whose weights are transformed at once, in f64."""

_G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def _conv_winograd(call: BoundCall) -> Run | None:
    """Strips of whole tiles; what they have beyond the result is left out at the end."""
    if not is_prepared(call) or not call.is_constant(1):
        return None
    strips, x = strips_of(call)
    strips, output = strips.tiled(), call.output
    channels, height, features = x.shape[-1], output.shape[1], output.shape[3]
    at_once = strips.of_tiles(features, x.itemsize)
    padding = Padding.of(call, strips, x, at_once)
    shape = Shape.of(channels, features, x.dtype)
    weights = call.pack(1, ("winograd", shape), partial(_pack, shape))
    finish, steps = finishing(call), list(padding.prepare)
    for strip in strips.strips(at_once):
        more, seen = padding.seen(strip)
        images, rows = strip.images.stop - strip.images.start, strip.rows.stop - strip.rows.start
        down, along = rows // 2, strips.outputs[1] // 2
        count = images * down * along
        by_rows = call.scratch_of(1, (4, images, down, *seen.shape[2:]), x.dtype)
        tiles = call.scratch_of(2, (4, 4, images, down, along, channels), x.dtype)
        products = call.scratch_of(3, (16, count, features), x.dtype)
        sums = products.reshape(4, 4, images, down, along, features)
        room = np.empty_like(products) if shape.parts > 1 else products
        steps += more
        steps += _to_tiles(seen[:, : rows + 2], by_rows, tiles)
        steps += _multiply(tiles.reshape(16, count, channels), weights, shape, products, room)
        steps += _from_tiles(sums)
        kept = Strip(strip.images, slice(strip.rows.start, min(strip.rows.stop, height)))
        y = output[kept.index]
        for i in range(2):
            for j in range(2):
                target = y[:, i::2, j::2]
                source = sums[i, j, :, : target.shape[1], : target.shape[2]]
                steps.append(partial(np.copyto, target, source))
        steps += finish(kept)
    return sequence(steps)


def _pack(shape: Shape, w: Array) -> Array:
    """(M, C, 3, 3) as (16, parts, blocks, C / parts, M / blocks): G g G^T for each place in a tile."""
    features, channels = w.shape[:2]
    places = np.empty((16, channels, features), w.dtype)
    for start in range(0, features, _AT_ONCE):
        some = w[start : start + _AT_ONCE].reshape(-1, 9).astype(np.float64) @ np.kron(_G, _G).T
        places[:, :, start : start + _AT_ONCE] = some.reshape(-1, channels, 16).transpose(2, 1, 0)
    cut = (shape.parts, shape.blocks, shape.part_depth, shape.width)
    packed = np.empty((16, *cut), w.dtype)
    for place, matrix in enumerate(places):
        packed[place] = shape.pack(matrix)
    return packed


def _to_tiles(seen: Array, by_rows: Array, tiles: Array) -> list[Run]:
    """B^T d B: along the rows, then along the columns, which are there by two phases."""
    rows = [seen[:, i : i + seen.shape[1] - 3 : 2] for i in range(4)]
    along = tiles.shape[4]
    columns = [by_rows[:, :, :, j & 1, j >> 1 : (j >> 1) + along] for j in range(4)]
    steps = _differences(rows, [by_rows[i] for i in range(4)])
    return steps + _differences(columns, [tiles[:, j] for j in range(4)])


def _differences(d: list[Array], out: list[Array]) -> list[Run]:
    """d0 - d2, d1 + d2, d2 - d1, d1 - d3."""
    return [
        partial(np.subtract, d[0], d[2], out[0]),
        partial(np.add, d[1], d[2], out[1]),
        partial(np.subtract, d[2], d[1], out[2]),
        partial(np.subtract, d[1], d[3], out[3]),
    ]


def _multiply(x: Array, w: Array, shape: Shape, y: Array, room: Array) -> Iterator[Run]:
    """y[k] = x[k] @ w[k] for all 16 places, each in blocks as `Product` makes them."""
    depth, rows = shape.part_depth, x.shape[1]
    some = shape.rows_at_once(rows)
    whole = rows - rows % some
    for part in range(shape.parts):
        target = room if part else y
        taken = x[:, :, part * depth : (part + 1) * depth]
        for start, stop in ((0, whole), (whole, rows)):
            if start == stop:
                continue
            cut = ((stop - start) // min(some, stop - start), min(some, stop - start))
            left = taken[:, start:stop].reshape(16, 1, *cut, depth)
            result = target[:, start:stop].reshape(16, *cut, shape.blocks, shape.width)
            yield partial(np.matmul, left, w[:, part, :, None], result.transpose(0, 3, 1, 2, 4))
        if part:
            yield partial(np.add, y, room, y)


def _from_tiles(sums: Array) -> list[Run]:
    """A^T m A in the place of m: the outputs are then at [0..1, 0..1]."""
    by_rows = _totals([sums[i] for i in range(4)])
    return [*by_rows, *_totals([sums[:2, j] for j in range(4)])]


def _totals(m: list[Array]) -> list[Run]:
    """m0 + m1 + m2 in the place of m0, m1 - m2 - m3 in that of m1."""
    return [
        partial(np.add, m[0], m[1], m[0]),
        partial(np.add, m[0], m[2], m[0]),
        partial(np.subtract, m[1], m[2], m[1]),
        partial(np.subtract, m[1], m[3], m[1]),
    ]


IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("conv_winograd_nhwc", _conv_winograd, *CONVOLUTION, raw=(1,)),
)
