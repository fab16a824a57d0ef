"""An assembler for images: what a loader calls, and what tests write programs with by hand.

    asm = Assembler(2, 1)
    send = asm.program("send")
    data = send.array("data", 8, "f32")
    main = send.task("main", active=True)          # what follows is the task's code
    send.vector("mov32", dest=send.fabout(0, 8), src0=send.mem1d(data))
    send.end()
    asm.place(send, 0, 0, outputs={0: 5})          # output queue 0 is colour 5
    asm.route(0, 0, 5, ([RAMP], [EAST]))           # one (receive, transmit) pair a switch position
    image = asm.image()

Lengths, strides and offsets are in elements here; the image has bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.errors import ValidationError

_DTYPES: Final = {"i16": "int16", "u16": "uint16", "i32": "int32", "u32": "uint32"} | {
    "f16": "float16",
    "f32": "float32",
}


@dataclass(frozen=True)
class Dsd:
    """A DSD of a program, by number."""

    number: int


@dataclass(frozen=True)
class Dsr:
    """A DSR, by number: its file is number // 16 (dest, src0, src1)."""

    number: int


@dataclass(frozen=True)
class Label:
    """A place in the code of a program."""

    number: int


@dataclass(frozen=True)
class Task:
    """A task of a program: its slot, which `activate` and its like name."""

    slot: int


def dtype_of(type_name: str) -> np.dtype[np.generic]:
    """NumPy's type of `i16`, `f32` …."""
    return np.dtype(_DTYPES[type_name])


def raw(value: float, type_name: str) -> int:
    """The register contents of a value: its bits as the simulator keeps them, signed 32 bits."""
    bits = np.array([value], dtype_of(type_name))
    if type_name == "f16":
        return int(bits.view(np.uint16)[0])
    if type_name in ("f32", "u32"):
        return int(bits.view(np.int32)[0])
    return int(bits[0])


