"""The image: a program for the fabric as flat int32 arrays, which is all that the simulator reads.

An image is the same for every machine: whatever a generation decides (costs, depths, rates) is looked
up in `Machine` when the image is run. `assembly.Assembler` makes images; nothing else needs to know
the column numbers below.

Coordinates: PE (x, y) is number y * width + x; x grows EAST, y grows SOUTH.

Routes, one row for each (PE, used colour): `ROUTE_*` columns. A route has up to four switch
positions; each has a set of receive directions and a set of transmit directions (bit masks of
`1 << NORTH` … `1 << RAMP`). A word from a direction that the current position does not accept waits
in its (router, colour, direction) queue.

Programs are shared between PEs: `placements` names the program of a PE. What differs between PEs that
share one is `registers` (initial values of the 64 registers), `queues` (the colour of a queue) and
`patches` (initial memory).

Instructions, rows of `INSTRUCTION_FIELDS`: `[opcode, cost, a, b, c, d, e, f]`. `cost` >= 0 is a declared
number of cycles, `cost` < 0 is a cost class (`COST_*`) which the machine prices. Program counters
count rows in the program's own code. Registers are 32 raw bits; 16-bit values are kept
sign-extended (i16), zero-extended (u16), and as the low 16 bits (f16).

Vector (DSD) operations work on DSRs: `LOAD_DSR` copies a DSD (`DSD_*` columns, one mutable copy per PE)
to a DSR; DSR k belongs to file k // 16 (0 dest, 1 src0, 2 src1). An operation with DSDs as operands is
written as loads followed by the operation. An operation in flight keeps what it read of its DSRs at
dispatch; loading a DSR that such an operation still needs (mem4d, or SAVE_ADDRESS, which writes the
address back at the end) waits for it. An operation's length is its destination's, or src0's without one.
A fabric or fifo operand makes groups of one element. Microthread ops on one queue are not ordered.

A run ends when nothing can ever move again: with ops in flight or active blocked tasks that is a
deadlock, with words in routers or queues an error of its own. A control word at the head of an input
queue starts its task when the main thread is idle; a vector op that meets one waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]

NORTH: Final = 0
EAST: Final = 1
SOUTH: Final = 2
WEST: Final = 3
RAMP: Final = 4
DIRECTIONS: Final = ("north", "east", "south", "west", "ramp")

COLOURS: Final = 24
REGISTERS: Final = 64
MAX_TASKS: Final = 31
MICROTHREADS: Final = 8
DSRS: Final = 48

# Columns of a route. RX and TX are four columns each, one a switch position.
ROUTE_PE: Final = 0
ROUTE_COLOUR: Final = 1
ROUTE_POSITIONS: Final = 2
ROUTE_INITIAL: Final = 3
ROUTE_RING: Final = 4
ROUTE_POP: Final = 5
ROUTE_RX: Final = 6
ROUTE_TX: Final = 10
# Filter before the ramp; see FILTER_*. Three parameters.
ROUTE_FILTER: Final = 14
# Colour swap: the colour that words have once they leave EAST or WEST (X), NORTH or SOUTH (Y); -1: as before.
ROUTE_SWAP_X: Final = 18
ROUTE_SWAP_Y: Final = 19
ROUTE_FIELDS: Final = 20

# pop_mode: whether a router takes the command that it obeyed off the word's list.
POP_NEVER: Final = 0
POP_ALWAYS: Final = 1
POP_ON_ADVANCE: Final = 2

# Filters. RANGE keeps words whose high half, unsigned, is in [a, b]. COUNTER counts words from c up to a
# (then from 0 again) and keeps those whose count is <= b.
FILTER_NONE: Final = 0
FILTER_RANGE: Final = 1
FILTER_COUNTER: Final = 2

# A control word: bits 0-5 id of the control task + 1 (0: none), bit 6 "ignore at the CE" (it never goes
# up the ramp), bits 16-31 eight two-bit switch commands, the first in bits 16-17.
CONTROL_IGNORE: Final = 1 << 6
CONTROL_COMMANDS: Final = 16
SWITCH_NOP: Final = 0
SWITCH_ADV: Final = 1
SWITCH_RST: Final = 2
TEARDOWN: Final = 3

# Queues of a PE: rows (pe, INPUT or OUTPUT, queue number, colour).
INPUT: Final = 0
OUTPUT: Final = 1

# Columns of a task. QUEUE is the input queue of a data task, -1 otherwise. Control words name ID.
TASK_KIND: Final = 0
TASK_ID: Final = 1
TASK_ENTRY: Final = 2
TASK_ACTIVE: Final = 3
TASK_BLOCKED: Final = 4
TASK_QUEUE: Final = 5
TASK_FIELDS: Final = 6
LOCAL: Final = 0
DATA: Final = 1
CONTROL: Final = 2

# Columns of a DSD. Addresses, offsets and strides are in bytes. mem4d: LENGTH is the product of the four
# SIZES (outermost first), STRIDES are theirs. QUEUE is the queue of a fabric operand or the fifo's number.
DSD_KIND: Final = 0
DSD_QUEUE: Final = 1
DSD_BASE: Final = 2
DSD_LENGTH: Final = 3
DSD_STRIDE: Final = 4
DSD_OFFSET: Final = 5
DSD_FLAGS: Final = 6
DSD_WIDTH: Final = 7
DSD_SIZES: Final = 8
DSD_STRIDES: Final = 12
DSD_FIELDS: Final = 16
MEM1D: Final = 0
MEM4D: Final = 1
FABIN: Final = 2
FABOUT: Final = 3
FIFO: Final = 4
# A DSR with SAVE_ADDRESS keeps the advanced address from one operation to the next. A fabout with
# ADVANCE_SWITCH advances the sender's own router once its last word has left; one with CONTROL sends
# control words.
SAVE_ADDRESS: Final = 1
ADVANCE_SWITCH: Final = 2
SEND_CONTROL: Final = 4

INSTRUCTION_FIELDS: Final = 8

# Opcodes: operands a, b, c, d, e, f. `r` is a register number, `->` what is written.
END: Final = 0  # the task ends
HALT: Final = 1  # the PE stops: no task starts any more
LI: Final = 2  # r a <- constant b
MOVE: Final = 3  # r a <- r b
ALU: Final = 4  # r a <- r b FUNCTION(d) r c, of type e; unary functions ignore c
ALUI: Final = 5  # r a <- r b FUNCTION(d) constant c, of type e (c: raw bits of a value of the type)
FMA: Final = 6  # r a <- r b * r c + r d, of type e, rounded once
CONVERT: Final = 7  # r a <- r b from type d to type e; floats to integers truncate and saturate
LOAD: Final = 8  # r a <- memory[r b + constant c] of type e; b = -1: no base register
STORE: Final = 9  # memory[r b + constant c] <- r a, of type e
JUMP: Final = 10  # to a
BRANCH: Final = (
    11  # to b if r a != 0 (c = 0) or r a == 0 (c = 1); d: cost if taken, or -1; else the row's
)
CALL: Final = 12  # r b <- next program counter; to a
RETURN: Final = 13  # to r a
TIMESTAMP: Final = 14  # r a <- cycle number (low 32 bits), sampled when it issues
PRINT: Final = 15  # string a, value r b (-1: none) of type e; costs what is declared
ACTIVATE: Final = 16  # task slot a
BLOCK: Final = 17
UNBLOCK: Final = 18
LOAD_DSR: Final = 19  # DSR a <- DSD b
SET_DSD: Final = 20  # column b of DSD a <- r c
SET_DSD_CONSTANT: Final = 21  # column b of DSD a <- constant c
ADD_DSD: Final = 22  # column b of DSD a += r c   (@increment_dsd_offset: column DSD_OFFSET)
ADD_DSD_CONSTANT: Final = 23  # column b of DSD a += constant c
# Vector op: a FUNCTION, b dest DSR, c src0 DSR, d src1 DSR, e scalar register (each -1: absent), f packed by
# `vector_flags`: microthread, priority, completion action and task.
VECTOR: Final = 24
# @map: MAP_BEGIN DSR a, to b when it has no elements; MAP_ELEMENT r c <- next element of DSR a of type e (free);
# MAP_NEXT: DSR a, back to b while elements are left.
MAP_BEGIN: Final = 25
MAP_ELEMENT: Final = 26
MAP_NEXT: Final = 27
MAP_STORE: Final = (
    28  # like MAP_ELEMENT, but element (that MAP_ELEMENT or MAP_STORE advances to) <- r c
)
SET_COLOUR: Final = 29  # output (a = 1) or input (a = 0) queue b is bound to colour c from now on
OPCODES: Final = 30

# Types.
I16: Final = 0
U16: Final = 1
I32: Final = 2
U32: Final = 3
F16: Final = 4
F32: Final = 5
TYPES: Final = ("i16", "u16", "i32", "u32", "f16", "f32")

# Functions of ALU and ALUI. Comparisons give 0 or 1. Integer division by zero gives 0; shifts take their
# count modulo the width.
ALU_FUNCTIONS: Final = (
    *("add", "sub", "mul", "div", "rem", "min", "max", "and", "or", "xor", "shl", "shr"),
    *("eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "not", "sqrt"),
)
(
    ALU_ADD, ALU_SUB, ALU_MUL, ALU_DIV, ALU_REM, ALU_MIN, ALU_MAX, ALU_AND, ALU_OR, ALU_XOR,
    ALU_SHL, ALU_SHR, ALU_EQ, ALU_NE, ALU_LT, ALU_LE, ALU_GT, ALU_GE, ALU_NEG, ALU_ABS, ALU_NOT,
    ALU_SQRT,
) = range(len(ALU_FUNCTIONS))  # fmt: skip
UNARY: Final = ("neg", "abs", "not", "sqrt")

# Functions of VECTOR: elementwise on dest, src0, src1 and the scalar.
#   fmac*: dest = src0 + src1 * scalar (fmachs: f16 product, f32 sum); with src1 and no scalar given, an error
#   fadd*, fsub*, fmul*, fmax*, add16 …: dest = src0 FUNCTION (src1 or the scalar)
#   fneg*, fmov*, mov*, fs2h, fh2s: dest = FUNCTION(src0 or the scalar)
#   dfilt: takes src0's words off the fabric and drops them; no dest
VECTOR_FUNCTIONS: Final = (
    *("fmacs", "fmach", "fmachs", "fadds", "faddh", "fsubs", "fsubh", "fmuls", "fmulh", "fmaxs"),
    *("fmaxh", "fnegs", "fnegh", "fmovs", "fmovh", "mov16", "mov32", "add16", "sub16", "fs2h"),
    *("fh2s", "dfilt", "faddhs", "fmins", "fminh", "and16", "or16", "xor16", "add32"),
)
(
    FMACS, FMACH, FMACHS, FADDS, FADDH, FSUBS, FSUBH, FMULS, FMULH, FMAXS, FMAXH, FNEGS, FNEGH,
    FMOVS, FMOVH, MOV16, MOV32, ADD16, SUB16, FS2H, FH2S, DFILT, FADDHS, FMINS, FMINH, AND16,
    OR16, XOR16, ADD32,
) = range(len(VECTOR_FUNCTIONS))  # fmt: skip

# Cost classes, written as cost = -1 - class; SCALAR for most, the opcode's own by default.
COST_SCALAR: Final = -1
COST_FLOAT: Final = -2
COST_BRANCH: Final = -3
COST_TIMESTAMP: Final = -4
COST_DSR: Final = -5
COST_VECTOR: Final = -6
COST_MAP_BEGIN: Final = -7
COST_MAP_NEXT: Final = -8
COST_MEMORY: Final = -9
COST_TASK: Final = -10

# What a vector op does when it is done.
NO_ACTION: Final = 0
ON_DONE_ACTIVATE: Final = 1
ON_DONE_UNBLOCK: Final = 2


def vector_flags(
    microthread: int = -1, priority: int = 1, action: int = NO_ACTION, slot: int = 0
) -> int:
    """Column f of VECTOR: microthread -1 is a synchronous op, 0-7 an asynchronous one.

    Priorities: 0 low, 1 as the main thread, 2 high. `action` is done to task `slot` at completion.
    """
    return (microthread + 1) | priority << 4 | action << 8 | slot << 12


def control_word(*commands: int, task: int = -1, ignore: bool = False, repeat: bool = True) -> int:
    """The payload of a control word as a signed 32-bit integer.

    A single command with `repeat` fills all eight places, so that pop modes do not exhaust it.
    """
    if len(commands) == 1 and repeat:
        commands = commands * 8
    bits = (task + 1) | (CONTROL_IGNORE if ignore else 0)
    for place, command in enumerate(commands):
        bits |= command << (CONTROL_COMMANDS + 2 * place)
    return bits - (1 << 32) if bits >> 31 else bits


@dataclass(frozen=True)
class Symbol:
    """An array in a PE's memory that the host can read and write."""

    address: int
    count: int
    dtype: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, eq=False)
