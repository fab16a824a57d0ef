"""Colours, routes, placements and initial data of a program, as arrays over its rectangles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import dtype_of
from pyflame_rt.dialects.pfrt.types import constant_array
from pyflame_rt.dialects.wse.attributes import POP_MODES, Rectangle
from pyflame_rt.dialects.wse.base import name_of, number
from pyflame_rt.dialects.wse.program import ColorOp, ProgramOp, RouteOp
from pyflame_rt.errors import ValidationError

_FILTERS: Final = {"range": im.FILTER_RANGE, "counter": im.FILTER_COUNTER}
Int64s = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Area:
    """The PEs of a rectangle: their coordinates and numbers, row by row."""

    x: Int64s
    y: Int64s
    pe: Int64s


def area(rectangle: Rectangle, program: ProgramOp, where: str) -> Area:
    """The PEs of a rectangle of the program. Raises ValidationError outside of it."""
    height, width = program.shape
    xs, ys = rectangle.x.indices(), rectangle.y.indices()
    if xs[-1] >= width or ys[-1] >= height:
        raise ValidationError(
            f"{rectangle} is outside of the program's {width} x {height} PEs", where=where
        )
    y, x = np.meshgrid(np.array(ys), np.array(xs), indexing="ij")
    return Area(x.ravel(), y.ravel(), (y * width + x).ravel())


def colours(program: ProgramOp) -> dict[str, int]:
    """The number of each colour: its own, or the lowest that is free. Raises ValidationError."""
    ops = [op for op in program.body.block.ops if isinstance(op, ColorOp)]
    found = {name_of(op.sym_name): number(op.number) for op in ops if op.number is not None}
    taken = set(found.values())
    free = (n for n in range(im.COLOURS) if n not in taken)
    for op in ops:
        if op.number is not None:
            continue
        chosen = next(free, None)
        if chosen is None:
            raise ValidationError(
                f"has {len(ops)} colours, a router {im.COLOURS}",
                where=f"program {program.sym_name}",
            )
        found[name_of(op.sym_name)] = chosen
    return found


def routes(program: ProgramOp, numbers: Mapping[str, int]) -> im.Int32s:
    """A row for each route and PE."""
    parts = [np.empty((0, im.ROUTE_FIELDS), np.int32)]
    for op in program.body.block.ops:
        if isinstance(op, RouteOp):
            where = f"wse.route {op.color}"
            pes = area(op.where.data, program, where).pe
            rows = np.empty((len(pes), im.ROUTE_FIELDS), np.int32)
            rows[:] = _route_row(op, numbers)
            rows[:, im.ROUTE_PE] = pes
            parts.append(rows)
    return np.concatenate(parts)


def _route_row(op: RouteOp, numbers: Mapping[str, int]) -> list[int]:
    rx, tx = [0] * 4, [0] * 4
    for place, position in enumerate(op.positions.data):
        rx[place] = _mask(position.rx)
        tx[place] = _mask(position.tx)
    mode = POP_MODES.index(op.pop_mode.data) if op.pop_mode is not None else 0
    head = [0, colour(op.color, numbers, "wse.route"), len(op.positions.data), number(op.initial)]
    head += [int(op.ring_mode is not None), mode]
    words = [0, 0, 0, 0]
    if op.filter is not None:
        data = op.filter.data
        kept = (data.low, data.high) if data.kind == "range" else (data.high, data.low)
        words = [_FILTERS[data.kind], *kept, data.start]
    swaps = [-1 if s is None else colour(s, numbers, "wse.route") for s in (op.swap_x, op.swap_y)]
    return [*head, *rx, *tx, *words, *swaps]


def _mask(directions: tuple[str, ...]) -> int:
    return sum(1 << im.DIRECTIONS.index(name) for name in directions)


def colour(symbol: SymbolRefAttr, numbers: Mapping[str, int], where: str) -> int:
    """The number of the colour that a symbol names. Raises ValidationError."""
    name = name_of(symbol)
    if name not in numbers:
        raise ValidationError(f"there is no colour @{name}", where=where)
    return numbers[name]


def values(
    value: Attribute, type_name: str, pes: Area, numbers: Mapping[str, int], where: str
) -> NDArray[Any]:
    """A parameter's value on each PE, as register contents; a colour's as its number."""
    match value:
        case SymbolRefAttr():
            return np.full(len(pes.pe), colour(value, numbers, where), np.int32)
        case AffineMapAttr():
            found = np.broadcast_to(_mapped(value, pes, where), pes.pe.shape)
        case DenseIntOrFPElementsAttr():
            array = constant_array(cast("DenseIntOrFPElementsAttr[Any]", value))
            found = np.broadcast_to(cast(NDArray[Any], array).reshape(-1), pes.pe.shape)
        case IntegerAttr():
            found = np.full(pes.pe.shape, value.value.data)
        case FloatAttr():
            found = np.full(pes.pe.shape, value.value.data)
        case _:
            raise ValidationError(f"{value} is no value of a parameter", where=where)
    return registers(found, type_name)


def _mapped(value: AffineMapAttr, pes: Area, where: str) -> Int64s:
    try:
        with np.errstate(all="raise"):
            results = value.data.eval(cast(list[int], [pes.x, pes.y]), [])
    except ArithmeticError:
        raise ValidationError(f"{value} divides by zero", where=where) from None
    return np.asarray(results[0], np.int64)


def registers(found: NDArray[Any], type_name: str) -> im.Int32s:
    """Numbers as the bits that registers of a type hold."""
    dtype = dtype_of(type_name)
    with np.errstate(all="ignore"):
        typed = found.astype(dtype)
    if type_name == "f16":
        return typed.view(np.uint16).astype(np.int32)
    return typed.view(np.int32) if type_name in ("f32", "u32") else typed.astype(np.int32)
