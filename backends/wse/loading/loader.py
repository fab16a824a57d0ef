"""`wse` IR to an image: the whole program, checked for the machine first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.loading import fabric, loaded
from pyflame_rt.backends.wse.loading.arithmetic import Unsupported, constant, type_name
from pyflame_rt.backends.wse.loading.body import fail
from pyflame_rt.backends.wse.loading.tile import Tile
from pyflame_rt.backends.wse.loading.verifying import verify
from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Assembler
from pyflame_rt.dialects.pfrt.types import constant_array
from pyflame_rt.dialects.wse.attributes import ColorType
from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.program import DataOp, PlaceOp, ProgramOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, SetColorOp
from pyflame_rt.dialects.wse.scalars import PrintOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp, TileOp, VarOp
from pyflame_rt.errors import ValidationError


def load_program(module: ModuleOp, machine: Machine) -> im.Image:
    """The image of the module's program. Raises ValidationError: one line, the op, tile and place."""
    return load(module, machine).image


def load(module: ModuleOp, machine: Machine) -> loaded.Loaded:
    """The image, with what the program's names mean in it. Raises ValidationError."""
    programs = [op for op in module.body.ops if isinstance(op, ProgramOp)]
    if len(programs) != 1:
        raise ValidationError(
            f"a module to load has one wse.program, not {len(programs)}", where="module"
        )
    verify(module, programs[0], machine)
    # A number that is too large for its type is an infinity.
    with np.errstate(over="ignore"):
        return _Loader(programs[0]).load()


@dataclass(frozen=True, eq=False)
class _Placed:
    """A placement: its PEs, its program by number, and its parameters' register contents."""

    op: PlaceOp
    tile: TileOp
    pes: fabric.Area
    values: Mapping[str, NDArray[Any]]


