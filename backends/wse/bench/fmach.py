"""`@fmach`: f16 multiply-adds, y <- y + x s, as one op, in a loop over tiles, or with `@map`.

*one*: y and x have n elements and one op does them all. *while*: y and x are one tile; a loop runs an op on it
n / tile times: three DSR loads, the op, then increment, compare and jump. *map*: `@map` over a vector of n / tile
scalars, whose callee runs an op on the tile with its scalar.

Window: a timestamp before and one after. Published for n = 4,096, tile = 16 on wse3 [fab]: 1,040 within 2 %, 4,617
and 2,840 within 5 %. Validated.
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
from pyflame_rt.errors import ValidationError

_SCALE = 0.5
_MEASURED = {"one": (1_040, 0.02), "while": (4_617, 0.05), "map": (2_840, 0.05)}


def validate(params: Params, machine: Machine) -> None:
    """Whole tiles."""
    if params["n"] % params["tile"]:
        raise ValidationError(f"n = {params['n']} is not a multiple of tile = {params['tile']}")


def _length(params: Params) -> int:
    return params["n"] if params.text("mode") == "one" else params["tile"]


def build(params: Params, machine: Machine) -> ModuleOp:
    """One PE with y, x and, for `@map`, the scalars."""
    count, mode, length = params["n"] // params["tile"], params.text("mode"), _length(params)
    program = ProgramBuilder("fmach", 1)
    tile = program.tile(mode)
    scale = tile.param("scale", "f16", _SCALE)
    y = tile.mem1d(tile.buffer("y", length, "f16", align=8, export=True))
    x = tile.mem1d(tile.buffer("x", length, "f16", align=8, offset=4, export=True))
    with tile.task("main", active=True):
        tile.timestamp()
        if mode == "one":
            tile.vector("fmach", y, y, x, scalar=tile.get(scale))
        elif mode == "while":
            with tile.for_(0, count):
                tile.vector("fmach", y, y, x, scalar=tile.get(scale))
        else:
            scalars = tile.mem1d(tile.buffer("scalars", count, "f16", export=True))
            with tile.map(scalars, "f16") as element:
                tile.vector("fmach", y, y, x, scalar=element)
        tile.timestamp()
    program.place(tile, (0, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """Small vectors, so that sums over many tiles stay in f16's range."""
    rng = np.random.default_rng(10)
    shape = (1, 1, _length(params))
    count = params["n"] // params["tile"]
    return {
        "y": rng.standard_normal(shape).astype(np.float16),
        "x": rng.standard_normal(shape).astype(np.float16),
        "scalars": rng.standard_normal((1, 1, count)).astype(np.float16),
    }


def cycles(run: Run) -> Counts:
    """Between the two timestamps."""
    before, after = run.stamps()
    return Counts(after - before)


def check(run: Run) -> None:
    """Bit for bit: every multiply-add is rounded once to f16."""
    y, x = run.inputs["y"][0, 0], run.inputs["x"][0, 0].astype(np.float64)
    count = run.params["n"] // run.params["tile"]
    steps = {"one": [_SCALE], "while": [_SCALE] * count, "map": run.inputs["scalars"][0, 0]}
    for scalar in steps[run.params.text("mode")]:
        y = (y.astype(np.float64) + x * float(scalar)).astype(np.float16)
    run.expect("y", y, relative=0.0)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The measured points; `one` does not depend on the tile."""
    mode = params.text("mode")
    at = params["n"] == 4096 and (mode == "one" or params["tile"] == 16)
    if machine.name != "wse3" or not at:
        return None
    took, tolerance = _MEASURED[mode]
    source = "measured; luozoupi/FABRICA, SDK simulator"
    return Expected(took, source, "validated", relative=tolerance)


BENCHMARK = Benchmark(
    name="fmach",
    summary="f16 multiply-adds as one op, in a loop over tiles, or with @map",
    parameters={
        "n": Parameter(4096, "elements", most=12_000),
        "mode": Parameter("one", "how the ops are issued", ("one", "while", "map")),
        "tile": Parameter(16, "elements an op in a loop", most=12_000),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    validate=validate,
    rows=tuple(Row("B10", "wse3", {"mode": mode}) for mode in ("one", "while", "map")),
)