class ProgramBuilder:
    """Builds one tile program; made by `Assembler.program`."""

    def __init__(self, name: str):
        self.name = name
        self._code: list[list[int]] = []
        self._tasks: list[list[int]] = []
        self._task_names: list[str] = []
        self._dsds: list[list[int]] = []
        self._fifos: list[list[int]] = []
        self._labels: list[int] = []
        self._uses: list[tuple[int, int]] = []
        self._data = bytearray()
        self._symbols: dict[str, im.Symbol] = {}
        self._functions: dict[str, int] = {}
        self._memory = 0

    # Memory.

    def array(
        self,
        name: str,
        count: int,
        type_name: str = "f32",
        *,
        align: int = 2,
        offset: int = 0,
        values: ArrayLike | None = None,
        address: int | None = None,
    ) -> im.Symbol:
        """Reserve an array after the last one: at a multiple of `align` bytes plus `offset` bytes."""
        dtype = dtype_of(type_name)
        if address is None:
            address = -(-self._memory // align) * align + offset
        symbol = im.Symbol(address, count, dtype.name)
        self._memory = max(self._memory, address + symbol.size)
        self._symbols[name] = symbol
        if values is not None:
            contents = np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype), (count,)))
            self._data.extend(bytes(max(0, address + symbol.size - len(self._data))))
            self._data[address : address + symbol.size] = contents.tobytes()
        return symbol

    def symbol(self, name: str) -> im.Symbol:
        """The array of that name."""
        return self._symbols[name]

    # DSDs.

    def mem1d(
        self, symbol: im.Symbol, length: int | None = None, *, stride: int = 1, offset: int = 0,
        save_address: bool = False,
    ) -> Dsd:  # fmt: skip
        """A vector of `length` elements of an array, `stride` elements apart, from element `offset`."""
        width = np.dtype(symbol.dtype).itemsize
        count = symbol.count if length is None else length
        return self.raw_dsd(
            im.MEM1D, base=symbol.address, length=count, stride=stride * width,
            offset=offset * width, width=width, flags=im.SAVE_ADDRESS if save_address else 0,
        )  # fmt: skip

    def mem4d(
        self, symbol: im.Symbol, sizes: Sequence[int], strides: Sequence[int], *, offset: int = 0
    ) -> Dsd:
        """A nest of up to four dimensions, outermost first, strides in elements."""
        width = np.dtype(symbol.dtype).itemsize
        sizes = (*(1,) * (4 - len(sizes)), *sizes)
        strides = (*(0,) * (4 - len(strides)), *strides)
        return self.raw_dsd(
            im.MEM4D, base=symbol.address, length=int(np.prod(sizes)), offset=offset * width,
            width=width, sizes=sizes, strides=[width * stride for stride in strides],
        )  # fmt: skip

    def fabin(self, queue: int, length: int, *, width: int = 4) -> Dsd:
        """`length` words taken from an input queue."""
        return self.raw_dsd(im.FABIN, queue=queue, length=length, width=width)

    def fabout(
        self, queue: int, length: int, *, advance_switch: bool = False, control: bool = False,
        width: int = 4,
    ) -> Dsd:  # fmt: skip
        """`length` words given to an output queue."""
        flags = (im.ADVANCE_SWITCH if advance_switch else 0) | (im.SEND_CONTROL if control else 0)
        return self.raw_dsd(im.FABOUT, queue=queue, length=length, flags=flags, width=width)

    def fifo(self, symbol: im.Symbol, length: int) -> Dsd:
        """A queue in memory: `length` elements are pushed (as dest) or popped (as source)."""
        width = np.dtype(symbol.dtype).itemsize
        self._fifos.append([symbol.address, symbol.count, width])
        return self.raw_dsd(im.FIFO, queue=len(self._fifos) - 1, length=length, width=width)

    def fifo_end(self, other: Dsd, length: int) -> Dsd:
        """Another DSD of the fifo that `other` names."""
        row = self._dsds[other.number]
        return self.raw_dsd(
            im.FIFO, queue=row[im.DSD_QUEUE], length=length, width=row[im.DSD_WIDTH]
        )

    def raw_dsd(
        self, kind: int, *, queue: int = 0, base: int = 0, length: int = 0, stride: int = 0,
        offset: int = 0, flags: int = 0, width: int = 4, sizes: Sequence[int] = (1, 1, 1, 1),
        strides: Sequence[int] = (0, 0, 0, 0),
    ) -> Dsd:  # fmt: skip
        """A DSD by its columns (bytes)."""
        self._dsds.append(
            [kind, queue, base, length, stride, offset, flags, width, *sizes, *strides]
        )
        return Dsd(len(self._dsds) - 1)

    # Tasks and labels.

    def task(
        self, name: str, *, kind: int = im.LOCAL, id: int = -1, queue: int = -1,
        active: bool = False, blocked: bool = False, function: bool = False,
    ) -> Task:  # fmt: skip
        """A task whose code is what is emitted next; a data task finds its word in register 0.

        A control task finds the control word there. `function` lets the host launch it by name.
        """
        task = self.declare(name)
        self.define(
            task, kind=kind, id=id, queue=queue, active=active, blocked=blocked, function=function
        )
        return task

    def declare(self, name: str) -> Task:
        """A task that is defined later, so that earlier code can name it."""
        self._tasks.append([im.LOCAL, -1, -1, 0, 0, -1])
        self._task_names.append(name)
        return Task(len(self._tasks) - 1)

    def define(
        self, task: Task, *, kind: int = im.LOCAL, id: int = -1, queue: int = -1,
        active: bool = False, blocked: bool = False, function: bool = False,
    ) -> None:  # fmt: skip
        """Say what a declared task is; its code is what is emitted next."""
        self._tasks[task.slot] = [kind, id, len(self._code), int(active), int(blocked), queue]
        if function:
            self._functions[self._task_names[task.slot]] = task.slot

    def label(self) -> Label:
        """A label that `bind` places."""
        self._labels.append(-1)
        return Label(len(self._labels) - 1)

    def bind(self, label: Label) -> Label:
        """Place a label here."""
        self._labels[label.number] = len(self._code)
        return label

    def here(self) -> Label:
        """A label of this place."""
        return self.bind(self.label())

    # Instructions.

    def emit(
        self, opcode: int, a: int | Label = 0, b: int | Label = 0, c: int = 0, d: int = 0,
        e: int = 0, f: int = 0, *, cost: int = im.COST_SCALAR,
    ) -> None:  # fmt: skip
        """One instruction by its columns; a label as `a` or `b` is resolved later."""
        row = [opcode, cost, 0, 0, c, d, e, f]
        for column, value in ((2, a), (3, b)):
            if isinstance(value, Label):
                self._uses.append((len(self._code), column))
                value = value.number
            row[column] = value
        self._code.append(row)

    def end(self) -> None:
        """End of the task."""
        self.emit(im.END, cost=0)

    def li(self, register: int, value: float, type_name: str = "i32", **cost: int) -> None:
        """A constant of the type."""
        self.emit(im.LI, register, raw(value, type_name), **cost)

    def alu(
        self, function: str, to: int, left: int, right: int = 0, type_name: str = "i32", *,
        cost: int | None = None,
    ) -> None:  # fmt: skip
        """to <- left FUNCTION right, registers."""
        self._alu(im.ALU, function, to, left, right, type_name, cost)

    def alui(
        self, function: str, to: int, left: int, right: float, type_name: str = "i32", *,
        cost: int | None = None,
    ) -> None:  # fmt: skip
        """to <- register left FUNCTION constant right."""
        self._alu(im.ALUI, function, to, left, raw(right, type_name), type_name, cost)

    def _alu(
        self, opcode: int, function: str, to: int, left: int, right: int, type_name: str,
        cost: int | None,
    ) -> None:  # fmt: skip
        if cost is None:
            cost = im.COST_FLOAT if type_name.startswith("f") else im.COST_SCALAR
        number, kind = im.ALU_FUNCTIONS.index(function), im.TYPES.index(type_name)
        self.emit(opcode, to, left, right, number, kind, cost=cost)

    def load(
        self, to: int, address: im.Symbol | int, type_name: str, *, base: int = -1, **cost: int
    ) -> None:
        """to <- memory[base register + address]."""
        self._memory_access(im.LOAD, to, address, type_name, base, **cost)

    def store(
        self, value: int, address: im.Symbol | int, type_name: str, *, base: int = -1, **cost: int
    ) -> None:
        """memory[base register + address] <- value."""
        self._memory_access(im.STORE, value, address, type_name, base, **cost)

    def _memory_access(
        self, opcode: int, register: int, address: im.Symbol | int, type_name: str, base: int,
        cost: int = im.COST_MEMORY,
    ) -> None:  # fmt: skip
        at = address.address if isinstance(address, im.Symbol) else address
        self.emit(opcode, register, base, at, 0, im.TYPES.index(type_name), cost=cost)

    def jump(self, label: Label, **cost: int) -> None:
        """Go to the label; a taken branch."""
        self.emit(im.JUMP, label, cost=cost.get("cost", im.COST_BRANCH))

    def branch(self, register: int, label: Label, *, when: bool = True, taken: int = -1) -> None:
        """Go to the label when the register is nonzero (`when`) or zero; `taken` declares the cost."""
        self.emit(im.BRANCH, register, label, int(not when), taken, cost=im.COST_BRANCH)

    def timestamp(self, register: int) -> None:
        """register <- the cycle."""
        self.emit(im.TIMESTAMP, register, cost=im.COST_TIMESTAMP)

    def activate(self, task: Task, **cost: int) -> None:
        """Make a task active."""
        self.emit(im.ACTIVATE, task.slot, **cost)

    def block(self, task: Task, **cost: int) -> None:
        """Keep a task from starting."""
        self.emit(im.BLOCK, task.slot, **cost)

    def unblock(self, task: Task, **cost: int) -> None:
        """Let a task start again."""
        self.emit(im.UNBLOCK, task.slot, **cost)

    def load_dsr(self, file: int, dsd: Dsd, slot: int = 0) -> Dsr:
        """Copy a DSD to DSR `slot` of a file: 0 dest, 1 src0, 2 src1."""
        dsr = Dsr(16 * file + slot)
        self.emit(im.LOAD_DSR, dsr.number, dsd.number, cost=im.COST_DSR)
        return dsr

    def set_dsd(self, dsd: Dsd, column: int, register: int, **cost: int) -> None:
        """DSD column <- register."""
        self.emit(im.SET_DSD, dsd.number, column, register, **cost)

    def add_dsd(self, dsd: Dsd, column: int, amount: int, **cost: int) -> None:
        """DSD column += constant."""
        self.emit(im.ADD_DSD_CONSTANT, dsd.number, column, amount, **cost)

    def vector(
        self, function: str, dest: Dsd | Dsr | None = None, src0: Dsd | Dsr | None = None,
        src1: Dsd | Dsr | None = None, *, scalar: int = -1, microthread: int = -1,
        priority: int = 1, activate: Task | None = None, unblock: Task | None = None,
        cost: int = im.COST_VECTOR,
    ) -> None:  # fmt: skip
        """A vector op; operands that are DSDs are loaded into slot 0 of their file first."""
        operands = [
            self.load_dsr(file, operand) if isinstance(operand, Dsd) else operand
            for file, operand in enumerate((dest, src0, src1))
        ]
        numbers = [-1 if operand is None else operand.number for operand in operands]
        then = activate or unblock
        action = im.NO_ACTION if then is None else im.ON_DONE_UNBLOCK
        action = im.ON_DONE_ACTIVATE if activate is not None else action
        flags = im.vector_flags(microthread, priority, action, 0 if then is None else then.slot)
        number = im.VECTOR_FUNCTIONS.index(function)
        dest_number, first, second = numbers
        self.emit(im.VECTOR, number, dest_number, first, second, scalar, flags, cost=cost)

    def print(self, string: int, register: int = -1, type_name: str = "i32") -> None:
        """Record a string (a number given by `Assembler.string`) and a register's value."""
        self.emit(im.PRINT, string, register, 0, 0, im.TYPES.index(type_name), cost=0)

    def program(self) -> im.Program:
        """What has been built."""
        if -1 in self._labels or any(row[im.TASK_ENTRY] < 0 for row in self._tasks):
            raise ValidationError(
                "a label is not bound or a task not defined", where=f"program {self.name!r}"
            )
        code = np.array(self._code, np.int32).reshape(-1, im.INSTRUCTION_FIELDS)
        for row, column in self._uses:
            code[row, column] = self._labels[code[row, column]]
        return im.Program(
            name=self.name,
            code=code,
            tasks=np.array(self._tasks, np.int32).reshape(-1, im.TASK_FIELDS),
            dsds=np.array(self._dsds, np.int32).reshape(-1, im.DSD_FIELDS),
            fifos=np.array(self._fifos, np.int32).reshape(-1, 3),
            memory_bytes=self._memory,
            data=bytes(self._data),
            symbols=dict(self._symbols),
            functions=dict(self._functions),
            task_names=tuple(self._task_names),
        )


