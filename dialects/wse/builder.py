"""Builds `wse` programs from Python: a method for each op, scalars as SSA values, names given once.

    program = ProgramBuilder("p2p", 2)
    red = program.color("red")
    send = program.tile("send")
    own = send.buffer("own", 8, values=range(8))
    tx = send.fabout(send.output_queue(0, red), 8)
    with send.task("main", active=True):          # what follows is the task's code
        send.vector("mov32", tx, send.mem1d(own))
    program.place(send, (0, 0))
    program.route(red, (0, 0), ("ramp", "east"))  # one (receive, transmit) pair a switch position
    module = program.module()

What declares a name gives back its op, which other methods take; they take the name itself as well, so
that code may name a task that comes later. Lengths, strides and offsets are in elements.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike
from xdsl.dialects.builtin import (
    AffineMapAttr,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    SymbolRefAttr,
    TensorType,
    f16,
    f32,
    i16,
    i32,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.wse.attributes import (
    ColorType,
    Filter,
    Position,
    Rectangle,
)
from pyflame_rt.dialects.wse.base import name_of
from pyflame_rt.dialects.wse.building import (
    TYPES,
    CodeBuilder,
    Named,
    Type,
    insert_sorted,
    named,
    type_of,
)
from pyflame_rt.dialects.wse.dsds import (
    DsrOp,
    FabinDsdOp,
    FaboutDsdOp,
    FifoDsdOp,
    FifoOp,
    Mem1dDsdOp,
    Mem4dDsdOp,
)
from pyflame_rt.dialects.wse.program import ColorOp, DataOp, PlaceOp, ProgramOp, RouteOp
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp
from pyflame_rt.dialects.wse.tasks import FuncOp, TaskOp
from pyflame_rt.dialects.wse.tile import BufferOp, ParamOp, TileOp, VarOp
from pyflame_rt.errors import ValidationError

Coordinate: TypeAlias = "int | slice | range"
Where: TypeAlias = "Rectangle | tuple[Coordinate, Coordinate]"
Directions: TypeAlias = "str | Sequence[str]"

X = AffineExpr.dimension(0)
Y = AffineExpr.dimension(1)
"""The coordinates of a PE, for the parameters of a placement: `x=X, last=X * 2 + 1`."""

__all__ = ["TYPES", "ProgramBuilder", "TileBuilder", "X", "Y"]


class TileBuilder(CodeBuilder):
    """Builds one tile; made by `ProgramBuilder.tile`. Code goes into the task that is open."""

    def __init__(self, name: str):
        self.op = TileOp(name)
        super().__init__(self.op.body.block)
        self._names: set[str] = set()

    @property
    def name(self) -> str:
        """The tile's name."""
        return name_of(self.op.sym_name)

    def _fresh(self, name: str | None, stem: str) -> str:
        """The name itself, or the first of stem, stem1, stem2 … that is free."""
        count = 0
        while name is None:
            candidate = f"{stem}{count or ''}"
            name = None if candidate in self._names else candidate
            count += 1
        self._names.add(name)
        return name

    # State.

    def param(self, name: str, kind: Type = "color", value: float | None = None) -> ParamOp:
        """A parameter: a colour, or a scalar of a type, perhaps with a default."""
        declared = ColorType() if kind == "color" else type_of(kind)
        default = None if value is None else scalar_attribute(value, declared)
        return self.declare(ParamOp(self._fresh(name, "param"), declared, default))

    def buffer(
        self, name: str, shape: int | Sequence[int], kind: Type = "f32", *,
        values: ArrayLike | None = None, align: int | None = None, offset: int | None = None,
        address: int | None = None, export: bool = False,
    ) -> BufferOp:  # fmt: skip
        """An array: after the last one, at a multiple of `align` bytes plus `offset` bytes."""
        sizes = [shape] if isinstance(shape, int) else list(shape)
        element = type_of(kind)
        contents = None if values is None else dense(values, sizes, element)
        op = BufferOp(
            self._fresh(name, "buffer"), MemRefType(element, sizes), value=contents, align=align,
            offset=offset, address=address, export=export,
        )  # fmt: skip
        return self.declare(op)

    def var(self, name: str, kind: Type = "i32", value: float | None = None) -> VarOp:
        """A scalar that keeps its value from task to task."""
        declared = type_of(kind)
        start = None if value is None else scalar_attribute(value, declared)
        return self.declare(VarOp(self._fresh(name, "var"), declared, start))

    # Queues, DSDs, DSRs.

    def input_queue(self, number: int, color: Named, *, name: str | None = None) -> InputQueueOp:
        """Input queue `number`, bound to a colour of the program or a parameter of the tile."""
        return self.declare(InputQueueOp(self._fresh(name, f"iq{number}"), number, named(color)))

    def output_queue(self, number: int, color: Named, *, name: str | None = None) -> OutputQueueOp:
        """Output queue `number`, bound to a colour of the program or a parameter of the tile."""
        return self.declare(OutputQueueOp(self._fresh(name, f"oq{number}"), number, named(color)))

    def mem1d(
        self, buffer: Named, length: int | None = None, *, stride: int | None = None,
        offset: int | None = None, name: str | None = None,
    ) -> Mem1dDsdOp:  # fmt: skip
        """A vector of `length` elements of a buffer, `stride` apart, from element `offset`."""
        stem = self._fresh(name, f"{named(buffer)}_v")
        return self.declare(Mem1dDsdOp(stem, named(buffer), length, stride=stride, offset=offset))

    def mem4d(
        self, buffer: Named, sizes: Sequence[int], strides: Sequence[int], *,
        offset: int | None = None, name: str | None = None,
    ) -> Mem4dDsdOp:  # fmt: skip
        """A nest of up to four dimensions, outermost first."""
        stem = self._fresh(name, f"{named(buffer)}_v")
        return self.declare(Mem4dDsdOp(stem, named(buffer), sizes, strides, offset=offset))

    def fabin(
        self, queue: Named, length: int, kind: Type = "f32", *, name: str | None = None
    ) -> FabinDsdOp:
        """`length` words taken from an input queue."""
        stem = self._fresh(name, f"{named(queue)}_rx")
        return self.declare(FabinDsdOp(stem, named(queue), length, type_of(kind)))

    def fabout(
        self, queue: Named, length: int, kind: Type = "f32", *, advance_switch: bool = False,
        control: bool = False, name: str | None = None,
    ) -> FaboutDsdOp:  # fmt: skip
        """`length` words given to an output queue."""
        op = FaboutDsdOp(
            self._fresh(name, f"{named(queue)}_tx"), named(queue), length, type_of(kind),
            advance_switch=advance_switch, control=control,
        )  # fmt: skip
        return self.declare(op)

    def fifo(self, buffer: Named, *, name: str | None = None) -> FifoOp:
        """A queue in memory."""
        return self.declare(FifoOp(self._fresh(name, f"{named(buffer)}_fifo"), named(buffer)))

    def fifo_end(self, fifo: Named, length: int, *, name: str | None = None) -> FifoDsdOp:
        """`length` elements to push into a fifo, as a destination, or to take from it."""
        return self.declare(FifoDsdOp(self._fresh(name, f"{named(fifo)}_v"), named(fifo), length))

    def dsr(self, file: str, number: int = 0, *, name: str | None = None) -> DsrOp:
        """DSR `number` of a file: dest, src0, src1."""
        return self.declare(DsrOp(self._fresh(name, f"{file}_{number}"), file, number))

    # Tasks.

    @contextmanager
    def task(
        self, name: str, *, id: int | None = None, active: bool = False, blocked: bool = False
    ) -> Generator[TaskOp]:
        """A local task, whose code is what is built inside."""
        op = TaskOp(self._fresh(name, "task"), id=id, active=active, blocked=blocked)
        self.declare(op)
        with self.inside(op.body.block):
            yield op

    @contextmanager
    def data_task(
        self, name: str, queue: Named, kind: Type | None = "f32", *, blocked: bool = False
    ) -> Generator[SSAValue]:
        """A task for each word of an input queue; gives the word."""
        block = Block(arg_types=[type_of(kind)] if kind is not None else [])
        op = TaskOp(
            self._fresh(name, "task"), "data", queue=named(queue), blocked=blocked, body=block
        )
        self.declare(op)
        with self.inside(block):
            # Without a type there is no word to give.
            yield cast(SSAValue, op.word)

    @contextmanager
    def control_task(self, name: str, id: int, *, blocked: bool = False) -> Generator[SSAValue]:
        """A task for each control word that names its id; gives the word."""
        block = Block(arg_types=[i32])
        self.declare(
            TaskOp(self._fresh(name, "task"), "control", id=id, blocked=blocked, body=block)
        )
        with self.inside(block):
            yield block.args[0]

    @contextmanager
    def func(self, name: str, *, export: bool = False) -> Generator[FuncOp]:
        """A function, which the host launches when it is exported."""
        op = FuncOp(self._fresh(name, "func"), export=export)
        self.declare(op)
        with self.inside(op.body.block):
            yield op


