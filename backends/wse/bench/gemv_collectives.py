"""GEMV with collectives: y = A x + b on p x p PEs, in the five collective steps of the vendor's example.

Every PE owns a tile of A, row-major. b and x are at PE (0, 0), y ends at PE (p-1, p-1). Each step is a task that
the completion of the one before activates; PEs that a step does not concern go on at once.
1. *Scatter b* down PE column 0: the root sends one chunk after the other, each followed by a control word. A PE
   takes the first chunk that reaches it; the control word behind it turns its router into a pass-through.
2. *Scatter x* along PE row 0, in the same way.
3. *Broadcast x* from row 0 down every column: a multicast.
4. One `@fmacs` for each column of the tile (stride `cols`), column 0 adds b; *reduce* along each row to the last
   PE, a chain: every PE adds what comes from the west to its own sums, word by word.
5. *Gather* down the last column: every PE sends its part to the south, and behind its last word its own router
   turns to what waits in the north, so the parts arrive in the order of nearness.

Colours: one each for the two scatters, the broadcast and the gather, two for the chain (they alternate by column).
Queues: a number a step.

Window: the latest end less the earliest start over all PEs, as timestamps. The library of the published program is
closed, so the collectives are written here, and one declared cost stands for what a call of the library takes
beside them. It was fitted on 2 x 2 PEs; 4 x 4 is scored, calibrated: nine tenths of the count are declared.
Source: Cerebras/csl-examples gemv-collectives_2d, SDK simulator, WSE-3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench.base import (
    Array,
    Benchmark,
    Counts,
    DeclaredCost,
    Expected,
    Parameter,
    Params,
    Row,
    Run,
)
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder, Where
from pyflame_rt.dialects.wse.tile import BufferOp

PUBLISHED: Final = {2: 3212, 4: 3670}

CALL = DeclaredCost(
    "collective call",
    600,
    "what a call of the vendor's collectives library takes beside the transfer",
    "gemv-collectives p=2 rows=8 cols=4 on wse3: 3,212",
)

# Queues.
_SCATTER_B, _SCATTER_X, _BROADCAST, _REDUCE, _GATHER = range(5)
_EAST: Final = ("east_even", "east_odd")


@dataclass(frozen=True)
class _Shape:
    """p x p PEs with a tile of rows x columns each."""

    p: int
    rows: int
    columns: int


@dataclass(frozen=True)
class _Role:
    """What a PE is in the steps: which edges of the grid it is at."""

    west: bool
    east: bool
    north: bool
    south: bool

    @classmethod
    def of(cls, p: int, x: int, y: int) -> _Role:
        return cls(x == 0, x == p - 1, y == 0, y == p - 1)

    def __str__(self) -> str:
        sides = {"north": self.north, "south": self.south, "west": self.west, "east": self.east}
        return "_".join(name for name, there in sides.items() if there) or "inner"


class _Tile:
    """The program of the PEs of a role. Each step's task is activated by the one before."""

    def __init__(self, program: ProgramBuilder, shape: _Shape, role: _Role):
        self.tile = tile = program.tile(str(role))
        self.shape, self.role = shape, role
        self.x = tile.buffer("x", shape.columns)
        self.b = tile.buffer("b", shape.rows)
        self.a = tile.buffer("a", [shape.rows, shape.columns], align=8, export=True)
        y = tile.buffer("y", shape.rows, align=8, offset=4, values=0.0)
        self.sums = tile.mem1d(y)
        with tile.task("entry", active=True):
            tile.timestamp()
            self._scatter("b", _SCATTER_B, self.b, "scatter_x", on=role.west, root=role.north)
        with tile.task("scatter_x"):
            self._scatter("x", _SCATTER_X, self.x, "broadcast", on=role.north, root=role.west)
        with tile.task("broadcast"):
            self._broadcast()
        with tile.task("compute"):
            self._multiply()
            self._reduce()
        with tile.task("gather"):
            self._gather()
        with tile.task("exit"):
            tile.timestamp()

    def _call(self) -> None:
        """What a call of the library takes beside what it transfers."""
        self.tile.declare_cost(CALL.name, CALL.cycles)

    def _receive(self, queue: int, color: str, buffer: BufferOp, then: str) -> None:
        tile = self.tile
        into = tile.fabin(tile.input_queue(queue, color), buffer.count)
        tile.vector("mov32", tile.mem1d(buffer), into, microthread=0, activate=then)

    def _scatter(
        self, what: str, queue: int, own: BufferOp, then: str, *, on: bool, root: bool
    ) -> None:
        """The root's first chunk is its own; a control word follows each chunk but the last."""
        tile, p, chunk = self.tile, self.shape.p, own.count
        if not on:
            tile.activate(then)
            return
        self._call()
        if not root:
            self._receive(queue, f"{what}_parts", own, then)
            return
        every = tile.buffer(f"{what}_all", p * chunk, export=True)
        out = tile.output_queue(queue, f"{what}_parts")
        part, words = tile.mem1d(every, chunk), tile.fabout(out, chunk)
        command = tile.fabout(out, 1, "i32", control=True)
        tile.vector("mov32", tile.mem1d(own), part)
        for place in range(1, p):
            tile.increment_dsd_offset(part, chunk)
            tile.vector("mov32", words, part)
            if place < p - 1:
                advance = tile.control_word("switch_adv", ignore=True)
                tile.vector("mov32", command, scalar=advance)
        tile.activate(then)

    def _broadcast(self) -> None:
        """x down every column."""
        tile = self.tile
        self._call()
        if not self.role.north:
            self._receive(_BROADCAST, "x_copies", self.x, "compute")
            return
        out = tile.fabout(tile.output_queue(_BROADCAST, "x_copies"), self.shape.columns)
        tile.vector("mov32", out, tile.mem1d(self.x), microthread=0, activate="compute")

    def _multiply(self) -> None:
        """The sums of this PE's tile, a column of A at a time."""
        tile, sums, shape = self.tile, self.sums, self.shape
        column = tile.mem1d(self.a, shape.rows, stride=shape.columns)
        for number in range(shape.columns):
            scalar = tile.load(self.x, number)
            tile.vector("fmacs", sums, sums, column, scalar=scalar)
            tile.increment_dsd_offset(column, 1)
        if self.role.west:
            tile.vector("fadds", sums, sums, tile.mem1d(self.b))

    def _reduce(self) -> None:
        """The chain along the row."""
        tile, role, rows = self.tile, self.role, self.shape.rows
        self._call()
        out = into = None
        if not role.east:
            out = tile.fabout(tile.output_queue(_REDUCE, tile.param("east")), rows)
        if not role.west:
            into = tile.fabin(tile.input_queue(_REDUCE, tile.param("west")), rows)
        if into is None:
            tile.vector("mov32", out, self.sums, microthread=0, activate="gather")
        else:
            dest = out or self.sums
            tile.vector("fadds", dest, into, self.sums, microthread=0, activate="gather")

    def _gather(self) -> None:
        """The last PE puts the parts where they belong, the nearest one's first."""
        tile, role, rows, p = self.tile, self.role, self.shape.rows, self.shape.p
        if not role.east:
            tile.activate("exit")
            return
        self._call()
        if not role.south:
            queue = tile.output_queue(_GATHER, "y_parts")
            out = tile.fabout(queue, rows, advance_switch=True)
            tile.vector("mov32", out, self.sums, microthread=0, activate="exit")
            return
        result = tile.buffer("result", rows * p, export=True)
        part = tile.mem1d(result, rows, offset=rows * (p - 1))
        into = tile.fabin(tile.input_queue(_GATHER, "y_parts"), rows)
        tile.vector("mov32", part, self.sums)
        for left in range(p - 2, -1, -1):
            tile.increment_dsd_offset(part, -rows)
            then = None if left else "exit"
            tile.vector("mov32", part, into, microthread=0, activate=then)


