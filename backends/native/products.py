"""Products with packed weights: which kernel computes one, and what its jobs are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pyflame_rt.backends.native import kernels
from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.gemm import FIELDS, GemmKernel
from pyflame_rt.backends.native.processors import instructions
from pyflame_rt.backends.native.steps import Call, Number, Place, Records, Step, address_of
from pyflame_rt.backends.native.tiles import Tiles
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.errors import BackendError

_FLOAT = 4
_CACHED = 1 << 19
"""Bytes of x that stay in the second cache while weights go by."""

_MULTIPLIED, _READ = 100.0, 100.0
"""Multiplications, and bytes of weights, in a nanosecond; about."""


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


@dataclass(frozen=True)
class Finish:
    """What is done to sums: the activation by name and numbers; "" for none."""

    activation: str = ""
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Product:
    """y = activation(x @ w + bias + residual) for arrays that lie as a layout says."""

    kernel: Loaded
    jobs: tuple[Array, ...]
    """Those of each share."""
    held: tuple[Array, ...]
    """What the jobs have addresses of."""
    work: float
    """Nanoseconds, as estimated."""

    @staticmethod
    def of(
        schedule: Schedule,
        layout: Layout,
        weights: Array,
        bias: Array | None,
        finish: Finish,
        shares: int = 1,
    ) -> Product:
        """The product with packed weights and bias.

        Raises BackendError when this machine has no such instructions.
        """
        if not kernels.runs(schedule.cpu):
            raise BackendError(f"code of kind {schedule.cpu!r} does not run here")
        kind = instructions(schedule.cpu)
        assert kind is not None
        if bias is None:
            bias = _on_lines((-(-layout.columns // schedule.columns) * schedule.columns,))
            bias.fill(0)
        activation = finish.activation or _USUAL.activation
        numbers = finish.numbers if finish.activation else _USUAL.numbers
        tiles = Tiles.of(schedule.rows, layout.rows)
        panels = tiles.panels(schedule.rows, layout.columns // schedule.columns)
        kernel = GemmKernel(schedule, tiles.heights, panels, kind.has_fma, activation, numbers)
        operands = _Operands(schedule, panels, weights, bias, bool(finish.activation))
        parts = list(_parts(schedule, layout))
        jobs = [
            np.array(
                [operands.record(layout, block, part) for part in parts for block in share],
                np.int64,
            )
            for share in _shares(schedule, tiles, layout, len(parts), shares)
        ]
        depth = layout.runs * layout.depth
        multiplied = layout.repeats * layout.rows * depth * layout.columns / _MULTIPLIED
        work = max(multiplied, weights.nbytes / _READ)
        return Product(kernels.loaded(kernel), tuple(jobs), (weights, bias), work)

    def step(self, x: Number, y: Number, residual: Number | None) -> Step:
        """The product of operands of a step."""
        more = 0 if residual is None else residual
        return Step(
            tuple(
                (
                    Call(
                        self.kernel,
                        (x, y, more, jobs.ctypes.data, len(jobs)),
                        (*self.held, jobs),
                    ),
                )
                for jobs in self.jobs
            ),
            self.work,
        )

    def on(self, x: Array, y: Array, residual: Array | None) -> Callable[[], None]:
        """The call on these arrays, which it keeps."""
        step = self.step(Place(0), Place(1), None if residual is None else Place(2))
        records = Records.of(step.calls)
        records.fill([address_of(array) for array in (x, y, residual)])
        addresses = [records.address(index) for index in range(len(step.calls))]
        call = self.kernel.call

        def run(held: object = (self, x, y, residual, records)) -> None:
            for address in addresses:
                call(address)

        return run


_USUAL = Finish("relu")
"""What code without an activation can do as well, so that it is shared with what has one."""


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
    """Some of the rows and columns: tiles from a row on, in some of the repeats."""

    row: int
    high: int
    low: int
    first: int
    repeats: int
    column: int = 0
    columns: int = 0


def _shares(
    schedule: Schedule, tiles: Tiles, layout: Layout, parts: int, count: int
) -> list[list[_Block]]:
    """Blocks for each of several shares: of columns where there are enough, else of rows."""
    width = schedule.columns
    panels = -(-layout.columns // width)
    rows = layout.repeats if layout.repeats > 1 else tiles.high + tiles.low
    by_columns = panels >= count and (panels % count == 0 or panels >= 4 * count or rows < count)
    if count < 2 or (not by_columns and rows < 2):
        blocks = _blocks(tiles, layout, parts, 0, rows)
        return [[replace(block, columns=layout.columns) for block in blocks]]
    found: list[list[_Block]] = []
    total = panels if by_columns else rows
    for share in range(count):
        start, stop = total * share // count, total * (share + 1) // count
        if start == stop:
            continue
        first, last = (start, stop) if by_columns else (0, panels)
        column, end = first * width, min(last * width, layout.columns)
        blocks = _blocks(tiles, layout, parts, *((0, rows) if by_columns else (start, stop)))
        found.append([replace(block, column=column, columns=end - column) for block in blocks])
    return found


def _blocks(tiles: Tiles, layout: Layout, parts: int, begin: int, end: int) -> list[_Block]:
    """Rows of x that stay in the cache, of those repeats or tiles, in so many parts of the depth."""
    row_bytes = layout.runs * layout.depth * _FLOAT // parts
    count = end - begin
    if layout.repeats > 1:
        # Stretches of neighbouring repeats are the same elements.
        size = min(layout.rows * row_bytes, layout.a_repeat)
        some = -(-count // max(1, -(-count * size // _CACHED)))
        return [
            _Block(0, tiles.high, tiles.low, first, min(some, end - first))
            for first in range(begin, end, some)
        ]
    most = max(1, _CACHED // max(1, tiles.height * row_bytes))
    some = -(-count // -(-count // most))
    found: list[_Block] = []
    for first in range(begin, end, some):
        stop = min(first + some, end)
        high = max(0, min(stop, tiles.high) - first)
        before = min(first, tiles.high)
        row = before * tiles.height + (first - before) * (tiles.height - 1)
        found.append(_Block(row, high, stop - first - high, 0, 1))
    return found


@dataclass(frozen=True, eq=False)
class _Operands:
    """What the jobs of a product have in common."""

    schedule: Schedule
    panels: int
    weights: Array
    bias: Array
    activates: bool

    def record(self, layout: Layout, block: _Block, part: _Part) -> list[int]:
        """The job of a block and a part of the depth."""
        width, panels = self.schedule.columns, self.panels
        depth = layout.runs * layout.depth
        begin = part.first_run * layout.depth + part.first
        wide = block.columns // (width * panels) if panels > 1 else 0
        across = block.column * _FLOAT
        fields = {
            "a": block.first * layout.a_repeat + block.row * layout.a_row
            + part.first_run * layout.a_run + part.first * _FLOAT,
            "a_row": layout.a_row,
            "b": self.weights.ctypes.data + begin * width * _FLOAT + depth * across,
            "b_panel": depth * width * _FLOAT,
            "c": block.first * layout.c_repeat + block.row * layout.c_row + across,
            "c_row": layout.c_row,
            "residual": block.first * layout.residual_repeat + block.row * layout.residual_row
            + across,
            "residual_row": layout.residual_row,
            "bias": self.bias.ctypes.data + across,
            "columns": block.columns,
            "wide": wide,
            "narrow": -(-(block.columns - wide * panels * width) // width),
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
            "activates": int(part.finishes and self.activates),
        }  # fmt: skip
        return [fields[name] for name in FIELDS]
