"""SUMMA: C = A B on p x p PEs, a square tile of A, B and C each, stored by columns.

Step s: PE column s broadcasts its tiles of A along the rows, PE row s its tiles of B along the columns; then every PE
adds the product of the two tiles of this step to its tile of C. A tile is its own or the one that it received, which
lies behind its own in the same buffer.
The broadcast along the row activates the compute task when it is complete, the one along the column
unblocks it (it blocks itself again), so it starts when both tiles are there. Nothing overlaps.

*Compute*: for each column k of A and each column j of B: load the scalar B[k, j]; one `@fmacs` of a column of C,
C[:, j] += A[:, k] * B[k, j]; move the DSD of C on by a column.

Colours: one an axis, with three switch positions: the sender is before me, it is me, it is behind me. A sender's
last word is a control word with two commands, of which each router obeys and takes one (`pop_mode`
always_pop): its own router goes on to "behind me", the next one to "it is me".

Window: a timestamp in the first entry, one in the exit task; latest end less earliest start over all PEs. The scalar
code and the library were compiled by the vendor: two declared costs, beside the instructions that are here.
Both were fitted on p = 2 (one count): `inner`, so that the scalar cycles around an inner op are the 37 to 44 that
an independent trace saw, and `broadcast` for the rest, which comes out near gemv-collectives' cost of a call. p = 4
then only tests that steps do not depend on p. Half of the count is declared: calibrated.
A and C start in different bank classes. Source: Cerebras/csl-examples gemm-collectives_2d, SDK simulator, WSE-3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

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
from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder, X, Y
from pyflame_rt.dialects.wse.dsds import FabinDsdOp, FaboutDsdOp, Mem1dDsdOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp, VarOp

PUBLISHED: Final = {2: 25_712, 4: 51_431}

_FITTED_ON = "summa p=2 tile=14 on wse3: 25,712"
INNER = DeclaredCost(
    "inner", 25, "scalar cycles around an inner op beside the 12 that are charged", _FITTED_ON
)
BROADCAST = DeclaredCost(
    "broadcast", 589, "what a call of the vendor's library takes beside the transfer", _FITTED_ON
)

# Queues and microthreads of the two axes.
_ROWS, _COLUMNS = 0, 1


@dataclass(frozen=True)
class _Axis:
    """A broadcast along one axis: `store` has the own tile and behind it the one that is received."""

    number: int
    # The PE's place on the axis.
    place: ParamOp
    store: BufferOp
    send: FaboutDsdOp
    receive: FabinDsdOp
    advance: FaboutDsdOp
    own: Mem1dDsdOp
    received: Mem1dDsdOp

    @classmethod
    def of(cls, tile: TileBuilder, number: int, color: str, store: BufferOp) -> _Axis:
        """The parameter, queues and DSDs of an axis."""
        words = store.count // 2
        into, out = tile.input_queue(number, color), tile.output_queue(number, color)
        return cls(
            number, tile.param("xy"[number], "i32"), store, tile.fabout(out, words),
            tile.fabin(into, words), tile.fabout(out, 1, "i32", control=True),
            tile.mem1d(store, words), tile.mem1d(store, words, offset=words),
        )  # fmt: skip


class _Tile:
    """The one program of all PEs."""

    def __init__(self, program: ProgramBuilder, p: int, size: int):
        self.tile = tile = program.tile("summa")
        self.p, self.size = p, size
        words = size * size
        a = tile.buffer("a", [2, words], align=8, offset=4, export=True)
        b = tile.buffer("b", [2, words], export=True)
        c = tile.buffer("c", words, align=8, values=0.0, export=True)
        self.a, self.c = tile.mem1d(a, size), tile.mem1d(c, size)
        self.axes = (
            _Axis.of(tile, _ROWS, "along_row", a),
            _Axis.of(tile, _COLUMNS, "along_column", b),
        )
        self.step = tile.var("step", "i32", 0)
        self.at = tile.var("at", "i32")
        with tile.task("entry", active=True):
            tile.timestamp()
            self._broadcasts()
        for axis in self.axes:
            self._sent(axis)
        with tile.task("compute", blocked=True):
            self._compute()
        with tile.task("exit"):
            tile.timestamp()

    def _is_own(self, axis: _Axis) -> SSAValue:
        """Whether this PE has the tile of this step."""
        return self.tile.alu("eq", self.tile.get(self.step), self.tile.get(axis.place))

    def _broadcasts(self) -> None:
        """Send the own tile, or receive one: the row's end activates, the column's unblocks."""
        tile = self.tile
        for axis in self.axes:
            tile.declare_cost(BROADCAST.name, BROADCAST.cycles)
            rows = axis.number == _ROWS
            with tile.if_(self._is_own(axis)) as own:
                tile.vector(
                    "mov32", axis.send, axis.own, microthread=axis.number,
                    activate=f"sent_{axis.number}",
                )  # fmt: skip
            with tile.else_(own):
                tile.vector(
                    "mov32", axis.received, axis.receive, microthread=axis.number,
                    activate="compute" if rows else None, unblock=None if rows else "compute",
                )  # fmt: skip

    def _sent(self, axis: _Axis) -> None:
        """After a send: the next sender's turn, and the tile is there."""
        tile = self.tile
        with tile.task(f"sent_{axis.number}"):
            command = tile.control_word("switch_adv", "switch_adv", ignore=True)
            tile.vector("mov32", axis.advance, scalar=command)
            if axis.number == _ROWS:
                tile.activate("compute")
            else:
                tile.unblock("compute")

    def _compute(self) -> None:
        """C += A B of the tiles of this step; then the next one, or the end."""
        tile = self.tile
        tile.block("compute")
        begin = tile.var("begin", "i32")
        words = self.size * self.size
        with tile.if_(self._is_own(self.axes[_ROWS])) as own:
            tile.set_dsd_offset(self.a, 0)
        with tile.else_(own):
            tile.set_dsd_offset(self.a, words)
        with tile.if_(self._is_own(self.axes[_COLUMNS])) as own:
            tile.set(begin, 0)
        with tile.else_(own):
            tile.set(begin, words)
        self._multiply(begin)
        tile.set(self.step, tile.alu("add", tile.get(self.step), 1))
        with tile.if_(tile.alu("lt", tile.get(self.step), self.p)) as more:
            self._broadcasts()
        with tile.else_(more):
            tile.activate("exit")

    def _multiply(self, begin: VarOp) -> None:
        """For each column of A and each column of B: one scalar of B, one op on a column of C."""
        tile, size = self.tile, self.size
        b = self.axes[_COLUMNS].store
        with tile.for_(0, size, kind="i32"):
            tile.set_dsd_offset(self.c, 0)
            tile.set(self.at, tile.get(begin))
            with tile.for_(0, size, kind="i32"):
                scalar = tile.load(b, 0, tile.get(self.at))
                tile.declare_cost(INNER.name, INNER.cycles)
                tile.vector("fmacs", self.c, self.c, self.a, scalar=scalar)
                tile.increment_dsd_offset(self.c, size)
                tile.set(self.at, tile.alu("add", tile.get(self.at), size))
            tile.increment_dsd_offset(self.a, size)
            tile.set(begin, tile.alu("add", tile.get(begin), 1))


