"""Products of bytes with packed weights: which kernel computes one, and what its jobs are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pyflame_rt.backends.native.compiling import Loaded
from pyflame_rt.backends.native.floats.products import Finish, pack_groups
from pyflame_rt.backends.native.integers import processors
from pyflame_rt.backends.native.integers.finish import Adding, Ending
from pyflame_rt.backends.native.integers.gemm import JOB, IntegerGemmKernel
from pyflame_rt.backends.native.integers.vectors import MAGIC_BITS
from pyflame_rt.backends.native.steps import Call, Number, Place, Records, Step, address_of
from pyflame_rt.backends.native.tiles import Block, Layout, Tiles, shares
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule
from pyflame_rt.errors import BackendError

_MULTIPLIED, _READ = 400.0, 100.0
"""Multiplications, and bytes of weights, in a nanosecond; about."""

_PACKED_AT_ONCE = 1 << 17
"""Weights: what packing takes besides stays in the cache, and small."""

_NO_ZERO = np.zeros(64, np.uint8)
_ONE = np.ones(16, np.float32)
_NO_ZERO.flags.writeable = _ONE.flags.writeable = False


@dataclass(frozen=True)
class Windows(Layout):
    """A layout in whose rows there are `lines`, `a_line` bytes apart, of its `runs`."""

    lines: int = 1
    a_line: int = 0

    @property
    def row_size(self) -> int:
        """Bytes of a row of x."""
        return self.lines * self.runs * self.depth


def on_lines(shape: Sequence[int], dtype: Any) -> Array:
    """Zeros that begin with a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size].view(dtype).reshape(shape)


