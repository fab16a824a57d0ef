"""Broadcast along a row: PE 0 sends a vector once, and every other PE receives it.

One colour: the root's router takes words off the ramp and sends them east, the inner ones send what comes from
the west both up the ramp and on to the east, the last one only up the ramp. Sending to several ports is free,
so a broadcast is a point-to-point message to the last PE. Receivers are armed fabin -> memory.

Window: from the dispatch of the send to the last PE's end. Published: B + (P - 1) + 4 on wse2 [spcl]. Validated.
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
from pyflame_rt.backends.wse.bench.point_to_point import receiver, sender
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder


def row(name: str, pes: int, words: int) -> ModuleOp:
    """A row of PEs of which the first sends to all others."""
    program = ProgramBuilder(name, pes)
    red = program.color("red")
    program.route(red, (0, 0), ("ramp", "east"))
    if pes > 2:
        program.route(red, (slice(1, pes - 1), 0), ("west", ["ramp", "east"]))
    program.route(red, (pes - 1, 0), ("west", "ramp"))
    program.place(sender(program, "root", red, words), (0, 0))
    program.place(receiver(program, "others", red, words), (slice(1, pes), 0))
    return program.module()


def row_inputs(pes: int, words: int) -> dict[str, Array]:
    """What PE 0 sends."""
    data = np.zeros((1, pes, words), np.float32)
    data[0, 0] = np.random.default_rng(3).standard_normal(words)
    return {"data": data}


def cycles(run: Run) -> Counts:
    """From the dispatch of the send to the start of the last completion task."""
    ends = [event.cycle for event in run.matching("task", text="done")]
    return Counts(max(ends) - run.first("op"))


def check(run: Run) -> None:
    """Every PE has the root's words."""
    for y in range(run.height):
        for x in range(run.width):
            run.expect("data", run.inputs["data"][0, 0], x, y)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published formula."""
    if machine.name != "wse2":
        return None
    source = "B + (P - 1) + 4; spcl/spatial-collectives, SDK simulator"
    return Expected(params["words"] + params["pes"] - 1 + 4, source, "model", relative=0.02)


BENCHMARK = Benchmark(
    name="broadcast",
    summary="the first PE of a row sends a vector to all others",
    parameters={
        "pes": Parameter(16, "PEs in the row", least=2, most=750),
        "words": Parameter(64, "32-bit words", most=12_000),
    },
    machine="wse2",
    build=lambda params, machine: row("broadcast", params["pes"], params["words"]),
    inputs=lambda params: row_inputs(params["pes"], params["words"]),
    cycles=cycles,
    check=check,
    expected=expected,
    rows=(
        *(
            Row("B7", "wse2", {"pes": pes, "words": words})
            for pes, words in ((2, 16), (16, 64), (40, 100), (32, 512))
        ),
        Row("B7", "wse2", {"pes": 512, "words": 4096}, slow=True),
    ),
)
