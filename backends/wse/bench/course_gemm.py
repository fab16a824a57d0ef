"""Course GEMM: C = A B on kx x ky PEs, as a university course's program computes it [hw4].

PE (x, y) owns a block of A (rows of part y, columns of part x, stored by columns), a block of B (rows of part x,
columns of part y, stored by columns), a block of C (rows of part y, columns of part x) and a vector r.

*Column broadcast.* In every PE column the PEs send their B one after the other, the top one first, all words by one
asynchronous move; every PE of the column, the sender too, gets every word in the same order.
*Data task*, once a word b: r += (next column of A) * b, an `@fmacs`. After as many words as A has columns, r is this
column of PEs' share of a column of C, and the data task reduces it along the row before it ends.
*Ring reduce.* The first PE of the ring sends its r, the others add theirs to what comes and pass it on, the last one
adds into the next column of its C. The last one is PE column 0 until its block is full, then 1, and so on; the
first one is its neighbour to the east. Then r = 0.
*Hand-over.* A PE that has worked off its own last word sends a control word one hop to the south, whose control
task begins the next PE's move.

Colours and routes. `up` takes words to row 0, which turns them round: they leave it on `down` (a colour swap), and go to
every ramp on their way south. A router takes its own ramp's words first; the last word of the move advances it to
what comes from the south. The ring has three colours: two that alternate to the east, and `back` from the last PE
to the first, which passes the PEs between. Two alternating colours hand over. Buffers lie as they are declared,
not aligned: for most sizes A and r are in one class of banks, and the `@fmacs` takes twice its elements.

Window: on every PE from the first instruction of its program to a timestamp after its last reduction. Both the least
and the most over the PEs were published; `cycles` is the most.

One declared cost: the scalar code of a word (move on in A, count, branch) was scheduled by the vendor's compiler. Of
the integers from 0 on, 0 is the least-squares fit to rows 1, 3, 5 … of the published list: it hides behind the
start of the data task, a machine constant which was itself derived from this program's 40 cycles a word. At the
prices of its instructions, 9 cycles a word more, the median error is 14 %. Constants for the end of a column and
for a hand-over came out as 0 beside their instructions, which are charged, and were dropped.
Source: da-luce/cs5220_hw4, SDK simulator, WSE-2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

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
from pyflame_rt.dialects.wse.attributes import CostAttr
from pyflame_rt.dialects.wse.base import COST
from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.dialects.wse.building import named
from pyflame_rt.dialects.wse.dsds import IncrementDsdOffsetOp
from pyflame_rt.dialects.wse.tile import VarOp
from pyflame_rt.errors import ValidationError

# kx ky m h n: the least and the most cycles over the PEs, in the order in which they are shown.
PUBLISHED: Final[dict[tuple[int, ...], tuple[int, int]]] = {
    (2, 2, 8, 8, 8): (2129, 2194),
    (4, 4, 16, 16, 16): (4272, 4432),
    (2, 8, 16, 16, 16): (6768, 6898),
    (4, 8, 16, 16, 16): (4109, 4262),
    (2, 2, 16, 16, 16): (8114, 8249),
    (2, 4, 16, 8, 16): (4284, 4418),
    (3, 6, 6, 9, 6): (1419, 1468),
    (3, 6, 12, 9, 18): (3680, 3843),
    (2, 2, 2, 2, 2): (316, 325),
    (4, 4, 4, 4, 4): (670, 701),
    (2, 4, 4, 4, 16): (2558, 2678),
    (2, 2, 4, 2, 16): (1893, 2014),
    (4, 4, 4, 16, 4): (1112, 1141),
    (2, 8, 8, 8, 8): (2202, 2268),
    (4, 2, 4, 4, 4): (564, 595),
    (4, 2, 8, 8, 8): (1442, 1515),
    (4, 3, 6, 8, 12): (1967, 2080),
    (6, 2, 4, 6, 6): (816, 861),
    (8, 4, 8, 8, 8): (1194, 1255),
}
_KEYS: Final = ("kx", "ky", "m", "h", "n")
FITTED: Final = tuple(PUBLISHED)[::2]

WORD: Final = DeclaredCost(
    "word",
    0,
    "scalar code of the data task for a word: move on in A, count, branch",
    "rows 1, 3, 5 … of course-gemm's published list (10 of 19) on wse2",
)

_NEXT_TASK: Final = 30
# Queues: B, the ring, the hand-over.
_B, _RING, _HAND = range(3)
_UP, _DOWN, _BACK = "up", "down", "back"
_EAST: Final = ("east_even", "east_odd")
_SOUTH: Final = ("south_even", "south_odd")


@dataclass(frozen=True)
class _Shape:
    """The grid and the blocks of a PE: A is dm x dh, B is dh x dny, C is dm x dn."""

    kx: int
    ky: int
    dm: int
    dh: int
    dn: int
    dny: int

    @classmethod
    def of(cls, params: Params) -> _Shape:
        kx, ky, m, h, n = (params[key] for key in _KEYS)
        return cls(kx, ky, m // ky, h // kx, n // kx, n // ky)


@dataclass(frozen=True)
class _Vectors:
    """The DSDs of a tile; those of A and C move on as the program goes."""

    a: Operation
    b: Operation
    c: Operation
    r: Operation


@dataclass(frozen=True)
class _Counters:
    """What a tile counts: words left of a column, columns left of a block of B and of C, rounds."""

    words: VarOp
    columns: VarOp
    fill: VarOp
    rounds: VarOp
    # The distance from the ring's first PE; rounds before this PE hands over.
    role: VarOp
    turn: VarOp


class _Tile:
    """The program of a row of PEs: the first one sends at once, the last one hands over to nobody."""

    def __init__(self, program: ProgramBuilder, shape: _Shape, *, first: bool, last: bool):
        self.shape = shape
        self.last = last
        self.tile = program.tile("first" if first else "last" if last else "middle")
        self.vectors = self._vectors()
        self.counters = self._counters()
        self.b_out = self._queue("b_out", _B, out=True)
        self.b_in = self._queue("b_in", _B)
        self.ring_out = self.tile.fabout(self._queue("ring_out", _RING, out=True), shape.dm)
        self.ring_in = self.tile.fabin(self._queue("ring_in", _RING), shape.dm)
        if not last:
            queue = self._queue("hand_out", _HAND, out=True)
            self.hand_out = self.tile.fabout(queue, 1, "i32", control=True)
        self._main(first)
        if not first:
            self._queue("hand_in", _HAND)
            self._next()
        self._word()

    def _vectors(self) -> _Vectors:
        tile, shape = self.tile, self.shape
        a = tile.buffer("a", shape.dm * shape.dh, export=True)
        b = tile.buffer("b", shape.dh * shape.dny, export=True)
        c = tile.buffer("c", shape.dm * shape.dn, export=True)
        r = tile.buffer("r", shape.dm)
        own = tile.mem1d(a, shape.dm), tile.mem1d(b), tile.mem1d(c, shape.dm), tile.mem1d(r)
        return _Vectors(*own)

    def _counters(self) -> _Counters:
        tile, shape = self.tile, self.shape
        return _Counters(
            words=tile.var("words", "i32", shape.dh),
            columns=tile.var("columns", "i32", shape.dny),
            fill=tile.var("fill", "i32", shape.dn),
            rounds=tile.var("rounds", "i32", shape.ky),
            role=tile.var("role", "i32"),
            turn=tile.var("turn", "i32"),
        )

    def _queue(self, name: str, number: int, *, out: bool = False) -> Operation:
        color = self.tile.param(name)
        make = self.tile.output_queue if out else self.tile.input_queue
        return make(number, color, name=f"{name}_queue")

    def _main(self, first: bool) -> None:
        tile = self.tile
        role, turn = tile.param("place", "i32"), tile.param("row", "i32")
        with tile.task("main", active=True):
            tile.timestamp()
            tile.set(self.counters.role, tile.get(role))
            tile.set(self.counters.turn, tile.get(turn))
            if first:
                self._send_b()

    def _next(self) -> None:
        with self.tile.control_task("next", _NEXT_TASK):
            self._send_b()

    def _send_b(self) -> None:
        """The whole block by one asynchronous move, behind which the router turns to the south."""
        words = self.shape.dh * self.shape.dny
        dest = self.tile.fabout(self.b_out, words, advance_switch=True)
        self.tile.vector("mov32", dest, self.vectors.b, microthread=2)

    def _word(self) -> None:
        """The data task; its scalar code takes what is declared, branch included."""
        tile, vectors = self.tile, self.vectors
        with tile.data_task("word", self.b_in) as word:
            tile.vector("fmacs", vectors.r, vectors.r, vectors.a, scalar=word)
            rows = tile.constant(self.shape.dm, "i16")
            step = tile.emit(IncrementDsdOffsetOp(named(vectors.a), rows))
            step.attributes[COST] = _word(WORD.cycles)
            left = tile.alu("sub", tile.get(self.counters.words), 1, cost=_word(0))
            tile.set(self.counters.words, left)
            with tile.if_(tile.alu("eq", left, 0)) as column:
                column.attributes[COST] = _word(0)
                self._column()

    def _counted(self, counter: VarOp) -> SSAValue:
        """Count down; whether nothing is left."""
        left = self.tile.alu("sub", self.tile.get(counter), 1)
        self.tile.set(counter, left)
        return self.tile.alu("eq", left, 0)

    def _column(self) -> None:
        """After a column of B: reduce, and what follows when a block of C or of B ends."""
        tile, shape, counters = self.tile, self.shape, self.counters
        tile.set(counters.words, shape.dh)
        tile.set_dsd_offset(self.vectors.a, 0)
        self._reduce()
        with tile.if_(self._counted(counters.fill)):
            tile.set(counters.fill, shape.dn)
            before = tile.alu("add", tile.get(counters.role), shape.kx - 1)
            tile.set(counters.role, tile.alu("rem", before, shape.kx))
        with tile.if_(self._counted(counters.columns)):
            tile.set(counters.columns, shape.dny)
            self._round()

    def _reduce(self) -> None:
        """One column of C along the ring; the role is the distance from the ring's first PE."""
        tile, vectors = self.tile, self.vectors
        role = tile.get(self.counters.role)
        with tile.if_(tile.alu("eq", role, 0)) as first:
            tile.vector("fmovs", self.ring_out, vectors.r)
        with tile.else_(first):
            with tile.if_(tile.alu("eq", role, self.shape.kx - 1)) as final:
                tile.vector("fadds", vectors.c, self.ring_in, vectors.r)
                tile.increment_dsd_offset(vectors.c, self.shape.dm)
            with tile.else_(final):
                tile.vector("fadds", self.ring_out, self.ring_in, vectors.r)
        tile.vector("fmovs", vectors.r, scalar=0.0)

    def _round(self) -> None:
        """All columns of one PE's B are done: its own PE hands over; the program ends."""
        tile = self.tile
        if not self.last:
            with tile.if_(tile.alu("eq", tile.get(self.counters.turn), 0)):
                command = tile.control_word("nop", task=_NEXT_TASK)
                tile.vector("mov32", self.hand_out, scalar=command)
            tile.set(self.counters.turn, tile.alu("sub", tile.get(self.counters.turn), 1))
        with tile.if_(self._counted(self.counters.rounds)):
            tile.timestamp()


