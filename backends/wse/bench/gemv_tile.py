"""Matrix times vector on one PE: y <- y + A x in f32, A by columns.

`@map` runs over the elements of x; its callee is one `@fmacs`, y <- y + (the next column of A) x[j]. Every operand
is in a DSR: y as destination and first source, A as second source with `save_address`, so that each op goes on
where the last one ended, one column further. A begins one element off a multiple of 16 bytes and y at one:
the two reads of an element never meet in a bank class, as columns have a multiple of four elements.

Window: timestamp, three DSR loads, `@map`, timestamp. Published for 25 columns of 28 (25 rows, padded) on wse3
(csl-examples' single-tile-matvec): 780, within 3 %. Validated.
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


def validate(params: Params, machine: Machine) -> None:
    """A, x and y fit in the memory of a PE."""
    rows, columns = params["rows"], params["cols"]
    needed = 4 * (rows * columns + rows + columns) + 64
    if needed > machine.sram_bytes:
        raise ValidationError(
            f"a {rows} x {columns} tile needs {needed} bytes of the PE's {machine.sram_bytes}"
        )


def build(params: Params, machine: Machine) -> ModuleOp:
    """One PE with A, x and y."""
    rows, columns = params["rows"], params["cols"]
    program = ProgramBuilder("gemv_tile", 1)
    tile = program.tile("gemv")
    matrix = tile.buffer("A", rows * columns, align=16, offset=4, export=True)
    y = tile.mem1d(tile.buffer("y", rows, align=16, export=True))
    x = tile.mem1d(tile.buffer("x", columns, export=True))
    dest, first, column = tile.dsr("dest", 0), tile.dsr("src0", 0), tile.dsr("src1", 0)
    with tile.task("main", active=True):
        tile.timestamp()
        tile.load_dsr(dest, y)
        tile.load_dsr(first, y)
        tile.load_dsr(column, tile.mem1d(matrix, rows), save_address=True)
        with tile.map(x) as element:
            tile.vector("fmacs", dest, first, column, scalar=element)
        tile.timestamp()
    program.place(tile, (0, 0))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """A by columns, x, and y to begin with."""
    rows, columns = params["rows"], params["cols"]
    rng = np.random.default_rng(14)
    return {
        name: rng.standard_normal((1, 1, count)).astype(np.float32)
        for name, count in (("A", rows * columns), ("x", columns), ("y", rows))
    }


def cycles(run: Run) -> Counts:
    """Between the two timestamps."""
    before, after = run.stamps()
    return Counts(after - before)


def check(run: Run) -> None:
    """y + A x; each multiply-add is rounded once to f32."""
    matrix = run.inputs["A"][0, 0].reshape(run.params["cols"], run.params["rows"])
    wanted = run.inputs["y"][0, 0]
    for column, element in zip(matrix, run.inputs["x"][0, 0], strict=True):
        product = column.astype(np.float64) * np.float64(element)
        wanted = (wanted + product).astype(np.float32)
    run.expect("y", wanted)


def expected(params: Params, machine: Machine) -> Expected | None:
    """The measured point."""
    if machine.name != "wse3" or (params["rows"], params["cols"]) != (28, 25):
        return None
    source = "measured; Cerebras/csl-examples single-tile-matvec, SDK simulator"
    return Expected(780, source, "validated", relative=0.03)


BENCHMARK = Benchmark(
    name="gemv-tile",
    summary="matrix times vector on one PE with @map",
    parameters={
        "rows": Parameter(28, "rows of A, padded", most=12_000),
        "cols": Parameter(25, "columns of A", most=12_000),
    },
    machine="wse3",
    build=build,
    inputs=inputs,
    cycles=cycles,
    check=check,
    expected=expected,
    validate=validate,
    rows=(Row("B14", "wse3"),),
)
