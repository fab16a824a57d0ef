"""Chain reduce: the sum of one vector a PE, along a row, into PE 0.

The last PE sends its vector west; each PE in the middle adds its own vector to the words that come from the east,
word by word, and sends the sums on; PE 0 adds into its own vector. Two colours alternate along the row: a PE
receives on one and sends on the other, so no router ever turns. A word needs six cycles a PE (up the ramp 2,
execution 1, down the ramp 2, hop 1) and the words follow each other in every cycle.

Each task begins with a timestamp and loads its operands. What was published is the *absolute* timestamp at
the end on PE 0, at P = 512 and B = 4,096, so the start-up of the vendor's simulator is in it: one declared
constant, `start-up`, fitted on that row, which therefore is not scored. The streams, B + 6 (P - 1) on wse2
[spcl], are what is validated at other points. Window: cycle 0 to the timestamp at the end on PE 0.
"""

from __future__ import annotations

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
from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder

START_UP = DeclaredCost(
    "start-up",
    28,
    "cycles of the vendor's simulator before a program's first instruction",
    "chain-reduce pes=512 words=4096 on wse2: 7,218",
)


def start_up(tile: TileBuilder, machine: Machine) -> None:
    """What the published absolute timestamps have before the first instruction; nothing on wse3."""
    if machine.name == "wse2":
        tile.declare_cost(START_UP.name, START_UP.cycles)


def _tile(program: ProgramBuilder, role: str, words: int, machine: Machine) -> TileBuilder:
    tile = program.tile(role)
    own = tile.mem1d(tile.buffer("data", words, export=True))
    into = out = own
    if role != "last":
        into = tile.fabin(tile.input_queue(0, tile.param("in")), words)
    if role != "first":
        out = tile.fabout(tile.output_queue(0, tile.param("out")), words)
    with tile.task("main", active=True):
        start_up(tile, machine)
        tile.timestamp()
        if role == "last":
            tile.vector("mov32", out, own)
        else:
            tile.vector("fadds", out, into, own)
        if role == "first":
            tile.timestamp()
    return tile


def chain(program: ProgramBuilder, tiles: dict[str, TileBuilder], pes: int) -> None:
    """Routes and placements of a chain: even PEs receive red words and send blue ones, odd ones inversely."""
    colors = program.color("red"), program.color("blue")
    for parity, color in enumerate(colors):
        if parity < pes - 1:
            program.route(color, (slice(parity, pes - 1, 2), 0), ("east", "ramp"))
            program.route(color, (slice(parity + 1, pes, 2), 0), ("ramp", "west"))
    program.place(tiles["first"], (0, 0), {"in": colors[0]})
    for start in range(1, min(pes - 1, 3)):
        into, out = colors[start % 2], colors[1 - start % 2]
        program.place(tiles["middle"], (slice(start, pes - 1, 2), 0), {"in": into, "out": out})
    program.place(tiles["last"], (pes - 1, 0), out=colors[pes % 2])


def build(params: Params, machine: Machine) -> ModuleOp:
    """PE 0, the PEs in the middle, and the last one."""
    pes, words = params["pes"], params["words"]
    program = ProgramBuilder("chain_reduce", pes)
    roles = ("first", "middle", "last") if pes > 2 else ("first", "last")
    chain(program, {role: _tile(program, role, words, machine) for role in roles}, pes)
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """One vector a PE, of small integers: their sums are the same in any order."""
    rng = np.random.default_rng(5)
    data = rng.integers(-99, 99, (1, params["pes"], params["words"]))
    return {"data": data.astype(np.float32)}


def cycles(run: Run) -> Counts:
    """The timestamp at the end on PE 0."""
    return Counts(run.stamps(0)[-1])


def check(run: Run) -> None:
    """PE 0 has the sum."""
    run.expect("data", run.inputs["data"][0].sum(0))


def expected(params: Params, machine: Machine) -> Expected | None:
    """The streams' formula and the constant that the published point adds to it."""
    if machine.name != "wse2":
        return None
    pes, words = params["pes"], params["words"]
    fitted = (pes, words) == (512, 4096)
    source = (
        "measured; spcl/spatial-collectives, SDK simulator (start-up was fitted on it)"
        if fitted
        else "B + 6 (P - 1), and 56 as in the measured point; spcl/spatial-collectives"
    )
    took = words + 6 * (pes - 1) + 56
    kind = "validated" if fitted else "model"
    return Expected(took, source, kind, relative=0.02, scored=not fitted)


BENCHMARK = Benchmark(
    name="chain-reduce",
    summary="the sum of one vector a PE along a row, PE by PE",
    parameters={
        "pes": Parameter(16, "PEs in the row", least=2, most=750),
        "words": Parameter(64, "f32 words a PE", most=12_000),
    },
    machine="wse2",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    declared=(START_UP,),
    rows=(
        *(
            Row("B4", "wse2", {"pes": pes, "words": words})
            for pes, words in ((2, 64), (8, 64), (33, 100), (32, 512))
        ),
        Row("B4", "wse2", {"pes": 512, "words": 4096}, slow=True),
    ),
    trace="prints",
)
