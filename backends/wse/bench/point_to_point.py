"""Point to point: one PE sends a vector to another, `hops` routers to the east.

The receiver arms an asynchronous receive (fabin -> memory on a microthread) whose completion activates a
task. The sender loads two DSRs and moves memory -> fabout with one op. Both programs begin in the same
cycle, so the receive is armed before the first word can arrive.

Window: from the dispatch of the send to the start of the receiver's completion task; there is no timestamp in
it. Published: 10 + 2d + (B - 1) on wse3 [fab]; B + d + 4 on wse2 [spcl]. Validated.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench.base import (
    Array,
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
from pyflame_rt.dialects.wse.building import Named


def sender(program: ProgramBuilder, name: str, color: Named, words: int) -> TileBuilder:
    """A tile that sends its buffer `data` with one op."""
    tile = program.tile(name)
    data = tile.mem1d(tile.buffer("data", words, export=True))
    out = tile.fabout(tile.output_queue(0, color), words)
    with tile.task("main", active=True):
        tile.vector("mov32", out, data)
    return tile


def receiver(program: ProgramBuilder, name: str, color: Named, words: int) -> TileBuilder:
    """A tile that receives its buffer `data` on a microthread; the task `done` starts when it is there."""
    tile = program.tile(name)
    data = tile.mem1d(tile.buffer("data", words, export=True))
    into = tile.fabin(tile.input_queue(0, color), words)
    with tile.task("main", active=True):
        tile.vector("mov32", data, into, microthread=0, activate="done")
    with tile.task("done"):
        pass
    return tile


def build(params: Params, machine: Machine) -> ModuleOp:
    """PE 0 sends, PE `hops` receives, the routers between pass the words on."""
    hops, words = params["hops"], params["words"]
    program = ProgramBuilder("p2p", hops + 1)
    red = program.color("red")
    program.route(red, (0, 0), ("ramp", "east"))
    if hops > 1:
        program.route(red, (slice(1, hops), 0), ("west", "east"))
    program.route(red, (hops, 0), ("west", "ramp"))
    program.place(sender(program, "sender", red, words), (0, 0))
    program.place(receiver(program, "receiver", red, words), (hops, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """What PE 0 sends."""
    data = np.zeros((1, params["hops"] + 1, params["words"]), np.float32)
    data[0, 0] = np.random.default_rng(1).standard_normal(params["words"])
    return {"data": data}


def cycles(run: Run) -> Counts:
    """From the dispatch of the send to the start of the receiver's completion task."""
    return Counts(run.first("task", run.width - 1, text="done") - run.first("op"))


def check(run: Run) -> None:
    """The receiver has the sender's words."""
    run.expect("data", run.inputs["data"][0, 0], run.width - 1)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published formulas."""
    hops, words = params["hops"], params["words"]
    if machine.name == "wse3":
        source = "10 + 2d + (B - 1): 19 for d = 1, B = 8; luozoupi/FABRICA, SDK simulator"
        return Expected(10 + 2 * hops + words - 1, source, "validated", absolute=0)
    if machine.name == "wse2":
        source = "B + d + 4; spcl/spatial-collectives, SDK simulator"
        return Expected(words + hops + 4, source, "validated", absolute=1)
    return None


BENCHMARK = Benchmark(
    name="p2p",
    summary="one PE sends a vector to another, so many hops away",
    parameters={
        "hops": Parameter(1, "routers from the sender to the receiver", most=749),
        "words": Parameter(8, "32-bit words", most=12_000),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    rows=tuple(
        Row("B1", machine, {"hops": hops, "words": words})
        for machine in ("wse2", "wse3")
        for hops, words in ((1, 8), (1, 1), (2, 8), (7, 64), (20, 1000))
    ),
)
