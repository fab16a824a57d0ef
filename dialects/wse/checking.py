"""What must hold of a whole program, on every machine: names, routes, placements, queues.

Nothing here goes through PEs one by one: a colour is an array of bytes, a rectangle a slice of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    SymbolRefAttr,
)
from xdsl.ir import Attribute, Operation

from pyflame_rt.dialects.wse.attributes import (
    DIRECTIONS,
    ColorType,
    Position,
    Rectangle,
    RectangleAttr,
    Slice,
)
from pyflame_rt.dialects.wse.base import Scope, WseOp, is_scalar, name_of, number
from pyflame_rt.dialects.wse.program import (
    COLORS,
    ColorOp,
    DataOp,
    PlaceOp,
    ProgramOp,
    RouteOp,
)
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp, SetColorOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp, TileOp
from pyflame_rt.dialects.wse.tile_checking import check_tile

Grid = NDArray[np.uint8]

_STEPS: Final = {"north": (0, -1), "east": (1, 0), "south": (0, 1), "west": (-1, 0)}
_OPPOSITE: Final = {"north": "south", "east": "west", "south": "north", "west": "east"}
_BITS: Final = {direction: 1 << place for place, direction in enumerate(DIRECTIONS)}
# Of a (router, colour), beside the directions that some position receives.
_UP: Final = 1 << 5
_ROUTED: Final = 1 << 6
_TAKEN: Final = 1 << 7


def check_program(program: ProgramOp) -> None:
    """Raise VerifyException for the first thing that is wrong."""
    ops = list(program.body.block.ops)
    for op in ops:
        # A verifier may come to a program before what is in it, whose own constraints count here.
        op.verify(verify_nested_ops=False)
    names = program.symbols()
    for tile in (op for op in ops if isinstance(op, TileOp)):
        check_tile(tile, names)
    _check_colors(program)
    for op in ops:
        if isinstance(op, RouteOp | PlaceOp | DataOp):
            _check_inside(program, op, op.where)
    routes = [op for op in ops if isinstance(op, RouteOp)]
    grids = _grids(program, routes, names)
    for route in routes:
        _check_sends(program, route, grids)
    tiles = np.zeros(program.shape, np.int32)
    for count, place in enumerate(op for op in ops if isinstance(op, PlaceOp)):
        _check_place(place, names, tiles, count + 1)
        _check_queues(place, names, grids)
    # A program without tiles is the fabric of one: its code is still to come.
    for route in routes if tiles.any() else ():
        _check_taken(route, grids)
    for data in (op for op in ops if isinstance(op, DataOp)):
        _check_data(data, names, tiles, ops)


def _check_colors(program: ProgramOp) -> None:
    colors = [op for op in program.body.block.ops if isinstance(op, ColorOp)]
    taken: dict[int, ColorOp] = {}
    for op in colors:
        if op.number is None:
            continue
        other = taken.setdefault(number(op.number), op)
        if other is not op:
            op.fail("C2", f"@{name_of(other.sym_name)} has the number {number(op.number)} too")
    if len(colors) > COLORS:
        colors[COLORS].fail("C2", f"is one of {len(colors)} colours, of at most {COLORS}")


def _check_inside(program: ProgramOp, op: WseOp, where: RectangleAttr) -> None:
    height, width = program.shape
    area = where.data
    inside = area.x.indices()[-1] < width and area.y.indices()[-1] < height
    op.require("C4", inside, f"{area} is outside of the program's {width} x {height} PEs")


def _color(
    op: WseOp, constraint: str, symbol: SymbolRefAttr, names: Mapping[str, Operation]
) -> str:
    found = op.found(constraint, Scope({}, names), symbol, "colour", ColorOp)
    return name_of(found.sym_name)


def _grids(
    program: ProgramOp, routes: list[RouteOp], names: Mapping[str, Operation]
) -> dict[str, Grid]:
    """What each router does with a colour, by colour: see the bits above."""
    grids = {
        name: np.zeros(program.shape, np.uint8)
        for name, op in names.items()
        if isinstance(op, ColorOp)
    }
    for route in routes:
        grid = grids[_color(route, "C5", route.color, names)]
        for swap in (route.swap_x, route.swap_y):
            if swap is not None:
                _color(route, "C5", swap, names)
        part = grid[route.where.data.index()]
        if part.any():
            at = _first(route.where.data, part != 0)
            route.fail("C6", f"{route.color} has two routes at {at}")
        mask = _ROUTED
        for position in route.positions.data:
            mask |= _mask(position.rx)
            mask |= _UP if "ramp" in position.tx else 0
        part[...] = mask
    return grids


def _mask(directions: tuple[str, ...]) -> int:
    return sum(_BITS[direction] for direction in directions)


def _first(where: Rectangle, wrong: NDArray[np.bool_]) -> str:
    row, column = (int(i) for i in np.argwhere(wrong)[0])
    return f"PE ({where.x.indices()[column]}, {where.y.indices()[row]})"


def _check_sends(program: ProgramOp, route: RouteOp, grids: Mapping[str, Grid]) -> None:
    # Positions that a route doesn't begin with may never be reached: those show when it runs.
    height, width = program.shape
    area = route.where.data
    first: Position = route.positions.data[number(route.initial)]
    for direction in first.tx:
        if direction == "ramp":
            continue
        dx, dy = _STEPS[direction]
        for edge, inside in ((area.x, width * (dx != 0)), (area.y, height * (dy != 0))):
            step, last = dx + dy, edge.indices()[-1]
            leaves = inside and (last + step >= inside or edge.start + step < 0)
            if leaves:
                out = last if step > 0 else edge.start
                at = (out, area.y.start) if dx else (area.x.start, out)
                route.fail("C7", f"{route.color} leaves the program to the {direction} at PE {at}")
        swap = route.swap_x if dx else route.swap_y
        color = swap if swap is not None else route.color
        there = Rectangle(_moved(area.x, dx), _moved(area.y, dy))
        received = grids[name_of(color)][there.index()] & _BITS[_OPPOSITE[direction]]
        if not received.all():
            at = _first(area, received == 0)
            route.fail(
                "C7",
                f"{route.color} is sent {direction} at {at}, whose neighbour does not receive"
                f" {color} from the {_OPPOSITE[direction]}",
            )


def _check_taken(route: RouteOp, grids: Mapping[str, Grid]) -> None:
    if "ramp" not in route.positions.data[number(route.initial)].tx:
        return
    taken = grids[name_of(route.color)][route.where.data.index()] & _TAKEN
    if not taken.all():
        at = _first(route.where.data, taken == 0)
        route.fail("C8", f"{route.color} goes up the ramp at {at}, where no input queue takes it")


def _moved(part: Slice, by: int) -> Slice:
    return Slice(part.start + by, part.stop + by, part.step)


def _check_place(
    place: PlaceOp, names: Mapping[str, Operation], tiles: NDArray[Any], count: int
) -> None:
    tile = place.found("C5", Scope({}, names), place.tile, "tile", TileOp)
    part = tiles[place.where.data.index()]
    if part.any():
        place.fail("C6", f"another tile is placed at {_first(place.where.data, part != 0)}")
    part[...] = count
    params = {name_of(op.sym_name): op for op in tile.body.block.ops if isinstance(op, ParamOp)}
    for name, value in place.values().items():
        if name not in params:
            place.fail("C7", f"{place.tile} has no parameter {name}")
        _check_param(place, params[name], value, names)
    for name, op in params.items():
        if op.value is None and name not in place.values():
            place.fail("C7", f"{place.tile} needs a value for its parameter {name}")


def _check_param(
    place: PlaceOp, param: ParamOp, value: Attribute, names: Mapping[str, Operation]
) -> None:
    name = name_of(param.sym_name)
    if isinstance(param.kind, ColorType):
        if not isinstance(value, SymbolRefAttr):
            place.fail("C7", f"the parameter {name} is a colour")
        _color(place, "C7", value, names)
        return
    kind = param.kind
    match value:
        case AffineMapAttr():
            fits = is_scalar(kind) and not isinstance(param.value, FloatAttr)
        case DenseIntOrFPElementsAttr():
            fits = value.get_element_type() == kind
        case IntegerAttr() | FloatAttr():
            fits = value.type == kind
        case _:
            fits = False
    place.require("C7", fits, f"the parameter {name} is a {kind}, not {value}")


def color_of(
    symbol: SymbolRefAttr, tile: Mapping[str, Operation], params: Mapping[str, Attribute]
) -> str:
    """The program's colour that a name of a tile means, where the tile has these parameters."""
    found = tile.get(name_of(symbol))
    value = params.get(name_of(symbol))
    if isinstance(found, ParamOp) and isinstance(value, SymbolRefAttr):
        return name_of(value)
    return name_of(symbol)


