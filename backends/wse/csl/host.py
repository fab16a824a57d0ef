"""The host's program and the command lines: `run.py` and `commands.sh`."""

from __future__ import annotations

from typing import Final

from pyflame_rt.backends.wse.csl.layout import Project
from pyflame_rt.backends.wse.csl.tiles import values_of
from pyflame_rt.dialects.wse.attributes import Rectangle, Slice
from pyflame_rt.dialects.wse.base import name_of
from pyflame_rt.dialects.wse.program import DataOp, PlaceOp, symbols_of
from pyflame_rt.dialects.wse.tile import BufferOp
from pyflame_rt.errors import BackendError

_DTYPES: Final = {"f16": "float16", "f32": "float32", "i16": "int16", "i32": "int32"}

_COMMANDS: Final = """\
#!/usr/bin/env bash

set -e

cslc --arch={arch} ./layout.csl --fabric-dims={width},{height} --fabric-offsets=4,1 \\
  -o out --memcpy --channels=1
cs_python run.py --name out
"""

_HEAD: Final = '''\
#!/usr/bin/env cs_python
"""Runs the program {program}: copies buffers in, launches its functions, copies buffers out.

Buffers come from --inputs (an .npz file) and go to --outputs, as name: array[height, width, elements]
of the whole program; where a buffer is shorter than elsewhere, the rest is zeros.
"""

import argparse

import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime

WIDTH, HEIGHT = {width}, {height}

# Buffers by name: type, and where they are: elements, rectangles (x, y, width, height) of PEs.
BUFFERS = {{
{buffers}}}

# What buffers hold before the start: name, elements, rectangle, values row by row.
DATA = [
{data}]

FUNCTIONS = {functions}

parser = argparse.ArgumentParser()
parser.add_argument("--name", required=True, help="the folder that cslc wrote")
parser.add_argument("--cmaddr", help="IP:port of the CS system")
parser.add_argument("--inputs", help="an .npz file of buffers")
parser.add_argument("--outputs", default="outputs.npz", help="the .npz file that is written")
args = parser.parse_args()

runner = SdkRuntime(args.name, cmaddr=args.cmaddr)
symbols = {{name: runner.get_id(name) for name in BUFFERS}}


def options(dtype):
    """How memcpy moves elements: those of 16 bits in the low halves of words."""
    bits = np.dtype(dtype).itemsize * 8
    return {{
        "streaming": False,
        "order": MemcpyOrder.ROW_MAJOR,
        "data_type": getattr(MemcpyDataType, f"MEMCPY_{{bits}}BIT"),
        "nonblock": False,
    }}


def copy_in(name, count, rectangle, values):
    """Copies values, row by row, to a buffer on a rectangle of PEs."""
    dtype, _ = BUFFERS[name]
    x, y, width, height = rectangle
    words = np.ascontiguousarray(values, dtype).ravel()
    words = words.view(f"u{{words.itemsize}}").astype(np.uint32)
    runner.memcpy_h2d(symbols[name], words, x, y, width, height, count, **options(dtype))


def copy_out(name, count, rectangle):
    """The values of a buffer on a rectangle of PEs."""
    dtype, _ = BUFFERS[name]
    x, y, width, height = rectangle
    words = np.zeros(width * height * count, np.uint32)
    runner.memcpy_d2h(words, symbols[name], x, y, width, height, count, **options(dtype))
    values = words.astype(f"u{{np.dtype(dtype).itemsize}}").view(dtype)
    return values.reshape(height, width, count)


runner.load()
runner.run()

for name, count, rectangle, values in DATA:
    copy_in(name, count, rectangle, values)

if args.inputs:
    for name, array in np.load(args.inputs).items():
        array = array.reshape(HEIGHT, WIDTH, -1)
        for count, rectangles in BUFFERS[name][1]:
            for x, y, width, height in rectangles:
                part = array[y : y + height, x : x + width, :count]
                copy_in(name, count, (x, y, width, height), part)

for function in FUNCTIONS:
    runner.launch(function, nonblock=False)

outputs = {{}}
for name, (dtype, places) in BUFFERS.items():
    outputs[name] = np.zeros((HEIGHT, WIDTH, max(count for count, _ in places)), dtype)
    for count, rectangles in places:
        for x, y, width, height in rectangles:
            part = copy_out(name, count, (x, y, width, height))
            outputs[name][y : y + height, x : x + width, :count] = part

runner.stop()

np.savez(args.outputs, **outputs)
'''


def commands(project: Project) -> str:
    """The command lines that compile and run the program."""
    height, width = project.shape
    arch = project.machine.split("-")[0]
    # The memcpy library takes a halo of 7 columns and 2 rows.
    return _COMMANDS.format(arch=arch, width=width + 7, height=height + 2)


def host_file(project: Project) -> str:
    """The host's program. Raises BackendError."""
    height, width = project.shape
    exports = project.exports()
    buffers: dict[str, list[str]] = {}
    for place in project.inside(PlaceOp):
        tile = project.tiles[name_of(place.tile)]
        for op in tile.body.block.ops:
            if isinstance(op, BufferOp) and op.export is not None:
                where = rectangles(place.where.data)
                buffers.setdefault(name_of(op.sym_name), []).append(f"({op.count}, {where})")
    shown = "".join(
        f'    "{name}": ("{_DTYPES[str(exports[name])]}", {_listed(places)}),\n'
        for name, places in buffers.items()
    )
    return _HEAD.format(
        program=project.program,
        width=width,
        height=height,
        buffers=shown,
        data="".join(_data(op, project) for op in project.inside(DataOp)),
        functions=repr(project.launched()),
    )


def _listed(texts: list[str]) -> str:
    """A list, in Python, of a line for each element unless it has one."""
    if len(texts) == 1:
        return f"[{texts[0]}]"
    return "\n".join(["[", *(f"        {text}," for text in texts), "    ]"])


def rectangles(where: Rectangle) -> str:
    """A list, in Python, of the rectangles without strides that a rectangle is made of."""
    (x, width), (y, height) = _parts(where.x, "x"), _parts(where.y, "y")
    loops = "".join(
        f" for {name} in range({part.start}, {part.stop}, {part.step})"
        for name, part in (("y", where.y), ("x", where.x))
        if part.step > 1
    )
    return f"[({x}, {y}, {width}, {height}){loops}]"


def _parts(part: Slice, name: str) -> tuple[str, int]:
    """Where a run of neighbours starts, and how many they are."""
    return (str(part.start), len(part.indices())) if part.step == 1 else (name, 1)


def _data(op: DataOp, project: Project) -> str:
    """The rows of the table of data that a `wse.data` is. Raises BackendError."""
    tile, name = op.names
    buffer = symbols_of(project.tiles[tile].body.block).get(name)
    if not isinstance(buffer, BufferOp) or buffer.export is None:
        raise BackendError(
            "is no exported buffer, which the host can fill", where=f"@{tile}::@{name}"
        )
    places, values = list(op.where.data), values_of(op.value)
    one_each = len(values) == buffer.count * len(places)
    lines = ""
    for index, (x, y) in enumerate(places):
        first = index * buffer.count if one_each else 0
        part = ", ".join(map(repr, values[first : first + buffer.count].tolist()))
        lines += f'    ("{name}", {buffer.count}, ({x}, {y}, 1, 1), [{part}]),\n'
    return lines
