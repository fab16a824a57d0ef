"""Tree reduce: the sum of one vector a PE along a row into PE 0, in log2 P rounds.

A binomial tree. With r = P - 1 - x, the PE at x receives as many vectors as r has trailing ones: the one of round
k comes from the PE 2^k to its east. It adds them to its own, one after the other; the last addition is fused
with its own send, 2^t to the west, where t is the number of rounds it received in (to PE 0 where that would
be beyond the row). Each round has a colour, so the routers in between only pass words on. A PE has eight input
queues: a PE with more rounds binds queue 0 to the ninth round's colour once the first round is over.

The host launches `arm`, which loads every DSR, and then `reduce`: so no load is in the window.

Window: from the first dispatch of an op to PE 0's end. The published B log2 P + (P - 1) + 5 log2 P on wse2 [spcl] is
a *model* that adds distance, depth and contention: compared for B >= 4 P only, within 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench import chain_reduce
from pyflame_rt.backends.wse.bench.base import (
    Benchmark,
    Counts,
    Expected,
    Parameter,
    Params,
    Row,
    Run,
)
from pyflame_rt.backends.wse.bench.columns import slices
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder
from pyflame_rt.dialects.wse.building import Named

_QUEUES = 8


@dataclass(frozen=True)
class Place:
    """A PE's part in the tree: the rounds in which it receives, and where and in which it sends."""

    receives: tuple[int, ...]
    round: int
    to: int


def tree(pes: int) -> list[Place]:
    """The binomial tree over a row; PE 0, the root, sends nowhere (-1)."""
    rounds = [_trailing_ones(pes - 1 - x) for x in range(pes)]
    targets = [max(x - (1 << rounds[x]), 0) if x else -1 for x in range(pes)]
    places: list[Place] = []
    for x in range(pes):
        receives = sorted(rounds[other] for other in range(pes) if targets[other] == x)
        places.append(Place(tuple(receives), rounds[x] if x else -1, targets[x]))
    return places


def _trailing_ones(number: int) -> int:
    return ((number + 1) & -(number + 1)).bit_length() - 1


def _tile(
    program: ProgramBuilder, place: Place, words: int, colors: Sequence[Named]
) -> TileBuilder:
    tile = program.tile("root" if place.round < 0 else f"sends_in_{place.round}")
    own = tile.mem1d(tile.buffer("data", words, export=True))
    # What an op writes, what comes, and this PE's own vector.
    sums, mine = tile.dsr("dest", 0), tile.dsr("src1", 0)
    queues = [
        tile.input_queue(number, colors[round])
        for number, round in enumerate(place.receives[:_QUEUES])
    ]
    arrivals = [tile.dsr("src0", number) for number in range(len(queues))]
    out, leaf = sums, tile.dsr("src0", _QUEUES)
    with tile.func("arm", export=True):
        for dsr, queue in zip(arrivals, queues, strict=True):
            tile.load_dsr(dsr, tile.fabin(queue, words))
        tile.load_dsr(sums, own)
        tile.load_dsr(mine if queues else leaf, own)
        if place.round >= 0:
            out = tile.dsr("dest", 1)
            tile.load_dsr(out, tile.fabout(tile.output_queue(0, colors[place.round]), words))
    count = len(place.receives)
    with tile.func("reduce", export=True):
        for turn in range(count):
            number = turn % _QUEUES
            tile.vector("fadds", out if turn + 1 == count else sums, arrivals[number], mine)
            if turn + _QUEUES < count:
                tile.set_color(queues[number], colors[place.receives[turn + _QUEUES]])
        if not count:
            tile.vector("mov32", out, leaf)
    return tile


def build(params: Params, machine: Machine) -> ModuleOp:
    """One tile for each kind of place, one colour for each round."""
    pes, words = params["pes"], params["words"]
    program = ProgramBuilder("tree_reduce", pes)
    places = tree(pes)
    colors = [program.color(f"round{number}") for number in range(1 + max(p.round for p in places))]
    kinds: dict[Place, list[int]] = {}
    routes: dict[tuple[int, str, str], list[int]] = {}
    for x, place in enumerate(places):
        kinds.setdefault(Place(place.receives, place.round, -1), []).append(x)
        for round in place.receives:
            routes.setdefault((round, "east", "ramp"), []).append(x)
        if x:
            routes.setdefault((place.round, "ramp", "west"), []).append(x)
            passed = range(place.to + 1, x)
            routes.setdefault((place.round, "east", "west"), []).extend(passed)
    for (round, receive, transmit), columns in routes.items():
        for part in slices(columns, 2 << round):
            program.route(colors[round], (part, 0), (receive, transmit))
    for kind, columns in kinds.items():
        tile = _tile(program, kind, words, colors)
        for part in slices(columns, 2 << max(kind.round, 0)):
            program.place(tile, (part, 0))
    return program.module()


def cycles(run: Run) -> Counts:
    """From the first dispatch of an op anywhere to the end of PE 0's last op."""
    start = min(event.cycle for event in run.matching("op"))
    return Counts(run.last("op end") + run.machine.execute - start)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published model, where it holds."""
    pes, words = params["pes"], params["words"]
    if machine.name != "wse2" or pes & (pes - 1) or words < 4 * pes:
        return None
    rounds = pes.bit_length() - 1
    source = "B log2 P + (P - 1) + 5 log2 P for B >= 4 P; spcl/spatial-collectives, a model"
    return Expected(words * rounds + pes - 1 + 5 * rounds, source, "model", relative=0.05)


BENCHMARK = Benchmark(
    name="tree-reduce",
    summary="the sum of one vector a PE along a row, in rounds of a binomial tree",
    parameters={
        "pes": Parameter(16, "PEs in the row", least=2, most=750),
        "words": Parameter(64, "f32 words a PE", most=12_000),
    },
    machine="wse2",
    build=build,
    inputs=chain_reduce.inputs,
    cycles=cycles,
    check=chain_reduce.check,
    expected=expected,
    launches=("arm", "reduce"),
    rows=(
        *(
            Row("B6", "wse2", {"pes": pes, "words": words})
            for pes, words in ((4, 16), (16, 64), (8, 512), (32, 256))
        ),
        Row("B6", "wse2", {"pes": 512, "words": 4096}, slow=True),
    ),
)