def padded(width: int, values: Array, dtype: Any) -> Array:
    """A vector, one element a column, or one for all `columns`, filled up with zeros."""
    found = on_lines((-(-values.size // width) * width,), dtype)
    found[: values.size] = values.reshape(-1)
    return found


@dataclass(frozen=True, eq=False)
class Weights:
    """Packed weights: (panels, runs, fours of the depth, columns of a panel, 4) bytes."""

    whole: Array
    """All of it as bytes, of which the others are parts."""
    packed: Array
    colsums: Array
    shifts: Array
    runs: int
    depth: int
    columns: int

    @property
    def has_shifts(self) -> bool:
        """Whether zero points of columns are still to be taken off."""
        return bool(self.shifts.any())

    @staticmethod
    def of(width: int, w: Array, zero_point: Array | None = None) -> Weights:
        """Those of integers of 8 bits, (runs, depth, columns) or (depth, columns), for panels of so
        many columns, with one zero point or one a column."""
        if w.ndim == 2:
            w = w[None]
        runs, depth, columns = w.shape
        shift = np.zeros((), np.int64) if zero_point is None else zero_point.astype(np.int64)
        shift = np.broadcast_to(shift.reshape(-1), (columns,))
        room = on_lines(_sizes(width, runs, depth, columns)[-1:], np.uint8)
        found = Weights.over(width, room, (runs, depth, columns))
        panels = max(1, _PACKED_AT_ONCE // (runs * depth * width))
        for first in range(0, found.packed.shape[0], panels):
            found._pack(w, shift, slice(first, first + panels))
        return found

    def _pack(self, w: Array, shift: Array, panels: slice) -> None:
        """Put some panels there, of all weights and a zero point a column."""
        packed = self.packed[panels]
        some = slice(panels.start * packed.shape[3], panels.stop * packed.shape[3])
        shift = shift[some]
        wide = w[:, :, some].astype(np.int16)
        centered = wide - shift.astype(np.int16)
        low, high = (f.reduce(centered, axis=(0, 1), initial=0) for f in (np.minimum, np.maximum))
        fits = (low >= -128) & (high <= 127)
        middle = 128 if w.dtype == np.uint8 else 0
        self.colsums[: self.columns][some] = centered.sum((0, 1), dtype=np.int32)
        self.shifts[: self.columns][some] = np.where(fits, 0, shift - middle)
        pack_groups(np.where(fits, centered, wide - np.int16(middle)).astype(np.int8), packed)

    @staticmethod
    def over(width: int, whole: Array, shape: tuple[int, int, int]) -> Weights:
        """Those that were packed of weights of that shape, (runs, depth, columns)."""
        runs, depth, columns = shape
        panels, fours = -(-columns // width), -(-depth // 4)
        sums, shifts, end = _sizes(width, runs, depth, columns)
        packed = whole[:sums].view(np.int8).reshape(panels, runs, fours, width, 4)
        colsums, left = (part.view(np.int32) for part in (whole[sums:shifts], whole[shifts:end]))
        return Weights(whole, packed, colsums, left, *shape)


def _sizes(width: int, runs: int, depth: int, columns: int) -> tuple[int, int, int]:
    """Bytes of packed weights, and of these with one vector and with both behind them."""
    padded_columns = -(-columns // width) * width
    size = padded_columns * runs * -(-depth // 4) * 4
    return size, size + 4 * padded_columns, size + 8 * padded_columns


@dataclass(frozen=True, eq=False)
class Epilogue:
    """What is done to sums: see `integer_finish.RESULTS`. Vectors have one element a column.

    Factors of bytes are finite: BackendError says so of others.
    """

    result: str = "int32"
    bias: Array | None = None
    """i32, added to the sums."""
    factors: Array | None = None
    """f32, by which sums are multiplied."""
    addends: Array | None = None
    """f32, added after that."""
    limits: Array | None = None
    """What `limits_of` or `floor_of` returned."""
    finish: Finish = field(default_factory=Finish)
    """The function of f32."""
    adds: Adding | None = None
    """What is added to bytes, of which the limits have the numbers."""

    def __post_init__(self) -> None:
        factors = self.factors
        if self.result == "bytes" and factors is not None and not np.isfinite(factors).all():
            raise BackendError("machine code rounds by finite factors only: use the kernel")

    def ending(self, *, signed: bool, has_shifts: bool) -> Ending:
        """What code has to do it, for signed x or others."""
        has_floor = self.result == "float32" and self.limits is not None
        function = self.finish
        return Ending(
            self.result, signed, has_shifts, has_floor, function.activation, function.numbers,
            self.adds,
        )  # fmt: skip


def limits_of(low: int, high: int, zero_point: int) -> Array:
    """Limits of results that are bytes, the zero point among them, as kernels read them."""
    found = on_lines((4,), np.int32)
    found[:2].view(np.float32)[:] = low - zero_point, high - zero_point
    found[2] = zero_point - MAGIC_BITS
    return found


def floor_of(value: float) -> Array:
    """The least f32 of results: 0 for relu, -inf for none."""
    found = on_lines((4,), np.float32)
    found[0] = value
    return found


@dataclass(frozen=True, eq=False)
class IntegerProduct:
    """y = epilogue((x - zero point) @ (w - its zero point)) for arrays as a layout says."""

    kernel: Loaded
    jobs: tuple[Array, ...]
    """Those of each share."""
    held: tuple[Any, ...]
    """What the jobs have addresses of."""
    work: float
    """Nanoseconds, as estimated."""

    @staticmethod
    def of(
        schedule: IntegerSchedule,
        layout: Windows,
        weights: Weights,
        epilogue: Epilogue,
        *,
        signed: bool,
    ) -> IntegerProduct:
        """The product of x of int8, if `signed`, or uint8. Weights have as many runs as all lines of a
        row together.

        Raises BackendError when this machine has no such instructions.
        """
        if not processors.runs(schedule.cpu):
            raise BackendError(f"code of kind {schedule.cpu!r} does not run here")
        ending = epilogue.ending(signed=signed, has_shifts=weights.has_shifts)
        if ending.has_shifts:
            # A sum of each row of x takes a register too.
            rows = max(1, schedule.rows * schedule.vectors // (schedule.vectors + 1))
            schedule = replace(schedule, rows=rows)
        tiles = Tiles.of(schedule.rows, layout.rows)
        panels = tiles.panels(schedule.rows, layout.columns // schedule.columns)
        dot = processors.dot_of(schedule.cpu)
        kind = processors.known()[schedule.cpu]
        kernel = IntegerGemmKernel(
            replace(schedule, shares=1), dot, tiles.heights, panels, ending, kind.has_fma
        )
        operands = _Operands.of(schedule, panels, weights, epilogue, ending)
        jobs = tuple(
            np.array([operands.record(layout, block) for block in share], np.int64)
            for share in shares(
                tiles, layout, schedule.columns, schedule.shares, layout.row_size, ending.size
            )
        )
        multiplied = layout.repeats * layout.rows * layout.row_size * layout.columns / _MULTIPLIED
        work = max(multiplied, weights.packed.nbytes / _READ)
        return IntegerProduct(processors.loaded(kernel), jobs, operands.held, work)

    def step(
        self,
        x: Number,
        y: Number,
        *,
        zero: Number | None = None,
        scale: Number | None = None,
        residual: Number | None = None,
    ) -> Step:
        """The product of operands of a step: x's zero point is a byte, its scale an f32."""
        record = (
            x, y, 0 if residual is None else residual,
            _NO_ZERO.ctypes.data if zero is None else zero,
            _ONE.ctypes.data if scale is None else scale,
        )  # fmt: skip
        return Step(
            tuple(
                (
                    Call(
                        self.kernel,
                        (*record, jobs.ctypes.data, len(jobs)),
                        (*self.held, jobs, _NO_ZERO, _ONE),
                    ),
                )
                for jobs in self.jobs
            ),
            self.work,
        )

    def on(
        self,
        x: Array,
        y: Array,
        zero: Array | None = None,
        scale: Array | None = None,
        residual: Array | None = None,
    ) -> Callable[[], None]:
        """The call on these arrays, which it keeps."""
        arrays = (x, y, zero, scale, residual)
        places = [None if a is None else Place(k) for k, a in enumerate(arrays)]
        step = self.step(Place(0), Place(1), zero=places[2], scale=places[3], residual=places[4])
        return bound(step, arrays)


def bound(step: Step, arrays: Sequence[Array | None]) -> Callable[[], None]:
    """The calls of a step on arrays, one after the other."""
    records = Records.of(step.calls)
    records.fill([address_of(array) for array in arrays])
    calls = [(call.kernel.call, records.address(k)) for k, call in enumerate(step.calls)]

    def run(held: object = (step, tuple(arrays), records)) -> None:
        for call, address in calls:
            call(address)

    return run


@dataclass(frozen=True, eq=False)
class _Operands:
    """What the jobs of a product have in common."""

    width: int
    panels: int
    weights: Weights
    size: int
    vectors: dict[str, Array]
    """What `integer_finish.FIELDS` are addresses of."""

    @staticmethod
    def of(
        schedule: IntegerSchedule, panels: int, weights: Weights, epilogue: Epilogue, ending: Ending
    ) -> _Operands:
        vectors = {
            "colsums": weights.colsums,
            "shifts": weights.shifts,
            **finishing(schedule.columns, weights.columns, epilogue),
        }
        return _Operands(schedule.columns, panels, weights, ending.size, vectors)

    @property
    def held(self) -> tuple[Array, ...]:
        return (self.weights.packed, *self.vectors.values())

    def record(self, layout: Windows, block: Block) -> list[int]:
        """The job of a block."""
        panel = self.weights.packed.strides[0]
        found = {
            **block.fields(layout, self.width, self.panels, self.size),
            "b": self.weights.packed.ctypes.data + block.column // self.width * panel,
            "b_panel": panel,
            "lines": layout.lines,
            "a_line": layout.a_line,
            **{
                name: array.ctypes.data + (0 if name == "limits" else 4 * block.column)
                for name, array in self.vectors.items()
            },
        }
        return [found[name.removeprefix("@")] for name in JOB]


def finishing(width: int, columns: int, epilogue: Epilogue) -> dict[str, Array]:
    """What an epilogue has for kernels, filled up."""
    found: dict[str, Array] = {}
    for name, values, dtype, usual in (
        ("bias", epilogue.bias, np.int32, 0),
        ("factors", epilogue.factors, np.float32, 1),
        # Whatever it is added to stays as it is, 0 of either sign too.
        ("addends", epilogue.addends, np.float32, -0.0),
    ):
        given = np.array(usual) if values is None else values.reshape(-1)
        found[name] = padded(width, np.broadcast_to(given, (columns,)), dtype)
    limits = epilogue.limits
    found["limits"] = floor_of(-math.inf) if limits is None else limits
    return found
