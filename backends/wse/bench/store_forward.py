"""Store and forward: a message goes through `stages` PEs, each of which has it whole before it sends it on.

There are `stages` + 1 PEs in a row. Each but the first arms an asynchronous receive of the message into
memory; the completion task loads two DSRs and sends from memory. Colours alternate along the row: a PE
receives on one and sends on the other.

Window: from a timestamp on PE 0 before its loads to a timestamp in the completion task of the last PE; all
PEs have one clock. Published: 1.001 N B + 16.1 N + 16.5 on wse3 [fab], within 4 %. Validated.
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


def _first(program: ProgramBuilder, words: int) -> TileBuilder:
    tile = program.tile("first")
    data = tile.mem1d(tile.buffer("data", words, export=True))
    out = tile.fabout(tile.output_queue(0, tile.param("out")), words)
    with tile.task("main", active=True):
        tile.timestamp()
        tile.vector("mov32", out, data)
    return tile


def _stage(program: ProgramBuilder, words: int, *, last: bool) -> TileBuilder:
    tile = program.tile("last" if last else "middle")
    data = tile.mem1d(tile.buffer("data", words, export=True))
    into = tile.fabin(tile.input_queue(0, tile.param("in")), words)
    with tile.task("main", active=True):
        tile.vector("mov32", data, into, microthread=0, activate="done")
    with tile.task("done"):
        if last:
            tile.timestamp()
        else:
            out = tile.fabout(tile.output_queue(0, tile.param("out")), words)
            tile.vector("mov32", out, data)
    return tile


def build(params: Params, machine: Machine) -> ModuleOp:
    """The first PE, the stages in the middle, and the last one; even PEs send red words."""
    stages, words = params["stages"], params["words"]
    program = ProgramBuilder("store_forward", stages + 1)
    colors = program.color("red"), program.color("blue")
    for parity, color in enumerate(colors):
        if parity < stages:
            program.route(color, (slice(parity, stages, 2), 0), ("ramp", "east"))
            program.route(color, (slice(parity + 1, stages + 1, 2), 0), ("west", "ramp"))
    program.place(_first(program, words), (0, 0), out=colors[0])
    if stages > 1:
        middle = _stage(program, words, last=False)
        for start in range(1, min(stages, 3)):
            into, out = colors[1 - start % 2], colors[start % 2]
            program.place(middle, (slice(start, stages, 2), 0), {"in": into, "out": out})
    last = _stage(program, words, last=True)
    program.place(last, (stages, 0), {"in": colors[1 - stages % 2]})
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """The message on PE 0."""
    data = np.zeros((1, params["stages"] + 1, params["words"]), np.float32)
    data[0, 0] = np.random.default_rng(2).standard_normal(params["words"])
    return {"data": data}


def cycles(run: Run) -> Counts:
    """From the first PE's timestamp to the last one's."""
    return Counts(run.stamps(run.width - 1)[0] - run.stamps(0)[0])


def check(run: Run) -> None:
    """Every PE has the message."""
    for x in range(run.width):
        run.expect("data", run.inputs["data"][0, 0], x)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published fit."""
    if machine.name != "wse3":
        return None
    stages, words = params["stages"], params["words"]
    source = "1.001 N B + 16.1 N + 16.5; luozoupi/FABRICA, SDK simulator"
    took = 1.001 * stages * words + 16.1 * stages + 16.5
    return Expected(took, source, "validated", relative=0.04)


BENCHMARK = Benchmark(
    name="store-forward",
    summary="a message goes through a row of PEs, each stores it whole before it sends it on",
    parameters={
        "stages": Parameter(4, "sends, that is PEs less one", most=749),
        "words": Parameter(64, "32-bit words", most=12_000),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    rows=tuple(
        Row("B2", "wse3", {"stages": stages, "words": words})
        for words in (64, 512)
        for stages in (1, 2, 4, 8)
    ),
)
