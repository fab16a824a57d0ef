"""The dialect's own ops in code: tasks, queues, DSDs, vector ops, time, printing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from xdsl.dialects.builtin import SymbolRefAttr

from pyflame_rt.backends.wse.loading.arithmetic import Unsupported, type_name
from pyflame_rt.backends.wse.loading.code import Code, Constant, Place, Register
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.numbers import wrap32
from pyflame_rt.dialects.wse.base import WseOp, name_of, number
from pyflame_rt.dialects.wse.dsds import (
    DSR_FILES,
    DsdOp,
    DsrOp,
    IncrementDsdOffsetOp,
    LoadToDsrOp,
    Mem4dDsdOp,
    SetDsdBaseAddrOp,
    SetDsdLengthOp,
    SetDsdOffsetOp,
    SetDsdStrideOp,
)
from pyflame_rt.dialects.wse.maps import MapOp, YieldOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, QueueOp, SetColorOp
from pyflame_rt.dialects.wse.scalars import ControlWordOp, DeclareCostOp, PrintOp, TimestampOp
from pyflame_rt.dialects.wse.tasks import (
    ActivateOp,
    BlockOp,
    CallOp,
    FuncOp,
    HaltOp,
    UnblockOp,
)
from pyflame_rt.dialects.wse.tile import BufferOp, GetBufferOp, GetOp, SetOp
from pyflame_rt.dialects.wse.vector import PRIORITIES, VectorOp

if TYPE_CHECKING:
    from pyflame_rt.backends.wse.loading.body import Body
    from pyflame_rt.backends.wse.loading.tile import Tile

_MAX_CALLS: Final = 64
_MAX_ROWS: Final = 1 << 17


def lower(op: WseOp, body: Body, tile: Tile) -> bool:
    """Append the code of an op; False for one that is no statement."""
    if isinstance(op, VectorOp):
        _vector(op, body, tile)
        return True
    rule = _RULES.get(type(op))
    if rule is None:
        return False
    rule(op, body, tile)
    return True


def _get(op: GetOp, body: Body, tile: Tile) -> None:
    value = Register()
    body.code.assign(value, tile.variable(op.var))
    body.define((op.result,), (value,))


def _set(op: SetOp, body: Body, tile: Tile) -> None:
    body.code.assign(tile.variable(op.var), body.value(op.value))


def _get_buffer(op: GetBufferOp, body: Body, tile: Tile) -> None:
    tile.symbol(op.buffer, BufferOp)


def _load_to_dsr(op: LoadToDsrOp, body: Body, tile: Tile) -> None:
    dsd = tile.dsds(op.dsd)[op.save_address is not None]
    body.code.add(im.LOAD_DSR, dsr(op.dsr, tile), dsd.number, cost=im.COST_DSR)


def dsr(symbol: SymbolRefAttr, tile: Tile) -> int:
    """The number of a DSR over all three files."""
    op = tile.symbol(symbol, DsrOp)
    return 16 * DSR_FILES.index(op.file.data) + number(op.number)


def operand(symbol: SymbolRefAttr, file: int, body: Body, tile: Tile, place: int = 0) -> int:
    """The DSR of an operand; a DSD is loaded to one without a name first, the first or `place`th."""
    found = tile.symbols.get(name_of(symbol))
    if not isinstance(found, DsdOp):
        return dsr(symbol, tile)
    free = tile.free_dsr(file, place)
    body.code.add(im.LOAD_DSR, free, tile.dsds(symbol)[False].number, cost=im.COST_DSR)
    return free


def _vector(op: VectorOp, body: Body, tile: Tile) -> None:
    dsrs = [
        -1 if name is None else operand(name, file, body, tile)
        for file, name in enumerate(op.vectors())
    ]
    scalar = -1 if op.scalar is None else body.register(op.scalar)
    then = op.activate if op.activate is not None else op.unblock
    action = im.NO_ACTION if then is None else im.ON_DONE_UNBLOCK
    flags = im.vector_flags(
        number(op.thread, -1),
        1 if op.priority is None else PRIORITIES.index(op.priority.data),
        im.ON_DONE_ACTIVATE if op.activate is not None else action,
        0 if then is None else tile.task(then).slot,
    )
    function = im.VECTOR_FUNCTIONS.index(op.builtin)
    body.code.add(im.VECTOR, function, *dsrs, scalar, flags, cost=im.COST_VECTOR)


def _map(op: MapOp, body: Body, tile: Tile) -> None:
    """The vector's DSR keeps the place, so ops inside take another one for their DSDs."""
    if isinstance(tile.symbols.get(name_of(op.vector)), Mem4dDsdOp):
        raise Unsupported("@map goes over one dimension, not a mem4d DSD")
    body.maps += 1
    vector = operand(op.vector, 1, body, tile, body.maps)
    code, end, again = body.code, Place(), Place()
    element, kind = Register(), im.TYPES.index(type_name(op.element.type))
    code.add(im.MAP_BEGIN, vector, end, cost=im.COST_MAP_BEGIN)
    code.bind(again)
    code.add(im.MAP_ELEMENT, vector, 0, element, 0, kind, cost=0)
    body.define((op.element,), (element,))
    body.block(op.body.block)
    if op.yielded is not None:
        code.add(im.MAP_STORE, vector, 0, body.register(op.yielded), 0, kind, cost=0)
    code.add(im.MAP_NEXT, vector, again, cost=im.COST_MAP_NEXT)
    code.bind(end)
    body.maps -= 1