def _word(cycles: int) -> CostAttr:
    """Part of what the scalar code of a word is declared to take."""
    return CostAttr.of(WORD.name, cycles)


def _route_broadcast(program: ProgramBuilder, shape: _Shape, y: int) -> None:
    """Words go up to row 0 and from there down to every PE of the column."""
    row = range(shape.kx), y
    south = ["south"] if y < shape.ky - 1 else []
    to = ["ramp", *south] if y == 0 else ["north"]
    then = [("south", to)] if south else []
    swap = _DOWN if y == 0 and south else None
    program.route(_UP, row, ("ramp", to), *then, swap_y=swap)
    if y:
        program.route(_DOWN, row, ("north", ["ramp", *south]))


def _ring_color(shape: _Shape, x: int) -> str:
    """The colour on which PE column x sends."""
    return _BACK if x == shape.kx - 1 else _EAST[x % 2]


def _route_ring(program: ProgramBuilder, shape: _Shape, x: int) -> None:
    column = x, range(shape.ky)
    into = _ring_color(shape, (x - 1) % shape.kx)
    program.route(_ring_color(shape, x), column, ("ramp", "west" if x == shape.kx - 1 else "east"))
    program.route(into, column, ("west" if x else "east", "ramp"))
    if 0 < x < shape.kx - 1:
        program.route(_BACK, column, ("east", "west"))


