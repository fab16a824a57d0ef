"""A synchronous op holds the issue slot: scalar code after it waits until its last element.

One `@add16` over two vectors of `n` elements, then `steps` dependent steps of two scalar instructions.

Window: from the dispatch of the op to the execution of the last instruction, counting both ends. Published for
n = 2,048 and 256 steps on wse3 [fab]: 1,027, within one cycle. Validated.
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

# From the issue of a scalar instruction to its execution.
_SCALAR_LATENCY = 2


def build(params: Params, machine: Machine) -> ModuleOp:
    """One PE with two vectors in different bank classes."""
    n = params["n"]
    program = ProgramBuilder("no_overlap", 1)
    tile = program.tile("add")
    a = tile.mem1d(tile.buffer("a", n, "i16", align=8, export=True))
    b = tile.mem1d(tile.buffer("b", n, "i16", align=8, offset=4, export=True))
    result = tile.buffer("result", 1, "i16", export=True)
    state = tile.var("state", "i16", 0)
    with tile.task("main", active=True):
        tile.vector("add16", a, a, b)
        value = tile.get(state)
        for _ in range(params["steps"]):
            value = tile.alu("xor", tile.alu("add", value, 1), 5)
        tile.timestamp()
        tile.store(value, result)
    program.place(tile, (0, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """The two vectors."""
    rng = np.random.default_rng(15)
    shape = (1, 1, params["n"])
    return {name: rng.integers(-9999, 9999, shape).astype(np.int16) for name in "ab"}


def cycles(run: Run) -> Counts:
    """From the dispatch of the op to the last scalar instruction, the one before the timestamp."""
    return Counts(run.stamps()[0] - 1 + _SCALAR_LATENCY - run.first("op") + 1)


def check(run: Run) -> None:
    """The sums, and the last value of the chain."""
    run.expect("a", run.inputs["a"][0, 0] + run.inputs["b"][0, 0], relative=0.0)
    value = 0
    for _ in range(run.params["steps"]):
        value = (value + 1) ^ 5
    run.expect("result", np.array([value]).astype(np.int16), relative=0.0)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The measured point."""
    if machine.name != "wse3" or (params["n"], params["steps"]) != (2048, 256):
        return None
    source = "measured; luozoupi/FABRICA, SDK simulator"
    return Expected(1_027, source, "validated", absolute=1)


BENCHMARK = Benchmark(
    name="no-overlap",
    summary="a vector op and scalar code after it do not overlap",
    parameters={
        "n": Parameter(2048, "elements", most=12_000),
        "steps": Parameter(256, "steps of two scalar instructions", most=2_000),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    rows=(Row("B11", "wse3"),),
)
