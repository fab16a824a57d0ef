"""Matrix products in the registers: the code of a tile, and the way over all of them.

A tile is some rows and columns of the result, whose sums stay in registers while the code goes along
the depth. Weights are packed by panels of as many columns as a tile has, so that they are read one
after the other; x is read as it lies, one element for all columns. Bias, residual and activation are
applied to the registers before they are put down.

What is multiplied is said by jobs, records of numbers (see `FIELDS`): the code itself knows neither
sizes nor addresses, and serves products with and without residual or activation, so that a network
needs few kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.dialects.builtin import ModuleOp, i64
from xdsl.dialects.llvm import FuncOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.activations import activated, is_short
from pyflame_rt.backends.native.builder import POINTER, Builder, Values, vector_of
from pyflame_rt.dialects.plan.schedules import Schedule

ENTRY = "gemm"
"""The function of a kernel's module, of the address of a record: those of x, y, residual (0 without
one) and jobs, and how many jobs there are."""

FIELDS = (
    "a", "a_row", "b", "b_panel", "c", "c_row", "residual", "residual_row", "bias",
    "columns", "wide", "narrow", "high", "low",
    "repeats", "a_repeat", "c_repeat", "residual_repeat",
    "runs", "a_run", "depth", "adds", "finishes", "activates",
)  # fmt: skip
"""What a job says, all of 64 bits and distances in bytes.