def _check_queues(
    place: PlaceOp, names: Mapping[str, Operation], grids: Mapping[str, Grid]
) -> None:
    tile = place.found("C5", Scope({}, names), place.tile, "tile", TileOp)
    declared = tile.symbols()
    area = place.where.data
    inputs: dict[str, str] = {}
    for queue, symbol in _bindings(tile, declared):
        color = color_of(symbol, declared, place.values())
        if color not in grids:
            # The tile's own check names it.
            continue
        is_input = isinstance(queue, InputQueueOp)
        part = grids[color][area.index()]
        routed = part & (_UP if is_input else _BITS["ramp"])
        if not routed.all():
            place.fail(
                "C8",
                f"queue @{name_of(queue.sym_name)} of {place.tile} is bound to @{color}, which no route"
                f" takes {'up' if is_input else 'down'} the ramp at {_first(area, routed == 0)}",
            )
        if is_input:
            part |= _TAKEN
            name = name_of(queue.sym_name)
            # Queues that get their colours later may have one after the other.
            other = inputs.setdefault(color, name) if symbol is queue.color else name
            place.require(
                "C9",
                other == name,
                f"input queues @{other} and @{name} of {place.tile} both have @{color}",
            )


def _bindings(
    tile: TileOp, declared: Mapping[str, Operation]
) -> Iterator[tuple[InputQueueOp | OutputQueueOp, SymbolRefAttr]]:
    """Queues with the colours that they are bound to, at first and by wse.set_color."""
    for op in declared.values():
        if isinstance(op, InputQueueOp | OutputQueueOp):
            yield op, op.color
    for op in tile.walk():
        if isinstance(op, SetColorOp):
            queue = declared.get(name_of(op.queue))
            if isinstance(queue, InputQueueOp | OutputQueueOp):
                yield queue, op.color


def _check_data(
    data: DataOp, names: Mapping[str, Operation], tiles: NDArray[Any], ops: list[Operation]
) -> None:
    tile_name, buffer_name = data.names
    tile = names.get(tile_name)
    buffer = tile.symbols().get(buffer_name) if isinstance(tile, TileOp) else None
    if not isinstance(buffer, BufferOp):
        data.fail("C2", f"there is no buffer {data.buffer}")
    places = [op for op in ops if isinstance(op, PlaceOp)]
    own = [n + 1 for n, op in enumerate(places) if name_of(op.tile) == tile_name]
    placed = np.isin(tiles[data.where.data.index()], own)
    if not placed.all():
        data.fail("C2", f"@{tile_name} is not placed at {_first(data.where.data, ~placed)}")
    rows, columns = data.where.data.shape
    count = 1
    for size in data.value.get_shape():
        count *= size
    kind = buffer.buffer_type.element_type
    data.require(
        "C3",
        data.value.get_element_type() == kind
        and count in (buffer.count, rows * columns * buffer.count),
        f"{data.value.type} is neither {buffer.kind} nor one for each of {rows * columns} PEs",
    )