class ProgramBuilder:
    """Builds a program: colours, tiles, where they run, and the routes between them."""

    def __init__(self, name: str, width: int, height: int = 1):
        self.op = ProgramOp(name, width, height)
        self._tiles: list[TileBuilder] = []

    def color(self, name: str, number: int | None = None) -> ColorOp:
        """A colour; without a number the loader chooses."""
        return self._add(ColorOp(name, number))

    def tile(self, name: str) -> TileBuilder:
        """A new tile."""
        self._tiles.append(TileBuilder(name))
        return self._tiles[-1]

    def route(
        self, color: Named, where: Where, *positions: tuple[Directions, Directions],
        initial: int | None = None, ring_mode: bool = False, pop_mode: str | None = None,
        filter: Filter | None = None, swap_x: Named | None = None, swap_y: Named | None = None,
    ) -> RouteOp:  # fmt: skip
        """The route of a colour in some routers: a (receive, transmit) pair of directions a position."""
        op = RouteOp(
            named(color), rectangle(where), [Position.of(*position) for position in positions],
            initial=initial, ring_mode=ring_mode, pop_mode=pop_mode, filter=filter,
            swap_x=None if swap_x is None else named(swap_x),
            swap_y=None if swap_y is None else named(swap_y),
        )  # fmt: skip
        return self._add(op)

    def place(
        self, tile: TileBuilder | Named, where: Where, params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> PlaceOp:  # fmt: skip
        """Run a tile on some PEs, with its parameters, by name.

        A parameter is a colour, a number, an expression of `X` and `Y`, or an array of rows of PEs.
        """
        name = tile.name if isinstance(tile, TileBuilder) else named(tile)
        kinds = {
            name_of(op.sym_name): op.kind
            for builder in self._tiles if builder.name == name
            for op in builder.op.body.block.ops if isinstance(op, ParamOp)
        }  # fmt: skip
        area = rectangle(where)
        values = {
            param: param_attribute(value, kinds.get(param, i32), area)
            for param, value in {**(params or {}), **more}.items()
        }
        return self._add(PlaceOp(name, area, values))

    def data(
        self, tile: TileBuilder | Named, buffer: BufferOp, where: Where, values: ArrayLike
    ) -> DataOp:
        """Initial contents of a buffer: one array for each PE, row by row, or one for all."""
        name = tile.name if isinstance(tile, TileBuilder) else named(tile)
        array = np.asarray(values)
        element = buffer.buffer_type.element_type
        return self._add(
            DataOp(
                name, name_of(buffer.sym_name), rectangle(where), dense(array, array.shape, element)
            )
        )

    def _add(self, op: Any) -> Any:
        insert_sorted(self.op.body.block, op, (ColorOp, RouteOp, PlaceOp, DataOp, TileOp))
        return op

    def module(self) -> ModuleOp:
        """What has been built, verified. Raises ValidationError."""
        for tile in self._tiles:
            if tile.op.parent is None:
                self._add(tile.op)
        module = ModuleOp([self.op]) if self.op.parent is None else self.op.get_toplevel_object()
        try:
            module.verify()
        except VerifyException as error:
            raise ValidationError(
                str(error), where=f"program {name_of(self.op.sym_name)!r}"
            ) from None
        return cast(ModuleOp, module)


def rectangle(where: Where) -> Rectangle:
    """The rectangle of (x, y), each a number, slice or range."""
    return where if isinstance(where, Rectangle) else Rectangle.of(*where)


def scalar_attribute(value: float, kind: Attribute) -> Attribute:
    """A number of a type."""
    if kind in (f16, f32):
        return FloatAttr(float(value), cast(Any, kind))
    return IntegerAttr(int(value), cast(Any, kind))


def param_attribute(value: Any, kind: Attribute, where: Rectangle) -> Attribute:
    """The value of a parameter of a type, on some PEs."""
    match value:
        case Attribute():
            return value
        case str() | Operation():
            return SymbolRefAttr(named(value))
        case AffineExpr():
            return AffineMapAttr(AffineMap(2, 0, (value,)))
        case int() | float():
            return scalar_attribute(value, kind)
        case _:
            return dense(value, where.shape, kind)


def dense(values: ArrayLike, shape: Sequence[int], kind: Attribute) -> DenseIntOrFPElementsAttr:
    """Dense values of a type; one value stands for all. Raises ValidationError."""
    dtype = {f16: "float16", f32: "float32", i16: "int16", i32: "int32"}[cast(Any, kind)]
    array = np.asarray(values).astype(dtype)
    tensor = TensorType(cast(Any, kind), list(shape))
    if array.size == math.prod(shape):
        array = array.reshape(tuple(shape))
    try:
        array = np.broadcast_to(array, tuple(shape))
    except ValueError:
        raise ValidationError(
            f"values of shape {list(array.shape)} do not fill {list(shape)}", where="wse builder"
        ) from None
    contents = np.ascontiguousarray(array).tobytes()
    return DenseIntOrFPElementsAttr(tensor, BytesAttr(contents))
