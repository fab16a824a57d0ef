"""Products with packed weights: which kernel computes one, and what its jobs are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.epilogues import Finish
from pyflame_rt.backends.native.gemm import FIELDS, GemmKernel
from pyflame_rt.backends.native.processors import instructions
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.errors import BackendError

_FLOAT = 4
_CACHED = 1 << 19
"""Bytes of x that stay in the second cache while weights go by."""

_MOST_PANELS = 4
"""Side by side: more are more streams than a processor follows ahead."""


@dataclass(frozen=True)
class Layout:
    """Where x, y and residual of a product lie; bytes.

    x has `repeats` times `rows` rows, each of `runs` stretches of `depth` elements.
    """

    rows: int
    columns: int
    depth: int
    a_row: int
    c_row: int
    residual_row: int = 0
    repeats: int = 1
    a_repeat: int = 0
    c_repeat: int = 0
    residual_repeat: int = 0
    runs: int = 1
    a_run: int = 0


def pack(width: int, w: Array) -> Array:
    """(depth, columns) as (panels, depth, `width` columns of a panel), filled up with zeros."""
    depth, columns = w.shape
    panels = -(-columns // width)
    packed = _on_lines((panels, depth, width))
    whole = columns // width
    packed[:whole] = w[:, : whole * width].reshape(depth, whole, width).swapaxes(0, 1)
    if whole < panels:
        rest = columns - whole * width
        packed[whole, :, :rest] = w[:, whole * width :]
        packed[whole, :, rest:] = 0
    return packed


def pack_bias(width: int, bias: Array) -> Array:
    """A vector, filled up as weights are."""
    columns = bias.size
    packed = _on_lines((-(-columns // width) * width,))
    packed[:columns] = bias.reshape(-1)
    packed[columns:] = 0
    return packed


def _on_lines(shape: tuple[int, ...]) -> Array:
    """An array of f32 that begins with a cache line."""
    room = np.empty(math.prod(shape) * _FLOAT + 64, np.uint8)
    start = -room.ctypes.data % 64
    size = math.prod(shape) * _FLOAT
    return room[start : start + size].view(np.float32).reshape(shape)


@dataclass(frozen=True, eq=False)
class Product:
    """y = activation(x @ w + bias + residual) for arrays that lie as a layout says."""

    kernel: Loaded
    jobs: Array
    held: tuple[Array, ...]
    """What the jobs have addresses of."""

    @staticmethod
    def of(
        schedule: Schedule, layout: Layout, weights: Array, bias: Array | None, finish: Finish
    ) -> Product:
        """The product with packed weights and bias.

        Raises BackendError when this machine has no such instructions.
        """
        if not kernels.runs(schedule.cpu):
            raise BackendError(f"code of kind {schedule.cpu!r} does not run here")
        kind = instructions(schedule.cpu)
        assert kind is not None
        tiles = _Tiles.of(schedule, layout.rows)
        parts = list(_parts(schedule, layout))
        panels = tiles.panels(schedule, layout)
        kernel = GemmKernel(
            schedule,
            tiles.heights,
            panels,
            has_edge=layout.columns % schedule.columns != 0,
            has_runs=layout.runs > 1,
            in_parts=len(parts) > 1,
            fused=kind.has_fma,
            finish=finish,
        )
        jobs = [
            _record(schedule, layout, block, part, panels, weights, bias)
            for part in parts
            for block in _blocks(tiles, layout, part)
        ]
        held = (weights,) if bias is None else (weights, bias)
        return Product(kernels.gemm(kernel), np.array(jobs, np.int64), held)

    def on(self, x: Array, y: Array, residual: Array | None) -> Callable[[], None]:
        """The call on these arrays, which it keeps."""
        held = (self, x, y, residual)
        call, jobs, count = self.kernel.call, self.jobs.ctypes.data, len(self.jobs)
        addresses = [0 if array is None else array.ctypes.data for array in held[1:]]

        def run(held: object = held) -> None:
            call(*addresses, jobs, count)

        return run

    def __call__(self, x: int, y: int, residual: int) -> None:
        """Compute, of the addresses of x, y and residual (0 without one)."""
        self.kernel.call(x, y, residual, self.jobs.ctypes.data, len(self.jobs))


@dataclass(frozen=True)
class _Tiles:
    """Rows as tiles of about equal heights."""

    high: int
    low: int
    height: int

    @staticmethod
    def of(schedule: Schedule, rows: int) -> _Tiles:
        count = max(1, -(-rows // schedule.rows))
        height = max(1, -(-rows // count))
        high = rows - count * (height - 1)
        return _Tiles(high, count - high, height)

    @property
    def heights(self) -> tuple[int, ...]:
        return (self.height, self.height - 1) if self.low else (self.height,)

    def panels(self, schedule: Schedule, layout: Layout) -> int:
        """Panels side by side, so that the registers are used when rows are few."""
        most = min(_MOST_PANELS, schedule.rows // self.height, layout.columns // schedule.columns)
        return max(1, 1 << (most.bit_length() - 1)) if most else 1


@dataclass(frozen=True)
class _Part:
    """A part of the depth: from a run, and from an element of each run on."""

    first_run: int
    runs: int
    first: int
    depth: int
    adds: bool
    finishes: bool


def _parts(schedule: Schedule, layout: Layout) -> Iterator[_Part]:
    """Parts of about equal size whose weights stay in the cache."""
    if layout.runs > 1:
        at_once = max(1, schedule.depth // layout.depth)
        count = -(-layout.runs // at_once)
        size = -(-layout.runs // count)
        for start in range(0, layout.runs, size):
            stop = min(start + size, layout.runs)
            yield _Part(start, stop - start, 0, layout.depth, start > 0, stop == layout.runs)
        return
    count = max(1, -(-layout.depth // schedule.depth))
    size = -(-layout.depth // (count * schedule.unroll)) * schedule.unroll
    for start in range(0, max(1, layout.depth), max(1, size)):
        stop = min(start + size, layout.depth)
        yield _Part(0, 1, start, stop - start, start > 0, stop == layout.depth)


@dataclass(frozen=True)
class _Block:
    """Some of the rows: tiles from a row on, in some of the repeats."""

    row: int
    high: int
    low: int
    first: int
    repeats: int


def _blocks(tiles: _Tiles, layout: Layout, part: _Part) -> Iterator[_Block]:
    """Rows of x that stay in the cache."""
    row_bytes = part.runs * part.depth * _FLOAT
    if layout.repeats > 1:
        # Stretches of neighbouring repeats are the same elements.
        size = min(layout.rows * row_bytes, layout.a_repeat)
        count = max(1, -(-layout.repeats * size // _CACHED))
        some = -(-layout.repeats // count)
        for first in range(0, layout.repeats, some):
            yield _Block(0, tiles.high, tiles.low, first, min(some, layout.repeats - first))
        return
    total = tiles.high + tiles.low
    most = max(1, _CACHED // max(1, tiles.height * row_bytes))
    some = -(-total // -(-total // most))
    for first in range(0, total, some):
        stop = min(first + some, total)
        high = max(0, min(stop, tiles.high) - first)
        before = min(first, tiles.high)
        row = before * tiles.height + (first - before) * (tiles.height - 1)
        yield _Block(row, high, stop - first - high, 0, 1)


def _record(
    schedule: Schedule,
    layout: Layout,
    block: _Block,
    part: _Part,
    panels: int,
    weights: Array,
    bias: Array | None,
) -> list[int]:
    width = schedule.columns
    depth = layout.runs * layout.depth
    begin = part.first_run * layout.depth + part.first
    wide = layout.columns // (width * panels) if panels > 1 else 0
    fields = {
        "a": block.first * layout.a_repeat + block.row * layout.a_row
        + part.first_run * layout.a_run + part.first * _FLOAT,
        "a_row": layout.a_row,
        "b": weights.ctypes.data + begin * width * _FLOAT,
        "b_panel": depth * width * _FLOAT,
        "c": block.first * layout.c_repeat + block.row * layout.c_row,
        "c_row": layout.c_row,
        "residual": block.first * layout.residual_repeat + block.row * layout.residual_row,
        "residual_row": layout.residual_row,
        "bias": 0 if bias is None else bias.ctypes.data,
        "columns": layout.columns,
        "wide": wide,
        "narrow": -(-(layout.columns - wide * panels * width) // width),
        "high": block.high,
        "low": block.low,
        "repeats": block.repeats,
        "a_repeat": layout.a_repeat,
        "c_repeat": layout.c_repeat,
        "residual_repeat": layout.residual_repeat,
        "runs": part.runs,
        "a_run": layout.a_run,
        "depth": part.depth,
        "adds": int(part.adds),
        "finishes": int(part.finishes),
    }  # fmt: skip
    return [fields[name] for name in FIELDS]
