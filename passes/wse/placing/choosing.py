"""The form of a function's program: images a run, strips, weights that come from the edge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from xdsl.dialects import func

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.interface import Contraction
from pyflame_rt.passes.wse.placing.layouts import Form, Grid, Placing, place
from pyflame_rt.passes.wse.placing.pipelining import pipelined
from pyflame_rt.passes.wse.placing.reading import Reading, images_of, read


def choose(function: func.FuncOp, grid: Grid, schedule: str, name: str) -> tuple[Reading, Placing]:
    """The cheapest placing of the first form that fits; of a pipeline the IR gets the transfers.

    As many images a run as there is room for; where there is none for one, the largest weights come from the
    edge. Raises PassFailed, for the first form's reason.
    """
    images = images_of(function, rows=schedule == "pipeline")
    if schedule == "pipeline":
        return pipelined(function, grid, name, images)
    reading = read(function, images)
    why: PassFailed | None = None
    for form in (*forms(images), *_streamed(reading)):
        try:
            return reading, place(reading, grid, name, form)
        except PassFailed as error:
            if not _is_about_memory(error):
                raise
            why = why or error
    raise why or PassFailed("there is nothing to map")


def forms(images: int) -> Iterator[Form]:
    """All images in one run, or in as few runs as can be."""
    for runs in range(1, images + 1):
        if images % runs == 0:
            yield Form(images // runs, runs)


def _streamed(reading: Reading) -> Iterator[Form]:
    """The largest weights from the edge, then more of them; an image a run."""
    sizes = {
        planned.step.name: math.prod(reading.tensors[planned.step.weight].shape)
        for planned in reading.steps
        if isinstance(planned.step, Contraction) and planned.step.window is None
    }
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    for count in range(1, len(names) + 1):
        yield replace(Form(1, reading.images), streamed=tuple(sorted(names[:count])))


def _is_about_memory(error: PassFailed) -> bool:
    """Whether less memory would have helped."""
    return "bytes of a PE's" in str(error)
