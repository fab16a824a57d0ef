"""Broadcast on a rectangle: PE (0, 0) sends a vector once, and every other PE receives it.

One colour: the root sends south and east at once, row 0 sends on to the east, to the south and up the ramp, the
other rows to the south and up the ramp.

Window: from the dispatch of the send to the last PE's end. Published: B + M + N - 2 + 5 on wse2 [spcl], within
5 %: the path to the far corner has M + N - 2 hops. Validated.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.bench import broadcast
from pyflame_rt.backends.wse.bench.base import (
    Array,
    Benchmark,
    Expected,
    Parameter,
    Params,
    Row,
)
from pyflame_rt.backends.wse.bench.point_to_point import receiver, sender
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.errors import ValidationError


def validate(params: Params, machine: Machine) -> None:
    """Two PEs at least."""
    if params["width"] * params["height"] < 2:
        raise ValidationError("a broadcast needs two PEs", hint="set width or height to 2 or more")


def build(params: Params, machine: Machine) -> ModuleOp:
    """The root and the receivers, with the routes between them."""
    width, height, words = params["width"], params["height"], params["words"]
    program = ProgramBuilder("broadcast_2d", width, height)
    red = program.color("red")
    inner, last = slice(1, width - 1), width - 1
    down = ["south"] if height > 1 else []
    program.route(red, (0, 0), ("ramp", [*down, "east"] if width > 1 else down))
    if width > 2:
        program.route(red, (inner, 0), ("west", [*down, "ramp", "east"]))
    if width > 1:
        program.route(red, (last, 0), ("west", [*down, "ramp"]))
    if height > 2:
        program.route(red, (slice(0, width), slice(1, height - 1)), ("north", ["south", "ramp"]))
    if height > 1:
        program.route(red, (slice(0, width), height - 1), ("north", "ramp"))
    program.place(sender(program, "root", red, words), (0, 0))
    others = receiver(program, "others", red, words)
    if width > 1:
        program.place(others, (slice(1, width), 0))
    if height > 1:
        program.place(others, (slice(0, width), slice(1, height)))
    return program.module()


def inputs(params: Params) -> dict[str, Array]:
    """What PE (0, 0) sends."""
    data = np.zeros((params["height"], params["width"], params["words"]), np.float32)
    data[0, 0] = np.random.default_rng(4).standard_normal(params["words"])
    return {"data": data}


def expected(params: Params, machine: Machine) -> Expected | None:
    """The published formula."""
    if machine.name != "wse2":
        return None
    source = "B + M + N - 2 + 5; spcl/spatial-collectives, SDK simulator"
    took = params["words"] + params["width"] + params["height"] - 2 + 5
    return Expected(took, source, "model", relative=0.05)


BENCHMARK = Benchmark(
    name="broadcast-2d",
    summary="the first PE of a rectangle sends a vector to all others",
    parameters={
        "width": Parameter(8, "columns of PEs", most=750),
        "height": Parameter(8, "rows of PEs", most=750),
        "words": Parameter(64, "32-bit words", most=12_000),
    },
    machine="wse2",
    build=build,
    inputs=inputs,
    cycles=broadcast.cycles,
    check=broadcast.check,
    expected=expected,
    validate=validate,
    rows=(
        *(
            Row("B8", "wse2", {"width": width, "height": height, "words": words})
            for width, height, words in ((2, 2, 32), (8, 8, 64), (16, 4, 256))
        ),
        Row("B8", "wse2", {"width": 32, "height": 32, "words": 1024}, slow=True),
    ),
)
