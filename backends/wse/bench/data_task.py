"""A data task: each word that arrives starts a task that keeps the largest word so far and a count.

Words arrive faster than they are consumed. Maximum and count are kept in registers and stored for the host, and the
last word activates a task: eleven cycles of scalar instructions. What the vendor's compiler makes of the published
program's body is not known, so this row *fits* the machine's `data_task` (the start of a task by a word) and
is not scored.

Window: from the start of the first word's task to the end of the last word's. Published: 31 cycles a word on wse3,
43 on wse3-si (with another body) [fab].
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
from pyflame_rt.backends.wse.bench.point_to_point import sender
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder

_RATES = {"wse3": 31, "wse3-si": 43}


def build(params: Params, machine: Machine) -> ModuleOp:
    """PE 0 sends, PE 1 has the data task; the last word wakes the task `done`."""
    words = params["words"]
    program = ProgramBuilder("data_task", 2)
    red = program.color("red")
    program.route(red, (0, 0), ("ramp", "east"))
    program.route(red, (1, 0), ("west", "ramp"))
    program.place(sender(program, "sender", red, words), (0, 0))
    tile = program.tile("count")
    count, largest = tile.var("count", "i32", 0), tile.var("largest", "i32", 0)
    results = [tile.buffer(name, 1, "i32", export=True) for name in ("counted", "greatest")]
    queue = tile.input_queue(0, red)
    with tile.data_task("word", queue, "i32") as word:
        greatest = tile.alu("max", tile.get(largest), word)
        tile.set(largest, greatest)
        tile.store(greatest, results[1])
        counted = tile.alu("add", tile.get(count), 1)
        tile.set(count, counted)
        tile.store(counted, results[0])
        with tile.if_(tile.alu("eq", counted, words)):
            tile.activate("done")
    with tile.task("done"):
        pass
    program.place(tile, (1, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """Positive integers, whose bits are also those of small floats."""
    data = np.random.default_rng(13).integers(1, 1 << 30, (1, 2, params["words"]), np.int32)
    return {"data": data.view(np.float32)}


def cycles(run: Run) -> Counts:
    """From the first word's task to the end of the last one's."""
    return Counts(run.last("task end", 1, text="word") - run.first("task", 1, text="word"))


def check(run: Run) -> None:
    """The count and the largest word."""
    words = run.inputs["data"][0, 0].view(np.int32)
    run.expect("counted", np.array([len(words)]), 1, relative=0.0)
    run.expect("greatest", words.max(keepdims=True), 1, relative=0.0)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published rates; not scored."""
    if machine.name not in _RATES:
        return None
    rate = _RATES[machine.name]
    device = "CS-3 silicon" if machine.name == "wse3-si" else "SDK simulator"
    source = f"{rate} a word; luozoupi/FABRICA, {device} (data_task was fitted on it)"
    return Expected(rate * params["words"], source, "calibrated", relative=0.05, scored=False)


BENCHMARK = Benchmark(
    name="data-task",
    summary="each word of a stream starts a task with eleven scalar instructions",
    parameters={"words": Parameter(100, "words", most=4_000)},
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    rows=(Row("B13", "wse3"), Row("B13", "wse3-si")),
)