Position = tuple[Iterable[int], Iterable[int]]


class Assembler:
    """Builds an image: programs, where they run, and the routes between them."""

    def __init__(self, width: int, height: int = 1):
        self.width = width
        self.height = height
        self._programs: list[ProgramBuilder] = []
        self._routes: list[list[int]] = []
        self._placements: list[tuple[int, int]] = []
        self._queues: list[tuple[int, int, int, int]] = []
        self._registers: list[tuple[int, int, int]] = []
        self._patches: list[im.Patch] = []
        self._strings: list[str] = []

    def program(self, name: str) -> ProgramBuilder:
        """A new tile program."""
        self._programs.append(ProgramBuilder(name))
        return self._programs[-1]

    def string(self, text: str) -> int:
        """The number of a string for `ProgramBuilder.print`."""
        self._strings.append(text)
        return len(self._strings) - 1

    def route(
        self, x: int, y: int, colour: int, *positions: Position, initial: int = 0,
        ring: bool = False, pop: int = im.POP_NEVER, filter: Sequence[int] = (0, 0, 0, 0),
        swap_x: int = -1, swap_y: int = -1,
    ) -> None:  # fmt: skip
        """The route of a colour in one router: a (receive, transmit) pair of directions a position."""
        rx, tx = [0] * 4, [0] * 4
        for place, (receive, transmit) in enumerate(positions):
            rx[place] = sum(1 << direction for direction in set(receive))
            tx[place] = sum(1 << direction for direction in set(transmit))
        head = [self._pe(x, y), colour, len(positions), initial, int(ring), pop]
        self._routes.append([*head, *rx, *tx, *filter, swap_x, swap_y])

    def place(
        self, program: ProgramBuilder, x: int, y: int, *, inputs: Mapping[int, int] | None = None,
        outputs: Mapping[int, int] | None = None, registers: Mapping[int, int] | None = None,
    ) -> None:  # fmt: skip
        """Run a program on a PE: the colours of its queues, initial raw values of its registers."""
        pe = self._pe(x, y)
        self._placements.append((pe, self._programs.index(program)))
        self._queues += [(pe, im.INPUT, queue, colour) for queue, colour in (inputs or {}).items()]
        self._queues += [
            (pe, im.OUTPUT, queue, colour) for queue, colour in (outputs or {}).items()
        ]
        self._registers += [(pe, number, value) for number, value in (registers or {}).items()]

    def patch(self, x: int, y: int, symbol: im.Symbol, values: ArrayLike) -> None:
        """Initial contents of an array on one PE."""
        data = np.ascontiguousarray(np.asarray(values, symbol.dtype)).tobytes()
        self._patches.append(im.Patch(self._pe(x, y), symbol.address, data))

    def _pe(self, x: int, y: int) -> int:
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise ValidationError(
                f"PE ({x}, {y}) is outside the {self.width} x {self.height} fabric"
            )
        return y * self.width + x

    def image(self) -> im.Image:
        """The image of what has been built."""
        return im.Image(
            self.width,
            self.height,
            routes=np.array(self._routes, np.int32).reshape(-1, im.ROUTE_FIELDS),
            programs=tuple(builder.program() for builder in self._programs),
            placements=np.array(self._placements, np.int32).reshape(-1, 2),
            queues=np.array(self._queues, np.int32).reshape(-1, 4),
            registers=np.array(self._registers, np.int32).reshape(-1, 3),
            patches=tuple(self._patches),
            strings=tuple(self._strings),
        )