def _route(program: ProgramBuilder, p: int) -> None:
    """One colour an axis; positions: the sender is before me, me, behind me."""
    for color, before, behind in (
        ("along_row", "west", "east"),
        ("along_column", "north", "south"),
    ):
        program.color(color)
        for place in range(p):
            low, high = [before] * (place > 0), [behind] * (place < p - 1)
            positions: list[tuple[list[str], list[str]]] = [(["ramp"], low + high)]
            if low:
                positions.insert(0, (low, ["ramp", *high]))
            if high:
                positions.append((high, ["ramp", *low]))
            line = (place, range(p)) if before == "west" else (range(p), place)
            program.route(color, line, *positions, pop_mode="always_pop")


def build(params: Params, machine: Machine) -> ModuleOp:
    """One tile everywhere; a PE knows its coordinates."""
    p = params["p"]
    program = ProgramBuilder("summa", p, p)
    _route(program, p)
    tile = _Tile(program, p, params["tile"])
    program.place(tile.tile, (range(p), range(p)), x=X, y=Y)
    return program.module()


def _matrices(params: Params) -> tuple[Array, Array]:
    """A and B: small integers, whose sums are exact in any order."""
    rng = np.random.default_rng(16)
    size = params["p"] * params["tile"]
    a, b = (rng.integers(-4, 5, (size, size)).astype(np.float32) for _ in range(2))
    return a, b


def _tiles(matrix: Array, p: int) -> Array:
    """[y, x]: the tile of PE (x, y) as the vector of its columns."""
    size = matrix.shape[0] // p
    return matrix.reshape(p, size, p, size).transpose(0, 2, 3, 1).reshape(p, p, -1)


def inputs(params: Params) -> dict[str, Array]:
    """The tiles of A and B, and room behind each."""
    a, b = _matrices(params)
    p, words = params["p"], params["tile"] ** 2
    nothing = np.zeros((p, p, words), np.float32)
    return {
        name: np.concatenate([_tiles(matrix, p), nothing], 2)
        for name, matrix in (("a", a), ("b", b))
    }


def cycles(run: Run) -> Counts:
    """The latest end less the earliest start."""
    stamps = [event.cycle for event in run.matching("stamp")]
    return Counts(max(stamps) - min(stamps))


def check(run: Run) -> None:
    """Every PE has its tile of A B."""
    a, b = _matrices(run.params)
    tiles = _tiles(a @ b, run.width)
    for y in range(run.height):
        for x in range(run.width):
            run.expect("c", tiles[y, x], x, y)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published counts of tiles of 14 x 14."""
    p = params["p"]
    if machine.name != "wse3" or params["tile"] != 14 or p not in PUBLISHED:
        return None
    source = "Cerebras/csl-examples gemm-collectives_2d, SDK simulator"
    return Expected(PUBLISHED[p], source, "calibrated", relative=0.01, scored=p != 2)


BENCHMARK = Benchmark(
    name="summa",
    summary="C = A B on square tiles: broadcast a column of A and a row of B, multiply, p times",
    parameters={
        "p": Parameter(2, "PEs in each direction", least=2, most=64),
        "tile": Parameter(14, "rows and columns of a PE's tiles", most=48),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    declared=(INNER, BROADCAST),
    rows=tuple(Row("B16", "wse3", {"p": p}) for p in PUBLISHED),
    trace="prints",
)
