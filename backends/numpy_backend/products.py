"""Products with weights that are packed once, in the blocks that BLAS is fastest with.

Where BLAS multiplies small matrices as they are (see `Blas.has_small_products`), a product is made of
such: it saves the time that BLAS takes to rearrange the weights in every call, some 10 percent of it
on hundreds of rows and 25 on fifty. Elsewhere blocks are of hundreds of columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.blas import SMALL_PRODUCT, blas
from pyflame_rt.backends.numpy_backend.blocks import Bound
from pyflame_rt.backends.numpy_backend.packing import on_lines
from pyflame_rt.backends.runtime import Array

_WIDE, _NARROW = 64, 32
"""The registers hold a row of the first; a part of them is idle with multiples of the second only."""

_MOST_WHOLE = 192
"""So many columns or fewer, which the others do not divide, are a block of their own."""

_LEAST_ROWS = 16
"""Of a small product; with fewer it takes longer to read the weights than to multiply."""

_LARGE, _LARGE_BLOCKS = 1024, range(768, 383, -1)
"""Elsewhere: on some hundred rows BLAS loses 5 to 10 percent of its speed with more columns than
the first, and none with the others."""


@dataclass(frozen=True)
class Shape:
    """How weights of (depth, columns) are cut: `parts` of the depth, whose products are added up, and
    blocks of `width` columns."""

    depth: int
    columns: int
    parts: int
    width: int
    is_small: bool

    @staticmethod
    def of(depth: int, columns: int, dtype: np.dtype[np.generic]) -> Shape:
        """The best for a matrix of weights."""
        if dtype == np.float32 and blas().has_small_products and depth and columns:
            width = _small_width(columns)
            parts = _parts(depth, width) if width else 0
            if parts:
                return Shape(depth, columns, parts, width, True)
        width = columns
        if columns > _LARGE:
            width = next((w for w in _LARGE_BLOCKS if columns % w == 0), columns)
        return Shape(depth, columns, 1, width, False)

    @staticmethod
    def whole(depth: int, columns: int) -> Shape:
        """Weights in one piece."""
        return Shape(depth, columns, 1, columns, False)

    @property
    def blocks(self) -> int:
        """How many blocks of columns there are."""
        return self.columns // self.width if self.width else 0

    @property
    def part_depth(self) -> int:
        """The depth of each part."""
        return self.depth // self.parts

    def rows_at_once(self, rows: int) -> int:
        """The rows of a single product: about equal numbers, none larger than it may be."""
        if not self.is_small or rows < 2:
            return rows
        most = max(1, SMALL_PRODUCT // (self.part_depth * self.width))
        return -(-rows // -(-rows // most))

    def pack(self, w: Array) -> Array:
        """(depth, columns) as (parts, blocks, depth of a part, width)."""
        parts, blocks = self.parts, self.blocks
        cut = w.reshape(parts, self.part_depth, blocks, self.width).swapaxes(1, 2)
        return on_lines(cut)


def _small_width(columns: int) -> int:
    """Columns of a block of small products, 0 if there is no good number."""
    if columns % _WIDE == 0:
        return _WIDE
    if columns <= _MOST_WHOLE:
        return columns
    return _NARROW if columns % _NARROW == 0 else 0


def _parts(depth: int, width: int) -> int:
    """Into how many parts the depth is cut so that products are small enough; 0 if it cannot be."""
    most = SMALL_PRODUCT // (_LEAST_ROWS * width)
    fewest = -(-depth // most)
    return next((n for n in range(fewest, 2 * fewest + 1) if depth % n == 0), 0)


@dataclass(frozen=True)
class Product:
    """y = x @ w for packed weights: the steps that compute it, for any number of rows."""

    shape: Shape
    weights: Array

    def columns(self, first: int, count: int) -> Product:
        """The product of some blocks of columns."""
        shape = self.shape
        cut = Shape(shape.depth, count * shape.width, shape.parts, shape.width, shape.is_small)
        return Product(cut, self.weights[:, first : first + count])

    def some_columns(self, taken: slice) -> Product:
        """The product of some columns: whole blocks, or a part of the only one."""
        shape, width = self.shape, taken.stop - taken.start
        if shape.blocks == 1:
            only = Shape(shape.depth, width, shape.parts, width, shape.is_small)
            return Product(only, self.weights[..., taken])
        return self.columns(taken.start // shape.width, width // shape.width)

    def room(self, rows: int) -> int:
        """Elements that `steps` needs beside the result."""
        return rows * self.shape.columns if self.shape.parts > 1 else 0

    def steps(self, x: Array, y: Array, room: Array | None) -> Iterator[Bound]:
        """y = x @ w, where rows of x and y are contiguous, each by itself."""
        depth = self.shape.part_depth
        yield from self._multiply(x[:, :depth], self.weights[0], y)
        for part in range(1, self.shape.parts):
            assert room is not None
            more = room[: y.size].reshape(y.shape)
            taken = x[:, part * depth : (part + 1) * depth]
            yield from self._multiply(taken, self.weights[part], more)
            yield partial(np.add, y, more, y)

    def _multiply(self, x: Array, w: Array, y: Array) -> Iterator[Bound]:
        """y = x @ w for one part: all blocks of columns, for equally many rows at once."""
        shape, rows = self.shape, x.shape[0]
        lies_well = y.flags.c_contiguous and w.flags.c_contiguous
        if shape.blocks == 1 and lies_well and shape.rows_at_once(rows) == rows:
            # The shortest way to BLAS.
            yield partial(x.dot, w[0], y)
            return
        if shape.blocks == 1 and not shape.is_small:
            yield partial(np.matmul, x, w[0], y)
            return
        some = shape.rows_at_once(rows)
        whole = rows - rows % some if some else 0
        for start, stop in ((0, whole), (whole, rows)):
            if start == stop:
                continue
            at_once = min(some, stop - start)
            count = (stop - start) // at_once
            left = x[start:stop].reshape(count, at_once, x.shape[1])
            result = y[start:stop].reshape(count, at_once, shape.blocks, shape.width)
            if shape.blocks == 1:
                yield partial(np.matmul, left, w[0], result[:, :, 0])
            else:
                # Blocks outside: one of weights stays in the cache for all rows.
                out = result.transpose(2, 0, 1, 3)
                yield partial(np.matmul, left[None], w[:, None], out)
