"""One tile: its memory, DSDs, registers and tasks, handed to the assembler's program builder."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, IntegerType, SymbolRefAttr
from xdsl.ir import Operation, SSAValue

from pyflame_rt.backends.wse.loading import registers, statements
from pyflame_rt.backends.wse.loading.arithmetic import Unsupported, type_name
from pyflame_rt.backends.wse.loading.body import Body, fail
from pyflame_rt.backends.wse.loading.code import Register
from pyflame_rt.backends.wse.loading.loaded import Variable
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.assembly import Dsd, ProgramBuilder, Task
from pyflame_rt.dialects.pfrt.types import constant_array
from pyflame_rt.dialects.wse.attributes import ColorType
from pyflame_rt.dialects.wse.base import WseOp, bits_of, name_of, number
from pyflame_rt.dialects.wse.dsds import (
    DSR_FILES,
    DSRS,
    DsdOp,
    DsrOp,
    FabinDsdOp,
    FaboutDsdOp,
    FifoDsdOp,
    FifoOp,
    LoadToDsrOp,
    Mem1dDsdOp,
    Mem4dDsdOp,
)
from pyflame_rt.dialects.wse.queues import InputQueueOp, OutputQueueOp, QueueOp
from pyflame_rt.dialects.wse.tasks import FuncOp, TaskOp
from pyflame_rt.dialects.wse.tile import BufferOp, GetBufferOp, ParamOp, TileOp, VarOp

OpT = TypeVar("OpT", bound=Operation)

# A data task finds its word in register 0, so variables begin after it.
_WORD = 0
_MAX_ROWS = 1 << 20
_LARGEST = (1 << 29) - 1


class Tile:
    """Builds the program of a tile; `colours` are those of the program and of its parameters."""

    def __init__(
        self, op: TileOp, program: ProgramBuilder, colours: Mapping[str, int],
        string: Callable[[str], int], declare_cost: Callable[[str, int], None],
    ):  # fmt: skip
        self.op = op
        self.name = name_of(op.sym_name)
        self.where = f"tile @{self.name}"
        self.program = program
        self.colours = colours
        self.string = string
        self.declare_cost = declare_cost
        self.symbols = op.symbols()
        self.variables: dict[str, Register] = {}
        self.tasks: dict[str, Task] = {}
        self._dsds: dict[str, dict[bool, Dsd]] = {}
        self._fifos: dict[str, Dsd] = {}
        self._named_dsrs = {
            (dsr.file.data, number(dsr.number))
            for dsr in self.symbols.values()
            if isinstance(dsr, DsrOp)
        }

    def build(self) -> None:
        """Everything, in the order of its declaration. Raises ValidationError."""
        for op in self.op.body.block.ops:
            match op:
                case BufferOp():
                    self._buffer(op)
                case VarOp() | ParamOp() if not isinstance(op.kind, ColorType):
                    fixed = len(self.variables) + 1
                    if fixed >= im.REGISTERS:
                        fail(op, self.where, f"there are {im.REGISTERS} registers")
                    self.variables[name_of(op.sym_name)] = Register(fixed)
                case TaskOp() | FuncOp() if isinstance(op, TaskOp) or op.export is not None:
                    name = name_of(op.sym_name)
                    self.tasks[name] = self.program.declare(name)
                case _:
                    pass
        self._declare_dsds()
        for name in self.tasks:
            op = cast("TaskOp | FuncOp", self.symbols[name])
            with self._blaming(op):
                self._task(op)

    # What the tile declares.

    def _buffer(self, op: BufferOp) -> None:
        values = None if op.value is None else constant_array(op.value)
        kind = type_name(op.buffer_type.element_type)
        address = None if op.address is None else number(op.address)
        if values is not None:
            values = cast("np.ndarray[Any, Any]", values).reshape(-1)
        self.program.array(
            name_of(op.sym_name), op.count, kind, align=number(op.align, 2),
            offset=number(op.offset), values=values, address=address,
        )  # fmt: skip

    def _declare_dsds(self) -> None:
        saving: dict[str, set[bool]] = {}
        for op in self.op.walk():
            if isinstance(op, LoadToDsrOp):
                saving.setdefault(name_of(op.dsd), set()).add(op.save_address is not None)
        for name, op in self.symbols.items():
            if isinstance(op, FifoOp):
                with self._blaming(op):
                    self._fifos[name] = self.program.fifo(self.buffer(op.buffer), 0)
        for name, op in self.symbols.items():
            if isinstance(op, DsdOp):
                kinds = saving.get(name, set()) | {False}
                with self._blaming(op):
                    _require_small(op)
                    self._dsds[name] = {save: self._dsd(op, save) for save in sorted(kinds)}

    @contextmanager
    def _blaming(self, op: Operation) -> Generator[None]:
        """Errors name the op and the tile."""
        try:
            yield
        except Unsupported as error:
            fail(op, self.where, str(error))

    def _dsd(self, op: DsdOp, save: bool) -> Dsd:
        program = self.program
        match op:
            case Mem1dDsdOp():
                symbol = self.buffer(op.buffer)
                length, stride, offset = op.elements(symbol.count)
                return program.mem1d(
                    symbol, length, stride=stride, offset=offset, save_address=save
                )
            case Mem4dDsdOp():
                symbol = self.buffer(op.buffer)
                sizes, strides = op.nest()
                return program.mem4d(symbol, sizes, strides, offset=number(op.offset))
            case FabinDsdOp():
                queue = self._queue(op.queue, InputQueueOp)
                return program.fabin(queue, number(op.length), width=_bytes(op.kind))
            case FaboutDsdOp():
                queue = self._queue(op.queue, OutputQueueOp)
                return program.fabout(
                    queue, number(op.length), advance_switch=op.advance_switch is not None,
                    control=op.control is not None, width=_bytes(op.kind),
                )  # fmt: skip
            case _:
                op = cast(FifoDsdOp, op)
                fifo = self._fifos[name_of(self.symbol(op.fifo, FifoOp).sym_name)]
                return program.fifo_end(fifo, number(op.length))

    def _queue(self, symbol: SymbolRefAttr, kind: type[QueueOp]) -> int:
        return number(self.symbol(symbol, kind).number)

    def symbol(self, symbol: SymbolRefAttr, kind: type[OpT]) -> OpT:
        """What a name means in the tile. Raises Unsupported."""
        found = self.symbols.get(name_of(symbol))
        if not isinstance(found, kind):
            raise Unsupported(f"{symbol} is no {kind.name.removeprefix('wse.')} of the tile")
        return found

    def queues(self) -> Iterable[QueueOp]:
        """The queues of the PE."""
        return [op for op in self.symbols.values() if isinstance(op, QueueOp)]

    def params(self) -> Iterable[ParamOp]:
        """The parameters."""
        return [op for op in self.symbols.values() if isinstance(op, ParamOp)]

    # What code asks for.

    def dsds(self, symbol: SymbolRefAttr) -> Mapping[bool, Dsd]:
        """The forms of a DSD: as it is, and the one that saves its address."""
        found = self._dsds.get(name_of(symbol))
        if found is None:
            raise Unsupported(f"there is no DSD {symbol}")
        return found

    def task(self, symbol: SymbolRefAttr) -> Task:
        """A task, or an exported function. Raises Unsupported."""
        found = self.tasks.get(name_of(symbol))
        if found is None:
            raise Unsupported(f"there is no task {symbol}")
        return found

    def variable(self, symbol: SymbolRefAttr) -> Register:
        """The register of a variable or parameter. Raises Unsupported."""
        found = self.variables.get(name_of(symbol))
        if found is None:
            raise Unsupported(f"there is no variable {symbol}")
        return found

    def buffer_of(self, value: SSAValue) -> im.Symbol:
        """Where the buffer lies that a value is. Raises Unsupported."""
        owner = value.owner
        if not isinstance(owner, GetBufferOp):
            raise Unsupported("only what wse.get_buffer gives can be loaded and stored")
        return self.buffer(owner.buffer)

    def buffer(self, symbol: SymbolRefAttr) -> im.Symbol:
        """Where a buffer lies. Raises Unsupported."""
        return self.program.symbol(name_of(self.symbol(symbol, BufferOp).sym_name))

    def free_dsr(self, file: int, place: int) -> int:
        """A DSR of a file that DSDs are loaded to: the first that has no name, or a later one."""
        name = DSR_FILES[file]
        free = [slot for slot in range(DSRS) if (name, slot) not in self._named_dsrs]
        if place >= len(free):
            raise Unsupported(f"no {name} DSR without a name is left to load a DSD to")
        return DSRS * file + free[place]

    def element_bytes(self, symbol: SymbolRefAttr) -> int:
        """Bytes of an element of a DSD of memory. Raises Unsupported."""
        found = self.symbols.get(name_of(symbol))
        if not isinstance(found, Mem1dDsdOp | Mem4dDsdOp):
            raise Unsupported(f"{symbol} is no DSD of memory")
        return self.symbol(found.buffer, BufferOp).element_bytes

    def lower(self, op: Operation, body: Body) -> bool:
        """Append the code of an op of this dialect; False for any other."""
        return isinstance(op, WseOp) and statements.lower(op, body, self)

    # Tasks.

    def _task(self, op: TaskOp | FuncOp) -> None:
        name = name_of(op.sym_name)
        where = f"task @{name} of {self.where}"
        body = Body(self, where)
        if isinstance(op, TaskOp) and op.word is not None:
            self._word(op.word, body)
        try:
            body.block(op.body.block)
        except RecursionError:
            fail(op, self.where, "is nested too deeply")
        body.code.add(im.END, cost=0)
        code = body.code.without_spares()
        if len(code.rows) > _MAX_ROWS:
            fail(op, self.where, f"has {len(code.rows)} instructions")
        try:
            numbers = registers.assign(code, self.variables.values())
        except registers.OutOfRegisters as error:
            fail(op, self.where, str(error), "keep values in a buffer")
        task = self.tasks[name]
        if isinstance(op, FuncOp):
            self.program.define(task, function=True)
        else:
            queue = -1 if op.queue is None else self._queue(op.queue, InputQueueOp)
            self.program.define(
                task, kind=("local", "data", "control").index(op.kind.data), id=number(op.id, -1),
                queue=queue, active=op.active is not None, blocked=op.blocked is not None,
            )  # fmt: skip
        code.emit(self.program, numbers)

    def _word(self, word: SSAValue, body: Body) -> None:
        kind, value = type_name(word.type), Register()
        if word.type == IntegerType(16):
            # The register has all 32 bits.
            value = body.code.convert(Register(_WORD), "i32", kind)
        else:
            body.code.assign(value, Register(_WORD))
        body.define((word,), (value,))

    def registers(self) -> dict[str, Variable]:
        """The variables and scalar parameters by name."""
        found: dict[str, Variable] = {}
        for name, register in self.variables.items():
            op = cast("VarOp | ParamOp", self.symbols[name])
            found[name] = Variable(cast(int, register.fixed), type_name(op.kind))
        return found


def _require_small(op: DsdOp) -> None:
    """Bytes of a DSD have to be 32-bit numbers."""
    for name, value in op.properties.items():
        numbers: tuple[int, ...] = ()
        if isinstance(value, IntegerAttr):
            numbers = (value.value.data,)
        elif isinstance(value, DenseArrayBase):
            numbers = value.get_values()
        for found in numbers:
            if not -_LARGEST <= found <= _LARGEST:
                raise Unsupported(f"{name} {found} is too large")


def _bytes(kind: Any) -> int:
    return bits_of(kind) // 8
