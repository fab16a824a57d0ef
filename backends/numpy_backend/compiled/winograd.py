"""Convolutions with windows of 3 x 3 by Winograd's algorithm, in machine code.

Tiles of the result are made by blocks, so that what lies between image and result stays in a cache: a
block's tiles are written as places x tiles x channels, each place is multiplied with its weights, and
the products become outputs. A share takes some of the blocks. Where tiles are so few that most of the
time goes into reading weights, they are all one block, and shares take places of it instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import strips_of
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled.forms import Ending, ending_of
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.algorithms.strips import Strips
from pyflame_rt.dialects.plan.convolution_schedules import TRANSFORMED, ConvolutionSchedule
from pyflame_rt.dialects.plan.schedules import Schedule

if TYPE_CHECKING:
    from pyflame_rt.backends.native.compiling import Loaded
    from pyflame_rt.backends.native.floats.products import Product
    from pyflame_rt.backends.native.steps import Call, Share, Step
    from pyflame_rt.backends.native.tiles import Tiles

_TILES = 7
"""The number of the room for tiles and their products."""

_FLOAT, _LINE = 4, 64
_CACHED = 1 << 19
"""Bytes of tiles and products of a block, which stay in the second cache."""

_REREAD = 4
"""So many times more weights than that are read again for each block."""

_CHANNELS = 32
"""Channels whose weights are transformed at once."""

_X, _Y, _RESIDUAL, _ROOM = range(4)


def prepare(schedule: ConvolutionSchedule, call: BoundCall) -> Run | None:
    """y = activation(conv(x, w) + bias + residual), of one group on two spatial axes."""
    w, y, products = call.shape(1), call.output, schedule.products
    in_place = call.in_layout("nhwc") and call.params.get("group", 1) == 1
    if not in_place or not call.is_constant(1) or w[2:] != (3, 3) or 0 in (*w, *y.shape):
        return None
    strips, x = strips_of(call)
    ending, residual = ending_of(products, call, w[0]), call.optional(3)
    if ending is None or any(a.stride != 1 or a.dilation != 1 for a in strips.axes):
        return None
    if 0 in x.shape or any(a is not None and a.strides[-1] != _FLOAT for a in (x, y, residual)):
        return None
    # Tiles are of f32, whatever they are made of.
    tile, products = schedule.output_tile, replace(products, elements="f32")
    packed = call.pack(
        1, ("winograd", tile, products.columns), partial(pack, tile, products.columns)
    )
    layer = _Layer(products, tile, strips, x, y, residual, packed, ending)
    room = call.rooms.get(_TILES, np.dtype(np.uint8), layer.room + _LINE)
    start = -room.ctypes.data % _LINE
    operands = (x, y, residual, room[start : start + layer.room])
    return NativeStep(schedule.cpu, tuple(layer.steps()), operands, [])


def pack(tile: int, width: int, w: Array) -> Array:
    """(features, channels, 3, 3) as (places, panels, channels, `width` features): G g G^T."""
    from pyflame_rt.backends.native.floats.products import on_lines
    from pyflame_rt.backends.native.floats.winograd_matrices import weights_matrix

    features, channels = w.shape[:2]
    panels, matrix = -(-features // width), weights_matrix(tile)
    both = np.kron(matrix, matrix).astype(np.float32)
    packed = on_lines((len(both), panels, channels, width))
    # Of so many channels that what is multiplied stays in the cache; BLAS puts it where it belongs.
    taps = np.zeros((9, _CHANNELS, width), np.float32)
    for panel in range(panels):
        some = w[panel * width : (panel + 1) * width].reshape(-1, channels, 9)
        taps[:, :, len(some) :] = 0
        for first in range(0, channels, _CHANNELS):
            count = min(_CHANNELS, channels - first)
            taps[:, :count, : len(some)] = some[:, first : first + count].transpose(2, 1, 0)
            target = packed[:, panel, first : first + count].reshape(len(both), -1)
            np.matmul(both, taps[:, :count].reshape(9, -1), out=target)
    return packed


@dataclass(frozen=True)
class _Block:
    """Some tiles, by what is kept in registers of them, and where they lie in the room."""

    first: int
    high: int
    low: int
    height: int
    at: int = 0

    @property
    def count(self) -> int:
        """How many tiles."""
        return self.high * self.height + self.low * (self.height - 1)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A convolution by tiles."""

    schedule: Schedule
    tile: int
    strips: Strips
    x: Array
    y: Array
    residual: Array | None
    weights: Array
    ending: Ending

    @cached_property
    def places(self) -> int:
        """Inputs that a tile sees."""
        return (self.tile + 2) ** 2

    @cached_property
    def channels(self) -> int:
        """Those of the input."""
        return self.x.shape[-1]

    @cached_property
    def features(self) -> int:
        """Channels of the result."""
        return self.y.shape[-1]

    @cached_property
    def sides(self) -> tuple[int, int]:
        """Tiles of an image along both axes."""
        rows, columns = (-(-count // self.tile) for count in self.strips.outputs)
        return rows, columns

    @cached_property
    def tiles(self) -> int:
        """Tiles of all images."""
        return math.prod(self.sides) * len(self.x)

    def way(self, elements: int) -> int:
        """From tile to tile in the room: lines of neighbouring tiles are not those that a cache
        keeps in the same place."""
        return -(-elements * _FLOAT // _LINE) * _LINE + _LINE

    def place(self, elements: int) -> int:
        """From place to place."""
        return self.way(elements) * self.at_once + _LINE

    @cached_property
    def rows(self) -> Tiles:
        """All tiles as rows of products, so many of which are kept in registers."""
        from pyflame_rt.backends.native.tiles import Tiles

        return Tiles.of(self.schedule.rows, self.tiles)

    @cached_property
    def together(self) -> int:
        """How many times as many as are kept in registers make a block."""
        each = self.places * (self.way(self.channels) + self.way(self.features))
        most = max(_CACHED, self.weights.nbytes // _REREAD) // each
        count = self.rows.high + self.rows.low
        return count if most >= self.tiles else min(count, max(1, most // self.rows.height))

    @cached_property
    def at_once(self) -> int:
        """Tiles of a block, at the most."""
        return min(self.tiles, self.together * self.rows.height)

    @property
    def is_one(self) -> bool:
        """Whether all tiles are one block."""
        return self.together == self.rows.high + self.rows.low

    def block(self, begin: int, end: int, at: int = 0) -> _Block:
        """Of all that is kept in registers, what comes from `begin` on, before `end`."""
        rows = self.rows
        high = max(0, min(end, rows.high) - begin)
        before = min(begin, rows.high)
        first = before * rows.height + (begin - before) * (rows.height - 1)
        return _Block(first, high, end - begin - high, rows.height, at)

    @property
    def size(self) -> int:
        """Bytes of a block's tiles and products."""
        return self.places * (self.place(self.channels) + self.place(self.features))

    @property
    def room(self) -> int:
        """Bytes of the room."""
        return self.size * (1 if self.is_one else self.schedule.shares)

    def steps(self) -> Iterator[Step]:
        """All of it."""
        from pyflame_rt.backends.native.steps import Step

        shares, count = self.schedule.shares, self.rows.high + self.rows.low
        if self.is_one and shares > 1:
            parts = [_Block(first, some, 0, 1) for first, some in _cut(self.tiles, shares)]
            yield Step(tuple((self._to_tiles(part, part.first),) for part in parts), self._moved)
            whole, places = self.block(0, count), _cut(self.places, shares)
            some = [self._products(whole, first, first + size) for first, size in places]
            yield Step(tuple((call,) for call in some), self._multiplied)
            yield Step(tuple((self._from_tiles(part, part.first),) for part in parts), self._moved)
            return
        found: list[Share] = []
        for index, (first, some) in enumerate(_cut(count, shares)):
            calls: list[Call] = []
            for start, size in _cut(some, -(-some // self.together)):
                begin = first + start
                block = self.block(begin, begin + size, index * self.size)
                calls += [self._to_tiles(block, 0), self._products(block, 0, self.places)]
                calls.append(self._from_tiles(block, 0))
            found.append(tuple(calls))
        yield Step(tuple(found), 2 * self._moved + self._multiplied)

    @property
    def _moved(self) -> float:
        each = -(-self.channels // self.schedule.lanes) * TRANSFORMED[self.tile]
        return self.tiles * each

    @property
    def _multiplied(self) -> float:
        return self.places * self.tiles * self.channels * self.features / 100

    @cached_property
    def _product(self) -> Product:
        """That of the first place, of as many rows as have tiles of both heights."""
        from pyflame_rt.backends.native.floats.products import Finish, Layout, Product, on_lines

        layout = Layout(
            sum(self.rows.heights), self.features, self.channels, self.way(self.channels),
            self.way(self.features),
        )  # fmt: skip
        panels, _, width = self.weights.shape[1:]
        nothing = on_lines((panels * width,))
        nothing.fill(0)
        return Product.of(self.schedule, layout, self.weights[0], nothing, Finish())

    @cached_property
    def _jobs(self) -> dict[tuple[int, ...], Array]:
        """Those of blocks of a size, for some of the places."""
        return {}

    def _products(self, block: _Block, begin: int, end: int) -> Call:
        """The call that multiplies a block's tiles with weights, from one place to another one."""
        from pyflame_rt.backends.native.steps import Call, Place

        product, key = self._product, (block.high, block.low, begin, end)
        if key not in self._jobs:
            self._jobs[key] = self._jobs_of(*key)
        jobs, between = self._jobs[key], self.places * self.place(self.channels)
        numbers = (
            Place(_ROOM, block.at), Place(_ROOM, block.at + between), 0, jobs.ctypes.data, len(jobs)
        )  # fmt: skip
        return Call(product.kernel, numbers, (*product.held, self.weights, jobs))

    def _jobs_of(self, high: int, low: int, begin: int, end: int) -> Array:
        from pyflame_rt.backends.native.floats.gemm import FIELDS

        (jobs,) = self._product.jobs
        names = [name.removeprefix("@") for name in FIELDS]
        every = np.repeat(jobs[None], end - begin, axis=0)
        every[:, :, names.index("high")] = high
        every[:, :, names.index("low")] = low
        ways = (self.place(self.channels), self.weights.strides[0], self.place(self.features))
        places = np.arange(begin, end)[:, None]
        for name, way in zip(("a", "b", "c"), ways, strict=True):
            every[:, :, names.index(name)] += places * way
        return every.reshape(-1, jobs.shape[1])

    def _first(self, tile: int) -> tuple[int, int, int]:
        """Image, row and column of a tile."""
        rows, columns = self.sides
        image, rest = divmod(tile, rows * columns)
        return image, *divmod(rest, columns)

    @cached_property
    def _filler(self) -> Array:
        return np.zeros(self.x.strides[1] // _FLOAT + self.schedule.lanes, np.float32)

    @cached_property
    def _bias(self) -> Array:
        bias = self.ending.bias
        return np.zeros(self.features + self.schedule.lanes, np.float32) if bias is None else bias

    @cached_property
    def _kernels(self) -> tuple[Loaded, Loaded]:
        """The way to tiles, and back."""
        from pyflame_rt.backends.native import kernels
        from pyflame_rt.backends.native.floats.winograd import FromTiles, ToTiles
        from pyflame_rt.backends.native.processors import instructions

        cpu, lanes, finish = self.schedule.cpu, self.schedule.lanes, self.ending.finish
        kind = instructions(cpu)
        assert kind is not None
        has_rest = [count % lanes != 0 for count in (self.channels, self.features)]
        to_tiles = ToTiles(cpu, lanes, kind.has_fma, self.tile, has_rest[0])
        from_tiles = FromTiles(
            cpu, lanes, kind.has_fma, self.tile, has_rest[1], finish.activation or "relu",
            finish.numbers,
        )  # fmt: skip
        return kernels.loaded(to_tiles), kernels.loaded(from_tiles)

    def _to_tiles(self, block: _Block, before: int) -> Call:
        """The call that makes a block's tiles, so many tiles behind the block's place."""
        from pyflame_rt.backends.native.steps import Call, Place

        x, way = self.x, self.way(self.channels)
        image, row, column = self._first(block.first)
        numbers = (
            Place(_X, image * x.strides[0]), Place(_ROOM, block.at + before * way),
            self._filler.ctypes.data, x.shape[3], block.count, row, column, *self.sides,
            x.shape[1], x.shape[2], *x.strides[:3], *self.strips.begins,
            self.place(self.channels), way,
        )  # fmt: skip
        return Call(self._kernels[0], numbers, (self._filler,))

    def _from_tiles(self, block: _Block, before: int) -> Call:
        """The call that makes outputs of a block's products."""
        from pyflame_rt.backends.native.steps import Call, Place

        y, more, way = self.y, self.residual, self.way(self.features)
        image, row, column = self._first(block.first)
        seen: Any = 0 if more is None else Place(_RESIDUAL, image * more.strides[0])
        numbers = (
            Place(_ROOM, block.at + self.places * self.place(self.channels) + before * way),
            Place(_Y, image * y.strides[0]), seen, self._bias.ctypes.data,
            y.shape[3], block.count, row, column, *self.sides, y.shape[1], y.shape[2],
            *y.strides[:3], *((0, 0, 0) if more is None else more.strides[:3]),
            self.place(self.features), way, int(bool(self.ending.finish.activation)),
        )  # fmt: skip
        return Call(self._kernels[1], numbers, (self._bias,))


def _cut(count: int, shares: int) -> Iterator[tuple[int, int]]:
    """First of and how many in each of about equal parts."""
    bounds = [count * share // shares for share in range(shares + 1)]
    yield from ((a, b - a) for a, b in pairwise(bounds) if a < b)