class _Loader:
    """Builds the arrays of an image, PE by PE only where each PE differs."""

    def __init__(self, program: ProgramOp):
        self.program = program
        self.where = f"program @{program.sym_name.data}"
        height, width = program.shape
        self.asm = Assembler(width, height)
        self.colours = fabric.colours(program)
        self.symbols = program.symbols()
        self.strings: dict[str, int] = {}
        self.costs: dict[str, set[int]] = {}
        self.tiles: list[Tile] = []
        self.variants: dict[tuple[str, tuple[int, ...]], int] = {}
        self.placements: list[im.Int32s] = [np.empty((0, 2), np.int32)]
        self.queues: list[im.Int32s] = [np.empty((0, 4), np.int32)]
        self.registers: list[im.Int32s] = [np.empty((0, 3), np.int32)]

    def load(self) -> loaded.Loaded:
        """Everything."""
        routes = fabric.routes(self.program, self.colours)
        for op in self.program.body.block.ops:
            if isinstance(op, PlaceOp):
                self._place(op)
        placements = np.concatenate(self.placements)
        image = im.Image(
            self.asm.width,
            self.asm.height,
            routes=routes,
            programs=tuple(tile.program.program() for tile in self.tiles),
            placements=placements,
            queues=np.concatenate(self.queues),
            registers=np.concatenate(self.registers),
            patches=tuple(self._patches(placements)),
            strings=tuple(self.strings),
        )
        return loaded.Loaded(
            self.program.sym_name.data,
            image,
            tuple(self._named(tile) for tile in self.tiles),
            self.colours,
            {label: tuple(sorted(cycles)) for label, cycles in self.costs.items()},
            _bare_texts(self.program),
        )

    def _place(self, op: PlaceOp) -> None:
        where = f"wse.place {op.tile} in {self.where}"
        tile = self.symbols.get(name_of(op.tile))
        if not isinstance(tile, TileOp):
            raise ValidationError(f"there is no tile {op.tile}", where=where)
        pes = fabric.area(op.where.data, self.program, where)
        values = self._values(op, tile, pes, where)
        placed = _Placed(op, tile, pes, values)
        switched = sorted(_switched(tile) & values.keys())
        if not switched:
            self._run(placed, (), np.arange(len(pes.pe)))
            return
        # A colour that code names is part of the code: a program for each.
        table = np.stack([values[name] for name in switched], axis=1)
        keys, which = np.unique(table, axis=0, return_inverse=True)
        for turn, key in enumerate(keys.tolist()):
            self._run(
                placed,
                tuple(zip(switched, key, strict=True)),
                np.flatnonzero(which.reshape(-1) == turn),
            )

    def _values(
        self, op: PlaceOp, tile: TileOp, pes: fabric.Area, where: str
    ) -> dict[str, NDArray[Any]]:
        params = {name_of(p.sym_name): p for p in tile.body.block.ops if isinstance(p, ParamOp)}
        given = dict(op.values())
        if unknown := given.keys() - params.keys():
            raise ValidationError(f"the tile has no parameter {min(unknown)!r}", where=where)
        found: dict[str, NDArray[Any]] = {}
        for name, param in params.items():
            value = given.get(name, param.value)
            if value is None:
                raise ValidationError(f"parameter {name!r} has no value", where=where)
            kind = "i32" if isinstance(param.kind, ColorType) else type_name(param.kind)
            found[name] = fabric.values(value, kind, pes, self.colours, f"{where}, {name}")
        return found

    def _run(
        self, placed: _Placed, colours: tuple[tuple[str, int], ...], which: NDArray[Any]
    ) -> None:
        """Run a tile's program, for these colours of its parameters, on some PEs of a placement."""
        key = (name_of(placed.tile.sym_name), tuple(colour for _, colour in colours))
        if key not in self.variants:
            self.variants[key] = len(self.tiles)
            self._build(placed.tile, dict(colours))
        number_of = self.variants[key]
        tile, pes = self.tiles[number_of], placed.pes.pe[which]
        self.placements.append(_rows(pes, number_of))
        for queue in tile.queues():
            name = name_of(queue.color)
            colour: NDArray[Any] | int | None = self.colours.get(name)
            if name in placed.values:
                colour = placed.values[name][which]
            if colour is None:
                fail(queue, tile.where, f"there is no colour {queue.color}")
            way = im.INPUT if isinstance(queue, InputQueueOp) else im.OUTPUT
            self.queues.append(_rows(pes, way, number(queue.number), colour))
        for name, register in tile.variables.items():
            op = tile.symbols[name]
            bits: NDArray[Any] | int = 0
            if isinstance(op, VarOp) and op.value is not None:
                bits = constant(op.value).bits
            elif name in placed.values:
                bits = placed.values[name][which]
            rows = _rows(pes, cast(int, register.fixed), bits)
            self.registers.append(rows[rows[:, 2] != 0])

    def _build(self, op: TileOp, colours: Mapping[str, int]) -> None:
        tile = Tile(
            op, self.asm.program(name_of(op.sym_name)), {**self.colours, **colours},
            lambda text: self.strings.setdefault(text, len(self.strings)),
            lambda label, cycles: self.costs.setdefault(label, set()).add(cycles),
        )  # fmt: skip
        self.tiles.append(tile)
        try:
            tile.build()
        except Unsupported as error:
            raise ValidationError(str(error), where=tile.where) from None

    def _patches(self, placements: im.Int32s) -> list[im.Patch]:
        running: dict[int, int] = dict(placements.tolist())
        found: list[im.Patch] = []
        for op in self.program.body.block.ops:
            if not isinstance(op, DataOp):
                continue
            name, buffer = op.names
            where = f"wse.data {op.buffer} in {self.where}"
            pes = fabric.area(op.where.data, self.program, where).pe
            values = cast(NDArray[Any], constant_array(op.value))
            for place, pe in enumerate(pes.tolist()):
                tile = self.tiles[running[pe]] if pe in running else None
                if (
                    tile is None
                    or tile.name != name
                    or not isinstance(tile.symbols.get(buffer), BufferOp)
                ):
                    raise ValidationError(
                        f"PE ({pe % self.asm.width}, {pe // self.asm.width}) runs no such tile"
                        " with that buffer",
                        where=where,
                    )
                symbol = tile.program.symbol(buffer)
                if values.size not in (symbol.count, symbol.count * len(pes)):
                    raise ValidationError(
                        f"{values.size} values are not {symbol.count} for each of {len(pes)} PEs",
                        where=where,
                    )
                each = (
                    values if values.size == symbol.count else values.reshape(len(pes), -1)[place]
                )
                data = np.ascontiguousarray(each.astype(symbol.dtype)).tobytes()
                found.append(im.Patch(pe, symbol.address, data))
        return found

    def _named(self, tile: Tile) -> loaded.Tile:
        buffers = [op for op in tile.symbols.values() if isinstance(op, BufferOp)]
        exported = {
            name_of(op.sym_name): tuple(op.buffer_type.get_shape())
            for op in buffers
            if op.export is not None
        }
        return loaded.Tile(tile.name, exported, tile.registers())


def _switched(tile: TileOp) -> set[str]:
    """The names of colours that a tile's code binds queues to."""
    return {name_of(op.color) for op in tile.walk() if isinstance(op, SetColorOp)}


def _bare_texts(program: ProgramOp) -> frozenset[str]:
    prints = [op for op in program.walk() if isinstance(op, PrintOp)]
    valued = {op.text.data for op in prints if op.value is not None}
    return frozenset(op.text.data for op in prints if op.text.data not in valued)


def _rows(pes: NDArray[Any], *columns: NDArray[Any] | int) -> im.Int32s:
    rows = np.empty((len(pes), 1 + len(columns)), np.int32)
    rows[:, 0] = pes
    for place, column in enumerate(columns, 1):
        rows[:, place] = column
    return rows