class Program:
    """The code of a tile, shared by the PEs that run it.

    `memory_bytes` is all that the program may touch, `data` the initial contents of its first bytes.
    `functions` are the tasks (slots) that the host may launch by name.
    """

    name: str
    code: Int32s
    tasks: Int32s
    dsds: Int32s
    # Rows (byte address, capacity in elements, bytes an element).
    fifos: Int32s
    memory_bytes: int
    data: bytes = b""
    symbols: Mapping[str, Symbol] = field(default_factory=dict[str, Symbol])
    functions: Mapping[str, int] = field(default_factory=dict[str, int])
    task_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Patch:
    """Initial memory of one PE, over what its program has there."""

    pe: int
    address: int
    data: bytes


@dataclass(frozen=True, eq=False)
class Image:
    """A whole program: see the module's text for the arrays."""

    width: int
    height: int
    routes: Int32s
    programs: tuple[Program, ...]
    # Rows (pe, program).
    placements: Int32s
    # Rows (pe, INPUT or OUTPUT, queue, colour).
    queues: Int32s
    # Rows (pe, register, value).
    registers: Int32s
    patches: tuple[Patch, ...] = ()
    strings: tuple[str, ...] = ()

    def program_of(self, pe: int) -> Program | None:
        """The program of a PE, or None where the PE only routes."""
        rows = np.flatnonzero(self.placements[:, 0] == pe)
        return self.programs[int(self.placements[rows[0], 1])] if rows.size else None