def _set_base(op: SetDsdBaseAddrOp, body: Body, tile: Tile) -> None:
    address = tile.buffer(op.buffer).address
    _change(tile, op.dsd, body.code, im.DSD_BASE, Constant(address, "i32"), add=False)


def _change(
    tile: Tile, symbol: SymbolRefAttr, code: Code, column: int, value: Constant | Register, *,
    add: bool,
) -> None:  # fmt: skip
    """Set or increment a column of a DSD; that its second form follows costs nothing."""
    opcode = im.ADD_DSD if add else im.SET_DSD
    amount: int | Register = value if isinstance(value, Register) else wrap32(int(value.value))
    if not isinstance(amount, Register):
        opcode = im.ADD_DSD_CONSTANT if add else im.SET_DSD_CONSTANT
    for turn, dsd in enumerate(tile.dsds(symbol).values()):
        code.add(opcode, dsd.number, column, amount, cost=0 if turn else im.COST_SCALAR)


def _change_elements(column: int, *, add: bool = False) -> Rule:
    """The rule of an op that gives a DSD's column in elements; the image has bytes."""

    def rule(op: Any, body: Body, tile: Tile) -> None:
        value = body.value(op.value)
        width = 1 if column == im.DSD_LENGTH else tile.element_bytes(op.dsd)
        if isinstance(value, Constant):
            value = Constant(int(value.value) * width, "i32")
        elif width > 1:
            value = body.code.alu("shl", "i32", value, Constant(width.bit_length() - 1, "i32"))
        _change(tile, op.dsd, body.code, column, value, add=add)

    return rule


def _set_color(op: SetColorOp, body: Body, tile: Tile) -> None:
    queue = tile.symbol(op.queue, QueueOp)
    name = name_of(op.color)
    if name not in tile.colours:
        raise Unsupported(f"there is no colour {op.color}")
    way = im.INPUT if isinstance(queue, InputQueueOp) else im.OUTPUT
    body.code.add(im.SET_COLOUR, way, number(queue.number), tile.colours[name])


def _timestamp(op: TimestampOp, body: Body, tile: Tile) -> None:
    value = Register()
    body.code.add(im.TIMESTAMP, value, cost=im.COST_TIMESTAMP)
    body.define((op.result,), (value,))


def _print(op: PrintOp, body: Body, tile: Tile) -> None:
    string = tile.string(op.text.data)
    if op.value is None:
        body.code.add(im.PRINT, string, -1, cost=0)
        return
    kind = im.TYPES.index(type_name(op.value.type))
    body.code.add(im.PRINT, string, body.register(op.value), 0, 0, kind, cost=0)


def _declare_cost(op: DeclareCostOp, body: Body, tile: Tile) -> None:
    cycles = number(op.cycles)
    tile.declare_cost(op.label.data, cycles)
    if cycles:
        body.code.add(im.LI, Register(), 0, cost=cycles)


def _control_word(op: ControlWordOp, body: Body, tile: Tile) -> None:
    body.define((op.result,), (body.code.constant(Constant(op.payload, "i32")),))


def _state(opcode: int) -> Rule:
    def rule(op: Any, body: Body, tile: Tile) -> None:
        body.code.add(opcode, tile.task(op.task).slot)

    return rule


def _call(op: CallOp, body: Body, tile: Tile) -> None:
    """The function's code stands where it is called: one jump there and one back are charged."""
    function = tile.symbol(op.callee, FuncOp)
    if body.calls >= _MAX_CALLS or len(body.code.rows) > _MAX_ROWS:
        raise Unsupported("calls nest too deeply, or make too much code")
    body.calls += 1
    _jump(body.code)
    body.block(function.body.block)
    _jump(body.code)
    body.calls -= 1


def _jump(code: Code) -> None:
    next_one = Place()
    code.jump(next_one)
    code.bind(next_one)


def _halt(op: HaltOp, body: Body, tile: Tile) -> None:
    body.code.add(im.HALT)


Rule: TypeAlias = Callable[[Any, "Body", "Tile"], None]
_RULES: Final[dict[type[WseOp], Rule]] = {
    GetOp: _get,
    SetOp: _set,
    GetBufferOp: _get_buffer,
    LoadToDsrOp: _load_to_dsr,
    SetDsdBaseAddrOp: _set_base,
    IncrementDsdOffsetOp: _change_elements(im.DSD_OFFSET, add=True),
    SetDsdOffsetOp: _change_elements(im.DSD_OFFSET),
    SetDsdStrideOp: _change_elements(im.DSD_STRIDE),
    SetDsdLengthOp: _change_elements(im.DSD_LENGTH),
    SetColorOp: _set_color,
    TimestampOp: _timestamp,
    PrintOp: _print,
    DeclareCostOp: _declare_cost,
    ControlWordOp: _control_word,
    ActivateOp: _state(im.ACTIVATE),
    BlockOp: _state(im.BLOCK),
    UnblockOp: _state(im.UNBLOCK),
    CallOp: _call,
    HaltOp: _halt,
    MapOp: _map,
    YieldOp: lambda _op, _body, _tile: None,
}
