"""Two senders on one link: PEs 0 and 1 send `words-a` and `words-b` words on two colours through link 1 -> 2.

Receivers are PE 2 and PE 3. Each colour moves when the link is free: the two streams take turns word by word.

Window: from the first dispatch of a send to the last receiver's end. Published: the makespan is the sum of the
lengths, within 1.3 % [fab], for streams that are long beside the latency (a, b >= 1,000). Validated.
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


def build(params: Params, machine: Machine) -> ModuleOp:
    """Stream a goes from PE 0 to PE 2, stream b from PE 1 to PE 3."""
    program = ProgramBuilder("shared_link", 4)
    for x, stream in enumerate("ab"):
        color, words = program.color(stream), params[f"words-{stream}"]
        program.route(color, (x, 0), ("ramp", "east"))
        program.route(color, (x + 1, 0), ("west", "east"))
        program.route(color, (x + 2, 0), ("west", "ramp"))
        program.place(sender(program, f"send_{stream}", color, words), (x, 0))
        program.place(receiver(program, f"receive_{stream}", color, words), (x + 2, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """Different words on the two streams."""
    most = max(params["words-a"], params["words-b"])
    return {"data": np.random.default_rng(12).standard_normal((1, 4, most)).astype(np.float32)}


def cycles(run: Run) -> Counts:
    """From the first dispatch to the start of the last completion task."""
    sends = [run.first("op", x) for x in (0, 1)]
    return Counts(max(run.first("task", x, text="done") for x in (2, 3)) - min(sends))


def check(run: Run) -> None:
    """Each receiver has its sender's words."""
    for x, name in enumerate(("words-a", "words-b")):
        run.expect("data", run.inputs["data"][0, x, : run.params[name]], x + 2)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The sum of the lengths."""
    a, b = params["words-a"], params["words-b"]
    if machine.name == "wse3-si" or min(a, b) < 1000:
        return None
    source = "a + b; luozoupi/FABRICA, SDK simulator"
    return Expected(a + b, source, "validated", relative=0.013)


BENCHMARK = Benchmark(
    name="shared-link",
    summary="two streams on two colours share a link",
    parameters={
        "words-a": Parameter(1000, "words of the first stream", most=12_000),
        "words-b": Parameter(1500, "words of the second stream", most=12_000),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    rows=tuple(
        Row("B12", "wse3", {"words-a": a, "words-b": b})
        for a, b in ((1000, 1000), (1000, 1500), (4000, 2000))
    ),
)
