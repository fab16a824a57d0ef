"""`@fmacs`: one f32 multiply-add over two vectors in memory, a <- a + b s.

`placement` decides the bank classes of the two vectors: *aligned* puts b one element off the turn that a begins
at, so that the two reads of an element never meet; in *conflict* both begin in the same class and every element
takes two cycles. `load-dsds` gives the op DSDs, which it loads into DSRs inside the window; otherwise the
host's first launch, `arm`, has loaded them.

Window: timestamp, op, timestamp. Published for n = 5,124 on wse2 [spmm]: 5,130; 10,254 in conflict; 5,158 with
DSDs to load; each within one cycle. Validated (the public file times `@fmuls`, which has the same rate).
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench.base import (
    Array,
    Benchmark,
    BenchmarkError,
    Counts,
    Expected,
    Parameter,
    Params,
    Row,
    Run,
)
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder

_SCALE = 1.5


def build(params: Params, machine: Machine) -> ModuleOp:
    """One PE with two arrays."""
    n, load = params["n"], params.flag("load-dsds")
    program = ProgramBuilder("fmacs", 1)
    tile = program.tile("fmacs")
    scale = tile.param("scale", "f32", _SCALE)
    apart = 4 if params.text("placement") == "aligned" else 0
    a = tile.mem1d(tile.buffer("a", n, align=8, export=True))
    b = tile.mem1d(tile.buffer("b", n, align=8, offset=apart, export=True))
    dsrs = [tile.dsr(file, 0) for file in ("dest", "src0", "src1")]
    with tile.func("arm", export=True):
        for dsr, dsd in zip(dsrs, (a, a, b), strict=True):
            tile.load_dsr(dsr, dsd)
    with tile.func("measure", export=True):
        tile.timestamp()
        tile.vector("fmacs", *((a, a, b) if load else dsrs), scalar=tile.get(scale))
        tile.timestamp()
    program.place(tile, (0, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """The two vectors."""
    rng = np.random.default_rng(9)
    return {name: rng.standard_normal((1, 1, params["n"])).astype(np.float32) for name in "ab"}


def cycles(run: Run) -> Counts:
    """Between the two timestamps."""
    before, after = run.stamps()
    return Counts(after - before)


def check(run: Run) -> None:
    """a + b s, and bank conflicts exactly where they were asked for."""
    a, b = (run.inputs[name][0, 0].astype(np.float64) for name in "ab")
    run.expect("a", a + b * _SCALE)
    conflicts = run.simulator.statistics().elements[0].conflicts
    if conflicts != int(run.params.text("placement") == "conflict"):
        raise BenchmarkError(f"fmacs: {conflicts} ops in conflict")


def expected(params: Params, machine: Machine) -> Expected | None:
    """The measured points, and what they say for other lengths: n + 6, 2 n + 6, n + 34."""
    conflict, load = params.text("placement") == "conflict", params.flag("load-dsds")
    if machine.name != "wse2" or (conflict and load):
        return None
    n = params["n"]
    measured = "measured" if n == 5124 else "as measured at n = 5,124"
    source = f"{measured}; pr0f3ss/SpMM_Cerebras, SDK simulator"
    took = (2 * n if conflict else n) + 6 + (28 if load else 0)
    return Expected(took, source, "validated", absolute=1)


BENCHMARK = Benchmark(
    name="fmacs",
    summary="one f32 multiply-add over two vectors in memory",
    parameters={
        "n": Parameter(5124, "elements", most=6_100),
        "placement": Parameter("aligned", "bank classes of the vectors", ("aligned", "conflict")),
        "load-dsds": Parameter(False, "whether the op loads its DSDs inside the window"),
    },
    machine="wse2",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    launches=("arm", "measure"),
    rows=(
        Row("B9", "wse2"),
        Row("B9", "wse2", {"placement": "conflict"}),
        Row("B9", "wse2", {"load-dsds": True}),
    ),
)