def _route_scatter(
    program: ProgramBuilder, color: str, p: int, line: Callable[[int], Where], back: str, away: str
) -> None:
    """To the ramp first, then on to the next PE."""
    program.route(color, line(0), ("ramp", away))
    for place in range(1, p):
        then = [(back, away)] if place < p - 1 else []
        program.route(color, line(place), (back, "ramp"), *then)


def _route(program: ProgramBuilder, p: int) -> None:
    """The routes of all steps."""
    everywhere, last = range(p), p - 1
    for color in ("b_parts", "x_parts", "x_copies", "y_parts", *_EAST[: min(2, last)]):
        program.color(color)
    _route_scatter(program, "b_parts", p, lambda place: (0, place), "north", "south")
    _route_scatter(program, "x_parts", p, lambda place: (place, 0), "west", "east")
    program.route("x_copies", (everywhere, 0), ("ramp", "south"))
    for y in range(1, p):
        south = ["south"] if y < last else []
        program.route("x_copies", (everywhere, y), ("north", ["ramp", *south]))
    for x in range(last):
        program.route(_EAST[x % 2], (x, everywhere), ("ramp", "east"))
        program.route(_EAST[x % 2], (x + 1, everywhere), ("west", "ramp"))
    for y in range(last):
        then = [("north", "south")] if y else []
        program.route("y_parts", (last, y), ("ramp", "south"), *then)
    program.route("y_parts", (last, last), ("north", "ramp"))


