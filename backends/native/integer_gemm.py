"""Products of matrices of bytes in the registers: the code of a tile, and the way over all of them.

As `gemm`, with four elements of the depth at a time: weights are packed as [panel][depth / 4][column][4],
and four neighbouring bytes of a row of x meet those of each column in one instruction, or in a few. Sums
are of 32 bits and exact, and are never put down before they are finished.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.dialects.builtin import ModuleOp, i64
from xdsl.dialects.llvm import FuncOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native import integer_finish
from pyflame_rt.backends.native.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.integer_finish import Ending, Finish, finish_fields
from pyflame_rt.backends.native.integer_vectors import Integers
from pyflame_rt.backends.native.loops import fields
from pyflame_rt.dialects.plan.integer_schedules import IntegerSchedule

ENTRY = "integer_gemm"
OPERANDS = ("@x", "@y", "@residual", "@zero", "@scale", "@jobs", "count")
"""The record of the function: addresses of x, y, a residual (0 without one), x's zero point, x's scale,
and jobs."""

JOB = (
    "a", "a_row", "@b", "b_panel", "c", "c_row", "residual", "residual_row",
    "columns", "wide", "narrow", "high", "low",
    "repeats", "a_repeat", "c_repeat", "residual_repeat",
    "lines", "a_line", "runs", "a_run", "depth", *integer_finish.FIELDS,
)  # fmt: skip
"""What a job says, as in `gemm`: offsets and distances in bytes, and what finishes sums. A row of x
is `lines`, `a_line` apart, of `runs`, `a_run` apart, of `depth` bytes."""

_FIRST_OF_FINISH = len(JOB) - len(integer_finish.FIELDS)
_ROUND = ("lines", "a_line", "runs", "a_run", "depth")
"""What a tile reads of a job by itself."""

_TOGETHER, _LINE = 3, 64
"""As in `gemm`."""

_TILE = (
    "a", "a_row", "b", "b_panel", "c", "c_row", "residual", "residual_row", "left", "across", "job",
    "record",
)  # fmt: skip
Put = Callable[[Sequence[SSAValue | None]], Values]
"""Puts a tile down, by a mask of each vector of columns."""

_POINTERS = ("a", "b", "c", "residual", "job", "record")


@dataclass(frozen=True)
class IntegerGemmKernel:
    """What code is made of: y = ending(x @ w) by tiles of certain sizes."""

    schedule: IntegerSchedule
    dot: str
    """See `integer_processors.dot_of`."""
    heights: tuple[int, ...]
    panels: int
    ending: Ending

    entry = ENTRY

    @property
    def cpu(self) -> str:
        """The instructions that the code is made of."""
        return self.schedule.cpu

    @property
    def widths(self) -> tuple[int, ...]:
        """Panels of tiles."""
        return (1,) if self.panels == 1 else (self.panels, 1)

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        shapes = [(rows, panels) for rows in self.heights for panels in self.widths]
        tiles = [_Tile(self, rows, panels).emit() for rows, panels in shapes]
        return ModuleOp([*tiles, _emit_jobs(self)])


def _tile_name(rows: int, panels: int) -> str:
    return f"tile_{rows}x{panels}"


class _Tile:
    """The function that computes one tile."""

    def __init__(self, kernel: IntegerGemmKernel, rows: int, panels: int) -> None:
        kinds = [POINTER if name in _POINTERS else i64 for name in _TILE]
        self._kernel, schedule = kernel, kernel.schedule
        self._rows, self._panels = rows, panels
        self._b = Builder(_tile_name(rows, panels), kinds)
        self._v = Integers(self._b, schedule.lanes, kernel.dot)
        self._given: dict[str, SSAValue] = dict(zip(_TILE, self._b.arguments, strict=True))
        self._vectors = panels * schedule.vectors
        self._row_bytes = 4 * schedule.columns
        """Bytes of weights that a panel has for four elements of the depth."""

    def emit(self) -> FuncOp:
        """The function."""
        b, given = self._b, self._given
        job = fields(b, given["job"], JOB[:_FIRST_OF_FINISH])
        given |= {name: job[name] for name in _ROUND}
        finishing = finish_fields(b, given["job"], _FIRST_OF_FINISH)
        outside = fields(b, given["record"], OPERANDS)
        ending = self._kernel.ending
        finish = Finish(b, self._v, ending, {**finishing, **outside}, given["across"])
        none = b.splat_integer(0, self._v.lanes)
        row_sums = [none] * (self._rows if ending.has_shifts else 0)
        sums = [*finish.starts(self._vectors)] * self._rows
        rows = [self._row(given["a"], given["a_row"], r) for r in range(0, self._rows, _TOGETHER)]
        columns = [b.at(given["b"], b.times(given["b_panel"], p)) for p in range(self._panels)]

        def along(
            values: tuple[SSAValue, ...], way: str, inside: Callable[[Values], Values]
        ) -> Values:
            moved = inside(values)
            after = [b.at(start, given[way]) for start in values[: len(rows)]]
            return [*after, *moved[len(rows) :]]

        run = partial(along, way="a_run", inside=self._along_run)
        line = partial(along, way="a_line", inside=lambda here: b.loop(given["runs"], here, run))
        found = b.loop(given["lines"], [*rows, *columns, *sums, *row_sums], line)
        found = found[len(rows) + len(columns) :]
        self._end(finish, found[: len(sums)], found[len(sums) :])
        return b.finish()

    def _row(self, base: SSAValue, way: SSAValue, row: int) -> SSAValue:
        return base if row == 0 else self._b.at(base, self._b.times(way, row))

    def _along_run(self, values: Values) -> Values:
        """Along one stretch of the depth: several steps of four, single ones, and what is left."""
        b, unroll, depth = self._b, self._kernel.schedule.unroll, self._given["depth"]
        steps, bits = b.shifted(depth, 2), unroll.bit_length() - 1
        found: Values = b.loop(b.shifted(steps, bits), values, partial(self._steps, unroll))
        if unroll > 1:
            rest = b.masked(steps, unroll - 1)
            found = b.loop(rest, found, partial(self._steps, 1))
        left, before = b.masked(depth, 3), found
        return b.when(
            b.compare("sgt", left, 0), lambda: self._steps(1, tuple(before), left), before
        )

    def _steps(
        self, count: int, values: tuple[SSAValue, ...], left: SSAValue | None = None
    ) -> list[SSAValue]:
        """Some steps along the depth; the last bytes of a row if as many as `left` are."""
        b, v, schedule = self._b, self._v, self._kernel.schedule
        groups = -(-self._rows // _TOGETHER)
        rows, columns = values[:groups], values[groups : groups + self._panels]
        size = self._rows * self._vectors
        sums = list(values[groups + self._panels :])
        sums, row_sums = sums[:size], sums[size:]
        starts = self._starts(rows)
        for step in range(count):
            here = self._row_bytes * step
            weights = [
                v.right(v.load(b.at(panel, here + 4 * v.lanes * k)))
                for panel in columns
                for k in range(schedule.vectors)
            ]
            for panel in columns:
                for line in range(0, self._row_bytes, _LINE):
                    b.prefetch(b.at(panel, schedule.ahead + here + line))
            ones = v.right(v.ones(left))
            for r, start in enumerate(starts):
                place = b.at(start, 4 * step)
                element = v.spread(place) if left is None else v.few_bytes(place, left)
                if self._kernel.ending.signed:
                    element = v.flipped(element)
                element = v.left(element)
                for k, weight in enumerate(weights):
                    index = r * self._vectors + k
                    sums[index] = v.dot(sums[index], element, weight)
                if row_sums:
                    row_sums[r] = v.dot(row_sums[r], element, ones)
        moved = [b.at(row, 4 * count) for row in rows]
        after = [b.at(panel, self._row_bytes * count) for panel in columns]
        return [*moved, *after, *sums, *row_sums]

    def _starts(self, rows: Sequence[SSAValue]) -> list[SSAValue]:
        b, way = self._b, self._given["a_row"]
        ways = [None, way, b.plus(way, way)]
        return [
            rows[r // _TOGETHER]
            if (offset := ways[r % _TOGETHER]) is None
            else b.at(rows[r // _TOGETHER], offset)
            for r in range(self._rows)
        ]

    def _end(self, finish: Finish, sums: Values, row_sums: Values) -> None:
        """Finish the sums and put them down; with masks where not all columns are there."""
        b, given, lanes = self._b, self._given, self._v.lanes
        if self._kernel.ending.result == "float32":
            self._end_floats(finish, sums, row_sums)
            return
        places = [(r, k) for r in range(self._rows) for k in range(self._vectors)]
        values = [
            finish.value(total, k, row_sums[r] if row_sums else None)
            for total, (r, k) in zip(sums, places, strict=True)
        ]
        size = self._kernel.ending.size

        def put(masks: Sequence[SSAValue | None]) -> Values:
            for value, (r, k) in zip(values, places, strict=True):
                place = b.at(self._row(given["c"], given["c_row"], r), size * lanes * k)
                self._v.put(value, place, masks[k], size)
            return ()

        self._by_edge(put)

    def _end_floats(self, finish: Finish, sums: Values, row_sums: Values) -> None:
        b, given, lanes = self._b, self._given, self._v.lanes
        record = fields(b, given["record"], OPERANDS[:3])
        has_residual = b.compare("ne", b.number_of(record["residual"]), 0)
        places = [(r, k) for r in range(self._rows) for k in range(self._vectors)]
        values = [
            finish.value(total, k, row_sums[r] if row_sums else None)
            for total, (r, k) in zip(sums, places, strict=True)
        ]

        def put(masks: Sequence[SSAValue | None]) -> Values:
            def added() -> Values:
                found: list[SSAValue] = []
                for value, (r, k) in zip(values, places, strict=True):
                    base = self._row(given["residual"], given["residual_row"], r)
                    more = b.load_vector(b.at(base, 4 * lanes * k), lanes, masks[k])
                    found.append(b.add_floats(value, more))
                return found

            for value, (r, k) in zip(b.when(has_residual, added, values), places, strict=True):
                place = b.at(self._row(given["c"], given["c_row"], r), 4 * lanes * k)
                self._v.put(finish.floored(value), place, masks[k], 4)
            return ()

        self._by_edge(put)

    def _by_edge(self, put: Put) -> None:
        b, left, lanes = self._b, self._given["left"], self._v.lanes
        whole = [None] * self._vectors
        if self._panels > 1:
            put(whole)
            return

        def masked() -> Values:
            rest = [b.minus(left, lanes * k) if k else left for k in range(self._vectors)]
            return put([b.lanes_below(count, lanes) for count in rest])

        columns = self._kernel.schedule.columns
        b.either(b.compare("sge", left, columns), lambda: put(whole), masked)


def _emit_jobs(kernel: IntegerGemmKernel) -> FuncOp:
    """The function that goes over jobs, panels, repeats and tiles."""
    b = Builder(ENTRY, [POINTER], public=True)
    (record,) = b.arguments
    operands = fields(b, record, OPERANDS)

    def job(values: tuple[SSAValue, ...]) -> list[SSAValue]:
        (place,) = values
        given = fields(b, place, JOB[:_FIRST_OF_FINISH])
        given["a"], given["c"] = b.at(operands["x"], given["a"]), b.at(operands["y"], given["c"])
        given["residual"] = b.at(operands["residual"], given["residual"])
        given["job"], given["record"] = place, record
        _Job(kernel, b, given).emit()
        return [b.at(place, 8 * len(JOB))]

    b.loop(operands["count"], [operands["jobs"]], job)
    return b.finish()


class _Job:
    """The loops of one job."""

    def __init__(self, kernel: IntegerGemmKernel, b: Builder, given: dict[str, SSAValue]) -> None:
        self._kernel, self._b, self._given = kernel, b, given

    def emit(self) -> None:
        """Along the columns, wide tiles first."""
        b, given = self._b, self._given
        # The columns of a job are counted from its own first one.
        place = [given["c"], given["residual"], b.integer(0), given["b"], given["columns"]]
        for panels in self._kernel.widths:
            count = given["wide" if panels > 1 else "narrow"]
            place = list(b.loop(count, place, partial(self._panel, panels)))

    def _panel(self, panels: int, place: tuple[SSAValue, ...]) -> list[SSAValue]:
        b, given, size = self._b, self._given, self._kernel.ending.size
        here = {**given, **dict(zip(("c", "residual", "across", "b", "left"), place, strict=True))}

        def repeat(values: tuple[SSAValue, ...]) -> list[SSAValue]:
            a, c, residual = values
            self._tiles(panels, {**here, "a": a, "c": c, "residual": residual})
            steps = (given["a_repeat"], given["c_repeat"], given["residual_repeat"])
            return [b.at(p, step) for p, step in zip((a, c, residual), steps, strict=True)]

        b.loop(given["repeats"], [here["a"], here["c"], here["residual"]], repeat)
        wide = panels * self._kernel.schedule.columns
        c, residual, across, packed, left = place
        after = [b.at(c, size * wide), b.at(residual, 4 * wide), b.plus(across, 4 * wide)]
        packed = b.at(packed, b.times(given["b_panel"], panels))
        return [*after, packed, b.minus(left, wide)]

    def _tiles(self, panels: int, here: dict[str, SSAValue]) -> None:
        """Along the rows, high tiles first."""
        b = self._b
        rows = (here["a"], here["c"], here["residual"])
        ways = (here["a_row"], here["c_row"], here["residual_row"])
        for name, height in zip(("high", "low"), self._kernel.heights, strict=False):
            steps = [b.times(way, height) for way in ways]

            def tile(
                values: tuple[SSAValue, ...],
                height: int = height,
                steps: Sequence[SSAValue] = steps,
            ) -> list[SSAValue]:
                places = dict(zip(("a", "c", "residual"), values, strict=True))
                arguments = {**here, **places}
                b.call_function(_tile_name(height, panels), [arguments[n] for n in _TILE])
                return [b.at(p, step) for p, step in zip(values, steps, strict=True)]

            rows = b.loop(here[name], list(rows), tile)