`a`, `c`, `residual` are offsets, `b` and `bias` addresses; `…_row` the way from row to row, `b_panel`
from panel to panel. There are `columns`: `wide` times several panels, then `narrow` single ones; and
`high` tiles of the first height, then `low` ones of the second. All that `repeats` times, `…_repeat`
further on. A row of x is `runs` stretches of `depth` elements, `a_run` apart. A job that `adds` begins
with what lies in y, one that `finishes` adds bias and residual, one that `activates` as well applies the
activation.
"""

_TOGETHER = 3
"""Rows that share a register for their address, which reaches others by the first and second multiple
of the way from row to row."""

_LINE = 64
"""Bytes that a processor moves at once."""

_TILE: tuple[str, ...] = (
    "a", "a_row", "b", "b_panel", "c", "c_row", "residual", "residual_row", "bias", "left",
    "runs", "a_run", "depth", "adds", "finishes", "activates", "has_residual",
)  # fmt: skip
_POINTERS = ("a", "b", "c", "residual", "bias")


@dataclass(frozen=True)
class GemmKernel:
    """What code is made of: y = activation(x @ w + bias + residual) by tiles of certain sizes."""

    schedule: Schedule
    heights: tuple[int, ...]
    """Rows of tiles: of the high ones, and of the low ones if there are any."""
    panels: int
    """Panels of a wide tile; 1 if there are none."""
    fused: bool
    """Whether the processor multiplies and adds at once."""
    activation: str = ""
    numbers: tuple[float, ...] = ()

    entry = ENTRY

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        shapes = [(rows, panels) for rows in self.heights for panels in self.widths]
        tiles = [_Tile(self, rows, panels).emit() for rows, panels in shapes]
        return ModuleOp([*tiles, _emit_jobs(self)])

    @property
    def cpu(self) -> str:
        """The instructions that the code is made of."""
        return self.schedule.cpu

    @property
    def widths(self) -> tuple[int, ...]:
        """Panels of tiles."""
        return (1,) if self.panels == 1 else (self.panels, 1)


def _tile_name(rows: int, panels: int) -> str:
    return f"tile_{rows}x{panels}"


class _Tile:
    """The function that computes one tile. A vector of it is a row of a panel, which LLVM takes apart
    into registers."""

    def __init__(self, kernel: GemmKernel, rows: int, panels: int) -> None:
        kinds = [POINTER if name in _POINTERS else i64 for name in _TILE]
        self._kernel, self._schedule = kernel, kernel.schedule
        self._rows, self._panels = rows, panels
        self._lanes = kernel.schedule.columns
        self._b = Builder(_tile_name(rows, panels), kinds, fused=kernel.fused)
        self._given = dict(zip(_TILE, self._b.arguments, strict=True))
        self._places = [(r, p) for r in range(rows) for p in range(panels)]

    def emit(self) -> FuncOp:
        """The function."""
        b, given = self._b, self._given
        sums = self._begin()
        rows = [self._row(given["a"], given["a_row"], r) for r in range(0, self._rows, _TOGETHER)]
        columns = [b.at(given["b"], b.times(given["b_panel"], p)) for p in range(self._panels)]

        def along(values: tuple[SSAValue, ...]) -> list[SSAValue]:
            starts = list(values[: len(rows)])
            moved = self._along_run(list(values))
            after = [b.at(start, given["a_run"]) for start in starts]
            return [*after, *moved[len(rows) :]]

        found = b.loop(given["runs"], [*rows, *columns, *sums], along)
        self._end(list(found[-len(sums) :]))
        return b.finish()

    def _row(self, base: SSAValue, way: SSAValue, row: int) -> SSAValue:
        return base if row == 0 else self._b.at(base, self._b.times(way, row))

    def _begin(self) -> list[SSAValue]:
        """The sums before the first step: nothing, or what lies in y."""
        b = self._b
        nothing = [b.splat(0.0, self._lanes)] * len(self._places)
        return list(b.when(b.compare("ne", self._given["adds"], 0), self._put_down, nothing))

    def _put_down(self) -> list[SSAValue]:
        load = partial(self._loaded, "c", "c_row")
        places = self._places
        return self._by_edge(lambda mask: [load(r, p, mask) for r, p in places], len(places))

    def _by_edge(self, body: Callable[[SSAValue | None], Values], count: int = 0) -> list[SSAValue]:
        """`body`, of so many results, for whole panels, or with a mask where there are not as many
        columns left."""
        b, left = self._b, self._given["left"]
        if self._panels > 1:
            return list(body(None))
        kinds = [vector_of(self._lanes)] * count
        is_whole = b.compare("sge", left, self._lanes)
        return list(
            b.either(
                is_whole,
                lambda: body(None),
                lambda: body(b.lanes_below(left, self._lanes)),
                kinds,
            )
        )

    def _loaded(self, name: str, way: str, row: int, panel: int, mask: SSAValue | None) -> SSAValue:
        b, lanes = self._b, self._lanes
        address = b.at(self._row(self._given[name], self._given[way], row), 4 * lanes * panel)
        return b.load_vector(address, lanes, mask)

    def _along_run(self, values: list[SSAValue]) -> list[SSAValue]:
        """Along one stretch of the depth: several steps at a time, then the rest one by one."""
        b, unroll, depth = self._b, self._schedule.unroll, self._given["depth"]
        bits = unroll.bit_length() - 1
        many = partial(self._steps, unroll)
        found = b.loop(b.shifted(depth, bits), values, many)
        if unroll > 1:
            found = b.loop(b.masked(depth, unroll - 1), list(found), partial(self._steps, 1))
        return list(found)

    def _steps(self, count: int, values: tuple[SSAValue, ...]) -> list[SSAValue]:
        b, lanes, schedule = self._b, self._lanes, self._schedule
        groups = -(-self._rows // _TOGETHER)
        rows, columns = values[:groups], values[groups : groups + self._panels]
        sums, way = list(values[groups + self._panels :]), self._given["a_row"]
        ways = [None, way, b.plus(way, way)]
        starts = [
            rows[r // _TOGETHER]
            if (offset := ways[r % _TOGETHER]) is None
            else b.at(rows[r // _TOGETHER], offset)
            for r in range(self._rows)
        ]
        for step in range(count):
            panel_step = 4 * lanes * step
            weights = [b.load_vector(b.at(panel, panel_step), lanes) for panel in columns]
            for panel in columns:
                # The next panels come from far, as long as there are few rows to multiply them with.
                for line in range(0, 4 * lanes, _LINE):
                    b.prefetch(b.at(panel, schedule.ahead + panel_step + line))
            for r, start in enumerate(starts):
                element = b.broadcast(b.at(start, 4 * step), lanes)
                for p, weight in enumerate(weights):
                    index = r * self._panels + p
                    sums[index] = b.multiply_add(element, weight, sums[index])
        moved = [b.at(row, 4 * count) for row in rows]
        return [*moved, *(b.at(panel, 4 * lanes * count) for panel in columns), *sums]

    def _end(self, sums: list[SSAValue]) -> None:
        """Finish the sums, if this is the last part of the depth, and put them down."""
        b, given = self._b, self._given
        finishes = b.compare("ne", given["finishes"], 0)
        finished = b.when(finishes, partial(self._finished, sums), sums)
        self._by_edge(partial(self._put, finished))
        if self._activates_after:
            b.when(b.compare("ne", given["activates"], 0), self._activate_put_down, ())

    @property
    def _activates_after(self) -> bool:
        name = self._kernel.activation
        return bool(name) and not is_short(name)

    def _activate_put_down(self) -> Values:
        """Long code stands once, in a loop over what was just put down."""
        b, given, lanes = self._b, self._given, self._schedule.lanes

        def row(values: tuple[SSAValue, ...]) -> Values:
            (c,) = values
            activate = partial(activated, b, self._kernel.activation, self._kernel.numbers)
            width = b.smallest(given["left"], self._panels * self._lanes)

            def some(at: tuple[SSAValue, ...], mask: SSAValue | None = None) -> Values:
                (place,) = at
                b.store(activate(b.load_vector(place, lanes, mask)), place, mask)
                return [b.at(place, 4 * lanes)]

            bits = lanes.bit_length() - 1
            (end,) = b.loop(b.shifted(width, bits), [c], some)
            rest = b.masked(width, lanes - 1)

            def last() -> Values:
                some((end,), b.lanes_below(rest, lanes))
                return ()

            b.when(b.compare("sgt", rest, 0), last, ())
            return [b.at(c, given["c_row"])]

        b.loop(b.integer(self._rows), [given["c"]], row)
        return ()

    def _finished(self, sums: list[SSAValue]) -> Values:
        b, given, lanes = self._b, self._given, self._lanes
        # Bias is packed with as many elements as the panels have columns.
        places = (b.at(given["bias"], 4 * lanes * p) for p in range(self._panels))
        biases = [b.load_vector(place, lanes) for place in places]
        sums = [
            b.add_floats(value, biases[p]) for value, (_, p) in zip(sums, self._places, strict=True)
        ]
        has_residual = b.compare("ne", given["has_residual"], 0)
        sums = list(b.when(has_residual, partial(self._with_residual, sums), sums))
        if not self._kernel.activation or self._activates_after:
            return sums
        activates = b.compare("ne", given["activates"], 0)
        return b.when(activates, partial(self._activated, sums), sums)

    def _with_residual(self, sums: list[SSAValue]) -> Values:
        b = self._b
        load = partial(self._loaded, "residual", "residual_row")
        places = self._places
        more = self._by_edge(lambda mask: [load(r, p, mask) for r, p in places], len(places))
        return [b.add_floats(value, added) for value, added in zip(sums, more, strict=True)]

    def _activated(self, sums: list[SSAValue]) -> Values:
        kernel = self._kernel
        return [activated(self._b, kernel.activation, kernel.numbers, value) for value in sums]

    def _put(self, sums: Values, mask: SSAValue | None) -> Values:
        b, given, lanes = self._b, self._given, self._lanes
        for (r, p), value in zip(self._places, sums, strict=True):
            place = b.at(self._row(given["c"], given["c_row"], r), 4 * lanes * p)
            b.store(value, place, mask)
        return []


def _emit_jobs(kernel: GemmKernel) -> FuncOp:
    """The function that goes over jobs, panels, repeats and tiles."""
    b = Builder(ENTRY, [POINTER], public=True)
    (given_record,) = b.arguments
    x, y, more, jobs = (b.load(b.at(given_record, 8 * i), POINTER, 8) for i in range(4))
    count = b.load(b.at(given_record, 32), i64, 8)
    residual = b.load(b.at(given_record, 16), i64, 8)

    def job(values: tuple[SSAValue, ...]) -> list[SSAValue]:
        (record,) = values
        given = {
            name: b.load(b.at(record, 8 * i), POINTER if name in ("b", "bias") else i64, 8)
            for i, name in enumerate(FIELDS)
        }
        given["a"], given["c"] = b.at(x, given["a"]), b.at(y, given["c"])
        given["residual"], given["has_residual"] = b.at(more, given["residual"]), residual
        _Job(kernel, b, given).emit()
        return [b.at(record, 8 * len(FIELDS))]

    b.loop(count, [jobs], job)
    return b.finish()


_MOVING = ("c", "residual", "bias", "b", "left")
"""What changes from panel to panel."""


class _Job:
    """The loops of one job."""

    def __init__(self, kernel: GemmKernel, b: Builder, given: dict[str, SSAValue]) -> None:
        self._kernel, self._b, self._given = kernel, b, given

    def emit(self) -> None:
        """Along the columns, wide tiles first."""
        given = self._given
        place = [given[n] for n in ("c", "residual", "bias", "b", "columns")]
        for panels in self._kernel.widths:
            count = given["wide" if panels > 1 else "narrow"]
            place = list(self._b.loop(count, place, partial(self._panel, panels)))

    def _panel(self, panels: int, place: tuple[SSAValue, ...]) -> list[SSAValue]:
        b, given = self._b, self._given
        here = {**given, **dict(zip(_MOVING, place, strict=True))}

        def repeat(values: tuple[SSAValue, ...]) -> list[SSAValue]:
            a, c, residual = values
            self._tiles(panels, {**here, "a": a, "c": c, "residual": residual})
            steps = (given["a_repeat"], given["c_repeat"], given["residual_repeat"])
            return [b.at(p, step) for p, step in zip((a, c, residual), steps, strict=True)]

        b.loop(given["repeats"], [here["a"], here["c"], here["residual"]], repeat)
        wide = panels * self._kernel.schedule.columns
        c, residual, bias, packed, left = place
        after = [b.at(pointer, 4 * wide) for pointer in (c, residual, bias)]
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