def _route_hand_over(program: ProgramBuilder, shape: _Shape, y: int) -> None:
    row = range(shape.kx), y
    if y < shape.ky - 1:
        program.route(_SOUTH[y % 2], row, ("ramp", "south"))
    if y:
        program.route(_SOUTH[1 - y % 2], row, ("north", "ramp"))


def _place(program: ProgramBuilder, tile: _Tile, shape: _Shape, x: int, y: int) -> None:
    """The queues' colours, and where the PE is."""
    colors = {"b_in": _DOWN if y else _UP, "b_out": _UP}
    colors["ring_out"] = _ring_color(shape, x)
    colors["ring_in"] = _ring_color(shape, (x - 1) % shape.kx)
    if y < shape.ky - 1:
        colors["hand_out"] = _SOUTH[y % 2]
    if y:
        colors["hand_in"] = _SOUTH[1 - y % 2]
    program.place(tile.tile, (x, y), colors, place=(x - 1) % shape.kx, row=y)


def build(params: Params, machine: Machine) -> ModuleOp:
    """One tile for the first row, one for the last, one for those between."""
    shape = _Shape.of(params)
    program = ProgramBuilder("course_gemm", shape.kx, shape.ky)
    colors = [_UP, _EAST[0], _BACK]
    if shape.ky > 1:
        colors += [_DOWN, _SOUTH[0]]
    if shape.ky > 2:
        colors.append(_SOUTH[1])
    if shape.kx > 2:
        colors.append(_EAST[1])
    for color in colors:
        program.color(color)
    tiles: dict[tuple[bool, bool], _Tile] = {}
    for x in range(shape.kx):
        _route_ring(program, shape, x)
    for y in range(shape.ky):
        kind = y == 0, y == shape.ky - 1
        if kind not in tiles:
            tiles[kind] = _Tile(program, shape, first=kind[0], last=kind[1])
        _route_broadcast(program, shape, y)
        _route_hand_over(program, shape, y)
        for x in range(shape.kx):
            _place(program, tiles[kind], shape, x, y)
    return program.module()


