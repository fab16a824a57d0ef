"""The host's program and the command lines: `run.py` and `commands.sh`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pyflame_rt.backends.wse.csl.layout import Project
from pyflame_rt.backends.wse.csl.tensors import PLACES, WEIGHTS, Tensors
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
cs_python run.py --name out{more}
"""

_HEAD: Final = '''\
#!/usr/bin/env cs_python
"""Runs the program {program}: copies {what} in, launches its functions, copies {what} out.

{about}
"""

import argparse

import numpy as np
from cerebras.sdk.runtime.sdkruntimepybind import MemcpyDataType, MemcpyOrder, SdkRuntime

WIDTH, HEIGHT = {width}, {height}

# Buffers by name: type, and where they are: elements, rectangles (x, y, width, height) of PEs.
BUFFERS = {{
{buffers}}}

{tables}FUNCTIONS = {functions}

parser = argparse.ArgumentParser()
parser.add_argument("--name", required=True, help="the folder that cslc wrote")
parser.add_argument("--cmaddr", help="IP:port of the CS system")
{arguments}args = parser.parse_args()

runner = SdkRuntime(args.name, cmaddr=args.cmaddr)
symbols = {{name: runner.get_id(name) for name in BUFFERS}}


def arrays(path):
    """The arrays of an .npz file by name."""
    with np.load(path) as table:
        return dict(table)


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


def buffer_in(name, array):
    """Copies an array of the whole program, [height, width, elements], to a buffer of its PEs."""
    for count, rectangles in BUFFERS[name][1]:
        for x, y, width, height in rectangles:
            part = array[y : y + height, x : x + width, :count]
            copy_in(name, count, (x, y, width, height), part)


def buffer_out(name):
    """A buffer of all PEs: where it is shorter than elsewhere, the rest is zeros."""
    dtype, places = BUFFERS[name]
    array = np.zeros((HEIGHT, WIDTH, max(count for count, _ in places)), dtype)
    for count, rectangles in places:
        for x, y, width, height in rectangles:
            part = copy_out(name, count, (x, y, width, height))
            array[y : y + height, x : x + width, :count] = part
    return array


runner.load()
runner.run()

{body}'''

_LAUNCH: Final = """\
for function in FUNCTIONS:
    runner.launch(function, nonblock=False)
"""

_OF_BUFFERS: Final = {
    "what": "buffers",
    "about": """\
Buffers come from --inputs (an .npz file) and go to --outputs, as name: array[height, width, elements]
of the whole program; where a buffer is shorter than elsewhere, the rest is zeros.""",
    "arguments": """\
parser.add_argument("--inputs", help="an .npz file of buffers")
parser.add_argument("--outputs", default="outputs.npz", help="the .npz file that is written")
""",
    "body": f"""\
for name, count, rectangle, values in DATA:
    copy_in(name, count, rectangle, values)

if args.inputs:
    for name, array in arrays(args.inputs).items():
        buffer_in(name, array.reshape(HEIGHT, WIDTH, -1))

{_LAUNCH}
outputs = {{name: buffer_out(name) for name in BUFFERS}}

runner.stop()

np.savez(args.outputs, **outputs)
""",
}

_OF_TENSORS: Final = {
    "what": "tensors",
    "about": f"""\
Tensors come from --inputs (an .npz file) and go to --outputs, by their names in the model. Weights, and where
elements of tensors are, are read from {WEIGHTS} and {PLACES} beside this file.""",
    "arguments": """\
parser.add_argument("--inputs", required=True, help="an .npz file of tensors")
parser.add_argument("--outputs", default="outputs.npz", help="the .npz file that is written")
parser.add_argument("--expected", help="an .npz file of outputs to compare with")
parser.add_argument("--tolerance", type=float, default={tolerance}, help="of the largest number")
""",
    "body": f"""\
here = Path(__file__).resolve().parent
places = arrays(here / "{PLACES}")

for name, array in arrays(here / "{WEIGHTS}").items():
    buffer_in(name, array)

tensors = arrays(args.inputs)
for name, buffers in INPUTS.items():
    flat = np.append(tensors[name].ravel(), np.zeros(1, tensors[name].dtype))
    for buffer in buffers:
        buffer_in(buffer, flat[places[f"{{name}}:{{buffer}}"]])

{_LAUNCH}
outputs = {{}}
for name, (buffer, shape, dtype) in OUTPUTS.items():
    index = places[f"{{name}}:{{buffer}}"]
    flat = np.zeros(int(np.prod(shape)), dtype)
    flat[index[index >= 0]] = buffer_out(buffer)[..., : index.shape[-1]][index >= 0]
    outputs[name] = flat.reshape(shape)

runner.stop()

np.savez(args.outputs, **outputs)

if args.expected:
    expected = arrays(args.expected)
    for name, array in outputs.items():
        error = np.abs(array - expected[name]).max() / max(np.abs(expected[name]).max(), 1e-30)
        print(f"{{name}}: largest error {{error:.2e}} of the largest number")
        if not error <= args.tolerance:
            raise SystemExit(f"{{name}} differs by more than {{args.tolerance}}")
""",
}


