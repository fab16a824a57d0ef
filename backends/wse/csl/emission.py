"""From the csl modules of a program to the files of an SDK project, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from xdsl.dialects import csl, func
from xdsl.dialects.arith import ConstantOp
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr
from xdsl.ir import SSAValue
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.backends.wse.csl.host import commands, host_file
from pyflame_rt.backends.wse.csl.layout import Project, layout_file
from pyflame_rt.backends.wse.csl.tensors import Array, tensors_of
from pyflame_rt.backends.wse.csl.tiles import tile_file
from pyflame_rt.dialects.wse.base import Scope, WseOp, name_of
from pyflame_rt.dialects.wse.program import DataOp, PlaceOp, RouteOp, symbols_of
from pyflame_rt.errors import BackendError

MARKER: Final = "// FILE: "
"""What precedes the name of a file when all are one text."""


def files(module: ModuleOp) -> dict[str, str]:
    """The files of a module that `convert-wse-to-csl` has made, by name.

    Raises BackendError for another module, and for what CSL cannot say.
    """
    project = read(module)
    found = {"layout.csl": layout_file(project)}
    for name, tile in project.tiles.items():
        found[f"{name}.csl"] = tile_file(tile, project.program, project.machine)
    tensors = tensors_of(module)
    return found | {
        "run.py": host_file(project, tensors),
        "commands.sh": commands(project, tensors),
    }


def arrays(module: ModuleOp) -> Mapping[str, Mapping[str, Array]]:
    """The arrays of the files that `run.py` reads, by their names. Raises BackendError."""
    tensors = tensors_of(module)
    return {} if tensors is None else tensors.files()


def joined(texts: Mapping[str, str]) -> str:
    """All files as one text, each after a line that names it."""
    return "".join(f"{MARKER}{name}\n{text}" for name, text in texts.items())


def read(module: ModuleOp) -> Project:
    """The layout and the tiles of a module. Raises BackendError."""
    layouts: list[csl.CslModuleOp] = []
    tiles: dict[str, csl.CslModuleOp] = {}
    for op in module.body.ops:
        if isinstance(op, func.FuncOp):
            continue
        if not isinstance(op, csl.CslModuleOp):
            raise BackendError(f"{op.name} is no csl.module", hint="run convert-wse-to-csl first")
        if op.kind.data == csl.ModuleKind.LAYOUT:
            layouts.append(op)
        else:
            tiles[name_of(op.sym_name)] = op
    if len(layouts) != 1:
        raise BackendError("the module has no single layout", hint="run convert-wse-to-csl first")
    (layout,) = layouts
    program, machine = (layout.attributes.get(f"wse.{key}") for key in ("program", "machine"))
    if not isinstance(program, StringAttr) or not isinstance(machine, StringAttr):
        raise BackendError("the layout has no wse.program and wse.machine", where="csl.module")
    sizes = [op for op in layout.walk() if isinstance(op, csl.SetRectangleOp)]
    if len(sizes) != 1:
        raise BackendError("the layout sets no single rectangle", where="csl.module")
    shape = (_number(sizes[0].y_dim), _number(sizes[0].x_dim))
    _check(layout, tiles)
    return Project(layout, tiles, program.data, machine.data, shape)


def _check(layout: csl.CslModuleOp, tiles: Mapping[str, csl.CslModuleOp]) -> None:
    """That every name is there: inside of a `wse.program`, its verifier sees to that."""
    try:
        for tile in tiles.values():
            scope = Scope(symbols_of(tile.body.block), None)
            for op in tile.walk():
                if isinstance(op, WseOp):
                    op.check(scope)
    except VerifyException as error:
        raise BackendError(str(error).splitlines()[0], where="csl.module") from None
    colors = symbols_of(layout.body.block)
    for op in layout.walk():
        if isinstance(op, PlaceOp | DataOp):
            name = op.names[0] if isinstance(op, DataOp) else name_of(op.tile)
            if name not in tiles:
                raise BackendError(f"there is no tile @{name}", where=op.name)
        if isinstance(op, RouteOp) and name_of(op.color) not in colors:
            raise BackendError(f"there is no colour {op.color}", where=op.name)


def _number(value: SSAValue) -> int:
    if isinstance(value.owner, ConstantOp) and isinstance(value.owner.value, IntegerAttr):
        return value.owner.value.value.data
    raise BackendError("the size of the rectangle is no constant", where="csl.set_rectangle")