def _matrices(params: Params) -> tuple[Array, Array]:
    """Small integers: sums are exact in any order."""
    rng = np.random.default_rng(17)
    m, h, n = params["m"], params["h"], params["n"]
    return (
        rng.integers(-4, 5, (m, h)).astype(np.float32),
        rng.integers(-4, 5, (h, n)).astype(np.float32),
    )


def _blocks(matrix: Array, rows: int, columns: int) -> Array:
    """[i, j]: the block in part i of the rows and part j of the columns, as the vector of its columns."""
    height, width = matrix.shape[0] // rows, matrix.shape[1] // columns
    blocks = matrix.reshape(rows, height, columns, width).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(blocks).reshape(rows, columns, -1)


def inputs(params: Params) -> dict[str, Array]:
    """The blocks of A and B; PE (x, y) has the block of B in row part x and column part y."""
    a, b = _matrices(params)
    kx, ky = params["kx"], params["ky"]
    return {"a": _blocks(a, ky, kx), "b": _blocks(b, kx, ky).transpose(1, 0, 2)}


def cycles(run: Run) -> Counts:
    """From the first timestamp of each PE to its last: the least and the most over the PEs."""
    took: list[int] = []
    for y in range(run.height):
        for x in range(run.width):
            stamps = run.stamps(x, y)
            took.append(stamps[-1] - stamps[0])
    return Counts(max(took), min(took), max(took))


def check(run: Run) -> None:
    """Every PE has its block of A B."""
    a, b = _matrices(run.params)
    blocks = _blocks(a @ b, run.height, run.width)
    for y in range(run.height):
        for x in range(run.width):
            run.expect("c", blocks[y, x], x, y)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published pair; the rows that the constants were fitted on are not scored."""
    key = tuple(params[name] for name in _KEYS)
    if machine.name != "wse2" or key not in PUBLISHED:
        return None
    least, most = PUBLISHED[key]
    return Expected(
        most, "da-luce/cs5220_hw4, SDK simulator", "calibrated", relative=0.1,
        scored=key not in FITTED, cycles_min=least, cycles_max=most,
    )  # fmt: skip


def validate(params: Params, machine: Machine) -> None:
    """The matrices divide into equal blocks. Raises ValidationError."""
    kx, ky, m, h, n = (params[key] for key in _KEYS)
    if m % ky or h % kx or n % kx or n % ky:
        raise ValidationError(
            f"matrices of {m} x {h} and {h} x {n} do not divide into {kx} x {ky} blocks",
            hint="ky divides m and n, kx divides h and n",
        )


BENCHMARK = Benchmark(
    name="course-gemm",
    summary="C = A B: column broadcast, a data task a word, ring reduce",
    parameters={
        "kx": Parameter(4, "columns of PEs", least=2, most=64),
        "ky": Parameter(4, "rows of PEs", most=64),
        "m": Parameter(16, "rows of A and C", most=4096),
        "h": Parameter(16, "columns of A, rows of B", most=4096),
        "n": Parameter(16, "columns of B and C", most=4096),
    },
    machine="wse2",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    validate=validate,
    declared=(WORD,),
    rows=tuple(Row("B17", "wse2", dict(zip(_KEYS, key, strict=True))) for key in PUBLISHED),
    trace="prints",
)
