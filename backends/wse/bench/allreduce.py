"""All-reduce along a row: chain reduce into PE 0, whose end starts the broadcast of the sum.

The host launches `arm`, which loads every DSR, and then `reduce`: so no load is in the window. Each PE but
PE 0 arms an asynchronous receive of the sum, then takes its part in the chain (see `chain-reduce`). PE 0's task
is the last op of the chain and, right after it, the send of the broadcast on a third colour.

Window: from the first op's dispatch on the last PE to the last PE's end. Published: the sum of the two formulas,
B + 6 (P - 1) and B + (P - 1) + 4 on wse2 [spcl], and one op's start, within 5 %. Validated.
"""

from __future__ import annotations

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
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder, TileBuilder


def _tile(program: ProgramBuilder, role: str, words: int) -> TileBuilder:
    tile = program.tile(role)
    own = tile.mem1d(tile.buffer("data", words, export=True))
    total = tile.mem1d(tile.buffer("total", words, export=True))
    # What the op of the chain writes, and its sources.
    sums, left, right = tile.dsr("dest", 0), tile.dsr("src0", 0), tile.dsr("src1", 0)
    # What the op of the broadcast writes, and its source.
    to, of = tile.dsr("dest", 1), tile.dsr("src0", 1)
    if role == "first":
        chain_out, broadcast_out = total, tile.fabout(tile.output_queue(1, "green"), words)
        broadcast_in = total
    else:
        chain_out = tile.fabout(tile.output_queue(0, tile.param("out")), words)
        broadcast_in, broadcast_out = tile.fabin(tile.input_queue(1, "green"), words), total
    with tile.func("arm", export=True):
        tile.load_dsr(sums, chain_out)
        tile.load_dsr(to, broadcast_out)
        tile.load_dsr(of, broadcast_in)
        if role == "last":
            tile.load_dsr(left, own)
        else:
            tile.load_dsr(left, tile.fabin(tile.input_queue(0, tile.param("in")), words))
            tile.load_dsr(right, own)
    with tile.func("reduce", export=True):
        if role != "first":
            tile.vector("mov32", to, of, microthread=0, activate="done")
        if role == "last":
            tile.vector("mov32", sums, left)
        else:
            tile.vector("fadds", sums, left, right)
        if role == "first":
            tile.vector("mov32", to, of)
    if role != "first":
        with tile.task("done"):
            pass
    return tile


def build(params: Params, machine: Machine) -> ModuleOp:
    """The chain on two colours, the broadcast on a third."""
    pes, words = params["pes"], params["words"]
    program = ProgramBuilder("allreduce", pes)
    green = program.color("green")
    program.route(green, (0, 0), ("ramp", "east"))
    if pes > 2:
        program.route(green, (slice(1, pes - 1), 0), ("west", ["ramp", "east"]))
    program.route(green, (pes - 1, 0), ("west", "ramp"))
    roles = ("first", "middle", "last") if pes > 2 else ("first", "last")
    chain_reduce.chain(program, {role: _tile(program, role, words) for role in roles}, pes)
    return program.module()


def cycles(run: Run) -> Counts:
    """From the dispatch of the last PE's send to the start of the last completion task."""
    ends = [event.cycle for event in run.matching("task", text="done")]
    sends = [event.cycle for event in run.matching("op", run.width - 1) if event.value == 0]
    return Counts(max(ends) - sends[0])


def check(run: Run) -> None:
    """Every PE has the sum."""
    for x in range(run.width):
        run.expect("total", run.inputs["data"][0].sum(0), x)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The sum of the published formulas."""
    if machine.name != "wse2":
        return None
    pes, words = params["pes"], params["words"]
    source = "B + 6 (P - 1), then B + (P - 1) + 4, and 1 to start; spcl/spatial-collectives"
    took = words + 6 * (pes - 1) + words + pes - 1 + 4 + 1
    return Expected(took, source, "model", relative=0.05)


BENCHMARK = Benchmark(
    name="allreduce",
    summary="the sum of one vector a PE along a row, given to every PE",
    parameters={
        "pes": Parameter(16, "PEs in the row", least=2, most=750),
        "words": Parameter(64, "f32 words a PE", most=6_000),
    },
    machine="wse2",
    build=build,
    inputs=chain_reduce.inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    launches=("arm", "reduce"),
    rows=(
        *(
            Row("B8", "wse2", {"pes": pes, "words": words})
            for pes, words in ((4, 16), (16, 64), (32, 256))
        ),
        Row("B8", "wse2", {"pes": 512, "words": 4096}, slow=True),
    ),
)