def build(params: Params, machine: Machine) -> ModuleOp:
    """Nine roles at most: corners, edges, inner PEs."""
    shape = _Shape(params["p"], params["rows"], params["cols"])
    program = ProgramBuilder("gemv_collectives", shape.p, shape.p)
    _route(program, shape.p)
    tiles: dict[_Role, _Tile] = {}
    for y in range(shape.p):
        for x in range(shape.p):
            role = _Role.of(shape.p, x, y)
            if role not in tiles:
                tiles[role] = _Tile(program, shape, role)
            colors = {} if role.east else {"east": _EAST[x % 2]}
            if not role.west:
                colors["west"] = _EAST[(x - 1) % 2]
            program.place(tiles[role].tile, (x, y), colors)
    return program.module()


def _operands(params: Params) -> tuple[Array, Array, Array]:
    """A, x and b: small integers, whose sums are exact in any order."""
    rng = np.random.default_rng(15)
    height, width = params["p"] * params["rows"], params["p"] * params["cols"]
    a, x, b = (rng.integers(-9, 9, size) for size in ((height, width), width, height))
    return a.astype(np.float32), x.astype(np.float32), b.astype(np.float32)


def inputs(params: Params) -> dict[str, Array]:
    """The tiles of A; all of x and b on PE (0, 0), which alone has arrays for them."""
    p, rows, columns = params["p"], params["rows"], params["cols"]
    a, x, b = _operands(params)
    tiles = a.reshape(p, rows, p, columns).transpose(0, 2, 1, 3).reshape(p, p, -1)
    return {"a": tiles, "x_all": x[None, None], "b_all": b[None, None]}


def cycles(run: Run) -> Counts:
    """The latest end less the earliest start."""
    stamps = [event.cycle for event in run.matching("stamp")]
    return Counts(max(stamps) - min(stamps))


def check(run: Run) -> None:
    """The last PE has A x + b."""
    a, x, b = _operands(run.params)
    run.expect("result", a @ x + b, run.width - 1, run.height - 1)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published counts of tiles of 8 x 4."""
    p = params["p"]
    if machine.name != "wse3" or (params["rows"], params["cols"]) != (8, 4) or p not in PUBLISHED:
        return None
    source = "Cerebras/csl-examples gemv-collectives_2d, SDK simulator"
    return Expected(PUBLISHED[p], source, "calibrated", relative=0.1, scored=p != 2)


BENCHMARK = Benchmark(
    name="gemv-collectives",
    summary="y = A x + b: scatter, broadcast, multiply, reduce, gather",
    parameters={
        "p": Parameter(2, "PEs in each direction", least=2, most=64),
        "rows": Parameter(8, "rows of a PE's tile", most=1024),
        "cols": Parameter(4, "columns of a PE's tile", most=1024),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    declared=(CALL,),
    rows=tuple(Row("B15", "wse3", {"p": p}) for p in PUBLISHED),
    trace="prints",
)