def commands(project: Project, tensors: Tensors | None = None) -> str:
    """The command lines that compile and run the program."""
    height, width = project.shape
    arch = project.machine.split("-")[0]
    # The memcpy library takes a halo of 7 columns and 2 rows.
    more = "" if tensors is None else " --inputs inputs.npz"
    return _COMMANDS.format(arch=arch, width=width + 7, height=height + 2, more=more)


def host_file(project: Project, tensors: Tensors | None = None) -> str:
    """The host's program: of tensors, if a function says what it does with them. Raises BackendError."""
    height, width = project.shape
    exports = project.exports()
    buffers: dict[str, dict[int, list[Rectangle]]] = {}
    for place in project.inside(PlaceOp):
        tile = project.tiles[name_of(place.tile)]
        for op in tile.body.block.ops:
            if isinstance(op, BufferOp) and op.export is not None:
                counts = buffers.setdefault(name_of(op.sym_name), {})
                counts.setdefault(op.count, []).append(place.where.data)
    shown = "".join(
        f'    "{name}": ("{_DTYPES[str(exports[name])]}", {_listed(_places(counts))}),\n'
        for name, counts in buffers.items()
    )
    data = "".join(_data(op, project) for op in project.inside(DataOp))
    if tensors is None:
        parts = _OF_BUFFERS
        tables = (
            "# What buffers hold before the start: name, elements, rectangle, values row by row.\n"
            f"DATA = [\n{data}]\n\n"
        )
    else:
        half = any(exports[buffer] == "f16" for buffer, _, _ in tensors.outputs.values())
        tolerance = "1e-2" if half else "1e-5"
        parts = {**_OF_TENSORS, "arguments": _OF_TENSORS["arguments"].format(tolerance=tolerance)}
        tables = _tables(tensors, exports)
    text = _HEAD.format(
        program=project.program, width=width, height=height, buffers=shown, tables=tables,
        functions=repr(project.launched()), **parts,
    )  # fmt: skip
    if tensors is not None:
        text = text.replace("import argparse\n", "import argparse\nfrom pathlib import Path\n", 1)
    return text


def _tables(tensors: Tensors, exports: Mapping[str, str | None]) -> str:
    """The tensors by name. Raises BackendError for a buffer that is not exported."""
    used = [*tensors.weights, *(name for names in tensors.inputs.values() for name in names)]
    for name in (*used, *(buffer for buffer, _, _ in tensors.outputs.values())):
        if exports.get(name) is None:
            raise BackendError("is no exported buffer, which the host can reach", where=f"@{name}")
    inputs = "".join(f"    {name!r}: {names!r},\n" for name, names in tensors.inputs.items())
    outputs = "".join(f"    {name!r}: {value!r},\n" for name, value in tensors.outputs.items())
    return (
        f"# Tensors by name: the buffers that they go to.\nINPUTS = {{\n{inputs}}}\n\n"
        f"# The buffer that a tensor comes from, its shape and type.\nOUTPUTS = {{\n{outputs}}}\n\n"
    )


def _places(counts: Mapping[int, Sequence[Rectangle]]) -> list[str]:
    """For each number of elements, the rectangles of PEs: merged where that makes them fewer."""
    found: list[str] = []
    for count, wheres in counts.items():
        merged = _merged(wheres)
        if len(merged) <= len(wheres):
            found.append(f"({count}, {merged})")
        else:
            found += [f"({count}, {rectangles(where)})" for where in wheres]
    return found


def _merged(wheres: Sequence[Rectangle]) -> list[tuple[int, int, int, int]]:
    """The same PEs as rectangles (x, y, width, height) without strides."""
    spans: dict[tuple[tuple[int, int], ...], list[int]] = {}
    rows: dict[int, set[int]] = {}
    for where in wheres:
        for y in where.y.indices():
            rows.setdefault(y, set()).update(where.x.indices())
    for y, columns in sorted(rows.items()):
        runs: list[tuple[int, int]] = []
        for x in sorted(columns):
            if runs and runs[-1][0] + runs[-1][1] == x:
                runs[-1] = runs[-1][0], runs[-1][1] + 1
            else:
                runs.append((x, 1))
        spans.setdefault(tuple(runs), []).append(y)
    found: list[tuple[int, int, int, int]] = []
    for runs_, ys in spans.items():
        start = ys[0]
        for y, after in zip(ys, [*ys[1:], -1], strict=True):
            if after != y + 1:
                found += [(x, start, width, y + 1 - start) for x, width in runs_]
                start = after
    return found


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
