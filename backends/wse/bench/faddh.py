"""`@faddh`: one f16 addition of two vectors in memory, DSDs to load included.

Window: from the dispatch of the first DSR load to the execution of the last group of eight, counting both ends;
no timestamp is in it. Published on wse3 [fab]: 11, 13 and 25 for 8, 16 and 64 elements, within one cycle: an
op with two sources in memory has a group every two cycles. Validated.
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
from pyflame_rt.dialects.wse.builder import ProgramBuilder

_MEASURED = {8: 11, 16: 13, 64: 25}


def build(params: Params, machine: Machine) -> ModuleOp:
    """One PE with two vectors in different bank classes."""
    n = params["n"]
    program = ProgramBuilder("faddh", 1)
    tile = program.tile("add")
    a = tile.mem1d(tile.buffer("a", n, "f16", align=8, export=True))
    b = tile.mem1d(tile.buffer("b", n, "f16", align=8, offset=4, export=True))
    with tile.task("main", active=True):
        tile.vector("faddh", a, a, b)
    program.place(tile, (0, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """The two vectors."""
    rng = np.random.default_rng(11)
    return {name: rng.standard_normal((1, 1, params["n"])).astype(np.float16) for name in "ab"}


def cycles(run: Run) -> Counts:
    """From the task's first instruction to the last group, which executes after the op's latency."""
    last = run.last("op end") + run.machine.memory_dispatch
    return Counts(last - run.first("task") + 1)


def check(run: Run) -> None:
    """The sums, rounded once to f16."""
    run.expect("a", run.inputs["a"][0, 0] + run.inputs["b"][0, 0], relative=0.0)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The measured points."""
    if machine.name != "wse3" or params["n"] not in _MEASURED:
        return None
    source = "measured; luozoupi/FABRICA, SDK simulator"
    return Expected(_MEASURED[params["n"]], source, "validated", absolute=1)


BENCHMARK = Benchmark(
    name="faddh",
    summary="one f16 addition of two vectors in memory",
    parameters={"n": Parameter(64, "elements", most=12_000)},
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    rows=tuple(Row("B11", "wse3", {"n": n}) for n in _MEASURED),
)
