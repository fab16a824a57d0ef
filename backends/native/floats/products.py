"""Products with packed weights: which kernel computes one, and what its jobs are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pyflame_rt.backends.native import kernels, processors
from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.floats.gemm import FIELDS, GemmKernel
from pyflame_rt.backends.native.steps import Call, Number, Place, Records, Step, address_of
from pyflame_rt.backends.native.tiles import Block, Layout, Tiles
from pyflame_rt.backends.native.tiles import shares as cut
from pyflame_rt.backends.native.writing.register_tiles import lines_of_turn
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import ELEMENTS, Schedule
from pyflame_rt.errors import BackendError

_FLOAT, _LINE = 4, 64
_MULTIPLIED, _READ = 100.0, 100.0
"""Multiplications, and bytes of weights, in a nanosecond; about."""


def pack(width: int, w: Array, group: int = 1, runs: int = 1) -> Array:
    """(depth, columns) as (panels, depth, `width` columns of a panel), filled up with zeros.

    With groups it is as `pack_groups` says; those of each of several runs are filled up.
    """
    depth, columns = w.shape
    panels, whole = -(-columns // width), columns // width
    if group == 1:
        packed = on_lines((panels, depth, width), w.dtype)
        packed[:whole] = w[:, : whole * width].reshape(depth, whole, width).swapaxes(0, 1)
        if whole < panels:
            rest = columns - whole * width
            packed[whole, :, :rest] = w[:, whole * width :]
            packed[whole, :, rest:] = 0
        return packed
    groups = -(-depth // runs // group)
    packed = on_lines((panels, runs, groups, width, group), w.dtype)
    pack_groups(w.reshape(runs, depth // runs, columns), packed)
    return packed


def pack_groups(w: Array, packed: Array) -> None:
    """(runs, depth, columns) into (panels, runs, groups of the depth, columns of a panel, elements of a
    group)."""
    runs, depth, columns = w.shape
    panels, _, groups, width, group = packed.shape
    filled = np.zeros((runs, groups * group, panels * width), w.dtype)
    filled[:, :depth, :columns] = w
    packed[...] = filled.reshape(runs, groups, group, panels, width).transpose(3, 0, 1, 4, 2)


def pack_bias(width: int, bias: Array) -> Array:
    """A vector, filled up as weights are."""
    columns = bias.size
    packed = on_lines((-(-columns // width) * width,))
    packed[:columns] = bias.reshape(-1)
    packed[columns:] = 0
    return packed


def on_lines(shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> Array:
    """An array that begins with a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size].view(dtype).reshape(shape)


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
        """The product with weights packed as the schedule's elements, and bias. x are bf16 if those are
        pairs, else f32.

        Raises BackendError when this machine has no such instructions.
        """
        if not runs(schedule):
            raise BackendError(f"code of kind {schedule.cpu!r} does not run here")
        kind = processors.instructions(schedule.cpu)
        assert kind is not None
        if bias is None:
            bias = on_lines((-(-layout.columns // schedule.columns) * schedule.columns,))
            bias.fill(0)
        activation = finish.activation or _USUAL.activation
        numbers = finish.numbers if finish.activation else _USUAL.numbers
        tiles = Tiles.of(schedule.rows, layout.rows)
        panels = tiles.panels(schedule.rows, layout.columns // schedule.columns)
        kernel = GemmKernel(
            replace(schedule, shares=1), tiles.heights, panels, kind.has_fma, activation, numbers
        )
        pieces = Pieces.of(schedule, layout)
        operands = _Operands(schedule, panels, weights, bias, bool(finish.activation), pieces)
        parts = list(_parts(schedule, layout, pieces))
        row_bytes = layout.runs * layout.depth * ELEMENTS[schedule.elements].x // len(parts)
        jobs = [
            np.array(
                [operands.record(layout, block, part) for part in parts for block in share],
                np.int64,
            )
            for share in cut(tiles, layout, schedule.columns, shares, row_bytes)
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


def runs(schedule: Schedule) -> bool:
    """Whether code of a schedule is compiled and runs here."""
    cpu, pairs = schedule.cpu, schedule.elements == "bf16_pairs"
    return kernels.runs(cpu) and (not pairs or processors.with_pairs(cpu) != cpu)


_USUAL = Finish("relu")
"""What code without an activation can do as well, so that it is shared with what has one."""


@dataclass(frozen=True)
class Pieces:
    """Runs cut into pieces of about equal size, and how many of these make a block of the depth.

    Blocks follow from the sizes of the product and from the schedule's block alone, so that an
    element is the same bits in whatever tile and part of the work it is computed.
    """

    size: int
    """Elements of a piece; the last one of a run may have less."""
    together: int
    """Pieces of a block: whole runs, if these are several."""

    @staticmethod
    def of(schedule: Schedule, layout: Layout) -> Pieces:
        """Blocks have two thirds to one and a half times as many elements as the schedule says."""
        depth = max(1, layout.depth)
        if layout.runs > 1 and depth < schedule.block:
            return Pieces(depth, max(1, round(schedule.block / depth)))
        count = max(1, round(depth / schedule.block))
        turn = schedule.unroll * ELEMENTS[schedule.elements].group
        return Pieces(-(-depth // (count * turn)) * turn, 1)


@dataclass(frozen=True)
class _Part:
    """A part of the depth: from a run, and from an element of each run on."""

    first_run: int
    runs: int
    first: int
    depth: int
    adds: bool
    finishes: bool

    def fields(self, pieces: Pieces) -> dict[str, int]:
        """What a job says of it."""
        return {
            "runs": self.runs,
            "depth": self.depth,
            "pieces": -(-self.depth // pieces.size),
            "piece": pieces.size,
            "block": pieces.together,
            "adds": int(self.adds),
            "finishes": int(self.finishes),
        }


def _parts(schedule: Schedule, layout: Layout, pieces: Pieces) -> Iterator[_Part]:
    """Parts of about as many blocks each, whose weights stay in the cache."""
    runs, depth = layout.runs, layout.depth
    if runs > 1:
        for start, stop in _whole_blocks(runs, pieces.together, schedule.depth // max(1, depth)):
            yield _Part(start, stop - start, 0, depth, start > 0, stop == runs)
        return
    for start, stop in _whole_blocks(depth, pieces.size, schedule.depth):
        yield _Part(0, 1, start, stop - start, start > 0, stop == depth)


def _whole_blocks(count: int, block: int, most: int) -> Iterator[tuple[int, int]]:
    """First and last of parts that are whole blocks, of not more than `most` if a block is not."""
    blocks = max(1, -(-count // block))
    parts = -(-blocks // max(1, most // block))
    size = -(-blocks // parts) * block
    yield from ((start, min(start + size, count)) for start in range(0, max(1, count), size))


def _asked(schedule: Schedule, part: _Part) -> dict[str, int]:
    """How much of the next panel's part tiles ask for."""
    elements, width = ELEMENTS[schedule.elements], schedule.columns
    size = -(-part.depth // elements.group) * elements.group * part.runs * width * elements.weights
    lines = lines_of_turn(width, schedule.unroll, elements.weights * elements.group)
    return {"panel_size": size, "panel_step": max(_LINE, size // lines // _LINE * _LINE)}


@dataclass(frozen=True, eq=False)
class _Operands:
    """What the jobs of a product have in common."""

    schedule: Schedule
    panels: int
    weights: Array
    bias: Array
    activates: bool
    pieces: Pieces

    def record(self, layout: Layout, block: Block, part: _Part) -> list[int]:
        """The job of a block and a part of the depth."""
        width, elements = self.schedule.columns, ELEMENTS[self.schedule.elements]
        filled = -(-layout.depth // elements.group) * elements.group
        row = filled * layout.runs * elements.weights
        begin = (part.first_run * filled + part.first) * elements.weights
        found = block.fields(layout, width, self.panels, _FLOAT)
        found |= part.fields(self.pieces)
        found |= {
            "a": found["a"] + part.first_run * layout.a_run + part.first * elements.x,
            "b": self.weights.ctypes.data + begin * width + row * block.column,
            "b_panel": row * width,
            **_asked(self.schedule, part),
            "bias": self.bias.ctypes.data + block.column * _FLOAT,
            "activates": int(part.finishes and self.activates),
        }
        return [found[name.removeprefix("@")] for name in FIELDS]
