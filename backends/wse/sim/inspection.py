"""The state of one processing element and its router, as plain values with a readable text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo

STATES: Final = ("idle", "running", "in a vector op", "halted")
_KINDS: Final = ("mem1d", "mem4d", "fabin", "fabout", "fifo")
_FILES: Final = ("dest", "src0", "src1")


@dataclass(frozen=True)
class Word:
    """A word in a queue: its 32 bits, and the cycle from which on it can be taken."""

    bits: int
    control: bool
    cycle: int


@dataclass(frozen=True)
class QueueState:
    """A queue of a PE (`way` input or output) or of its router (`way` a direction), oldest word first."""

    way: str
    # Of a PE's queue; -1 in a router.
    number: int
    colour: int
    words: tuple[Word, ...]
    # Words that it holds, pipeline registers included.
    capacity: int

    def __str__(self) -> str:
        name = f"from {self.way}" if self.number < 0 else f"{self.way} queue {self.number}"
        words = " ".join(f"{w.bits & 0xFFFFFFFF:08x}{'c' if w.control else ''}" for w in self.words)
        return (
            f"{name}, colour {self.colour}: {len(self.words)} of {self.capacity} {words}".rstrip()
        )


@dataclass(frozen=True)
class OpState:
    """A vector op in flight on a thread (0: the main thread, k: microthread k - 1)."""

    thread: int
    function: str
    instruction: int
    started: int
    done: int
    length: int
    # What it did in the last cycle it was looked at, as `layout.REASONS` has it.
    reason: str

    def __str__(self) -> str:
        who = "main thread" if self.thread == 0 else f"microthread {self.thread - 1}"
        return (
            f"{who}: @{self.function} of instruction {self.instruction}, {self.done} of"
            f" {self.length} done since cycle {self.started}: {self.reason}"
        )


@dataclass(frozen=True)
class DsrState:
    """A DSR that has been loaded. Addresses, offsets and strides are bytes."""

    file: str
    slot: int
    kind: str
    # Of a fabric operand or a fifo.
    queue: int
    base: int
    length: int
    stride: int
    offset: int

    def __str__(self) -> str:
        what = f"{self.kind} of {self.length}"
        if self.kind in ("fabin", "fabout", "fifo"):
            return f"{self.file} {self.slot}: {what} on {'' if self.kind == 'fifo' else 'queue '}{self.queue}"
        return f"{self.file} {self.slot}: {what} at {self.base}+{self.offset}, stride {self.stride}"


@dataclass(frozen=True)
class RouteState:
    """A colour in the router: the current switch position, and words that wait by direction."""

    colour: int
    position: int
    receives: tuple[str, ...]
    transmits: tuple[str, ...]
    queues: tuple[QueueState, ...]

    def __str__(self) -> str:
        ways = f"{' '.join(self.receives) or 'nothing'} -> {' '.join(self.transmits) or 'nothing'}"
        held = "".join(f"; {queue}" for queue in self.queues)
        return f"colour {self.colour}: position {self.position}, {ways}{held}"


@dataclass(frozen=True)
class TaskState:
    """A task: whether it is active, blocked, running, and how often it started."""

    name: str
    active: bool
    blocked: bool
    running: bool
    runs: int

    def __str__(self) -> str:
        flags = [name for name in ("running", "active", "blocked") if getattr(self, name)]
        return f"{self.name}: {', '.join([*flags, f'started {self.runs} times'])}"


@dataclass(frozen=True, eq=False)
class ElementState:
    """Everything about one PE at the start of a cycle; `print` it."""

    x: int
    y: int
    cycle: int
    program: str
    # One of STATES, and what the main thread was doing (`layout.REASONS`).
    state: str
    reason: str
    task: str | None
    # The next instruction of the main thread, and the cycle from which on it may issue.
    instruction: int
    ready: int
    # Raw bits as signed numbers.
    registers: tuple[int, ...]
    tasks: tuple[TaskState, ...]
    queues: tuple[QueueState, ...]
    ops: tuple[OpState, ...]
    dsrs: tuple[DsrState, ...]
    routes: tuple[RouteState, ...]
    memory: dict[str, NDArray[Any]]

    def __str__(self) -> str:
        task = f", task {self.task}" if self.task else ""
        at = f" at instruction {self.instruction}, ready in cycle {self.ready}" if self.task else ""
        lines = [
            f"PE ({self.x}, {self.y}) in cycle {self.cycle}: program {self.program}",
            f"  main thread  {self.state}{task}{at} ({self.reason})",
        ]
        for title, items in (
            ("op", self.ops),
            ("task", self.tasks),
            ("queue", self.queues),
            ("DSR", self.dsrs),
            ("route", self.routes),
        ):
            lines += [f"  {title:11}  {item}" for item in items]
        used = [f"r{n}={value}" for n, value in enumerate(self.registers) if value]
        lines += [f"  registers    {' '.join(used[i : i + 8])}" for i in range(0, len(used), 8)]
        for name, array in self.memory.items():
            shown = np.array2string(array[:8], precision=6, separator=" ", max_line_width=1000)
            more = f" and {array.size - 8} more" if array.size > 8 else ""
            lines.append(f"  memory       {name}: {array.dtype} {shown}{more}")
        return "\n".join(lines)


def element_state(
    image: im.Image, buffer: im.Int32s, pe: int, p: int, memory: dict[str, NDArray[Any]]
) -> ElementState:
    """Read the state of a PE whose record is at word `p`."""
    s: list[int] = buffer[p : p + lo.PE_FIELDS].tolist()
    program = image.programs[s[lo.P_PROGRAM]]
    running = s[lo.P_STATE] in (lo.RUNNING, lo.IN_VECTOR)
    return ElementState(
        x=pe % image.width,
        y=pe // image.width,
        cycle=int(buffer[lo.NOW]),
        program=program.name,
        state=STATES[s[lo.P_STATE]],
        reason=lo.REASONS[s[lo.P_REASON]],
        task=program.task_names[s[lo.P_TASK]] if running else None,
        instruction=s[lo.P_PC],
        ready=s[lo.P_READY],
        registers=tuple(s[lo.P_REGISTERS : lo.P_REGISTERS + im.REGISTERS]),
        tasks=tuple(
            TaskState(
                name,
                active=bool(s[lo.P_ACTIVE] >> slot & 1),
                blocked=bool(s[lo.P_BLOCKED] >> slot & 1),
                running=running and s[lo.P_TASK] == slot,
                runs=s[lo.P_TASK_RUNS + slot],
            )
            for slot, name in enumerate(program.task_names)
        ),
        queues=tuple(_queues(buffer, s)),
        ops=tuple(_op(s, thread) for thread in range(lo.THREADS) if s[lo.P_THREADS] >> thread & 1),
        dsrs=tuple(_dsrs(buffer, s)),
        routes=tuple(_routes(buffer, s[lo.P_NODE])),
        memory=memory,
    )


def _words(buffer: im.Int32s, ring: int, mask: int, head: int, tail: int) -> tuple[Word, ...]:
    places = [ring + 2 * (number & mask) for number in range(head, tail)]
    rows = [(int(buffer[place]), int(buffer[place + 1])) for place in places]
    return tuple(Word(bits, bool(tag & 1), tag >> 2) for bits, tag in rows)


def _queues(buffer: im.Int32s, s: list[int]) -> list[QueueState]:
    found: list[QueueState] = []
    for table, way in ((lo.P_INPUTS, "input"), (lo.P_OUTPUTS, "output")):
        for place in s[table : table + 8]:
            if place < 0:
                continue
            q: list[int] = buffer[place : place + lo.Q_RING].tolist()
            found.append(
                QueueState(
                    way,
                    q[lo.Q_NUMBER],
                    int(buffer[q[lo.Q_RECORD] + lo.R_COLOUR]),
                    _words(buffer, place + lo.Q_RING, q[lo.Q_MASK], q[lo.Q_HEAD], q[lo.Q_TAIL]),
                    q[lo.Q_CAPACITY],
                )
            )
    return found


def _op(s: list[int], thread: int) -> OpState:
    o = lo.P_OPS + thread * lo.OP_FIELDS
    return OpState(
        thread,
        im.VECTOR_FUNCTIONS[s[o + lo.O_FUNCTION]],
        instruction=s[o + lo.O_PC],
        started=s[o + lo.O_STARTED],
        done=s[o + lo.O_DONE],
        length=s[o + lo.O_LENGTH],
        reason=lo.REASONS[s[o + lo.O_REASON]],
    )


def _dsrs(buffer: im.Int32s, s: list[int]) -> list[DsrState]:
    found: list[DsrState] = []
    for number in range(s[lo.P_DSR_COUNT]):
        place = s[lo.P_DSRS] + im.DSD_FIELDS * number
        row: list[int] = buffer[place : place + im.DSD_FIELDS].tolist()
        # Elements have a width once a DSD has been loaded.
        if row[im.DSD_WIDTH]:
            found.append(
                DsrState(
                    _FILES[number // 16],
                    number % 16,
                    _KINDS[row[im.DSD_KIND]],
                    queue=row[im.DSD_QUEUE],
                    base=row[im.DSD_BASE],
                    length=row[im.DSD_LENGTH],
                    stride=row[im.DSD_STRIDE],
                    offset=row[im.DSD_OFFSET],
                )
            )
    return found


def _routes(buffer: im.Int32s, node: int) -> list[RouteState]:
    found: list[RouteState] = []
    for index in range(int(buffer[node + lo.N_RECORDS])):
        r = int(buffer[node + lo.N_FIRST]) + index * int(buffer[lo.K_RECORD])
        position = int(buffer[r + lo.R_POSITION])
        found.append(
            RouteState(
                int(buffer[r + lo.R_COLOUR]),
                position,
                _names(int(buffer[r + lo.R_RX + position])),
                _names(int(buffer[r + lo.R_TX + position])),
                tuple(queue for queue in _waiting(buffer, r) if queue.words),
            )
        )
    return found


def _names(mask: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(im.DIRECTIONS) if mask >> bit & 1)


def _waiting(buffer: im.Int32s, r: int) -> list[QueueState]:
    found: list[QueueState] = []
    for direction, name in enumerate(im.DIRECTIONS):
        queue = r + lo.R_QUEUES + direction * int(buffer[lo.K_QUEUE])
        head, tail = int(buffer[queue + lo.RQ_HEAD]), int(buffer[queue + lo.RQ_TAIL])
        capacity = int(buffer[lo.K_DEPTH])
        if direction == im.RAMP:
            capacity += int(buffer[lo.K_DOWN]) - 1
        mask = int(buffer[lo.K_RING_MASK])
        words = _words(buffer, queue + lo.RQ_RING, mask, head, tail)
        found.append(QueueState(name, -1, int(buffer[r + lo.R_COLOUR]), words, capacity))
    return found
