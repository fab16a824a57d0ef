"""The simulator: runs an image on a machine, between the host's reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim import faults, jit
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.building import build
from pyflame_rt.backends.wse.sim.checking import at, check
from pyflame_rt.backends.wse.sim.conditions import Condition
from pyflame_rt.backends.wse.sim.critical_path import CriticalPath, critical_path
from pyflame_rt.backends.wse.sim.faults import SimulationError
from pyflame_rt.backends.wse.sim.inspection import ElementState, element_state
from pyflame_rt.backends.wse.sim.recording import HOST, Recording
from pyflame_rt.backends.wse.sim.router import trace as trace_row
from pyflame_rt.backends.wse.sim.statistics import Statistics, statistics
from pyflame_rt.errors import ValidationError

_TRACE_LEVELS: Final = {"prints": 0, "tasks": 1, "ops": 2, "path": 3}
_TRACE_ROWS: Final = 1 << 14
# Every move of every word is a row at that level.
_PATH_ROWS: Final = 1 << 20


@dataclass(frozen=True)
class TraceEvent:
    """One row of the trace: kinds are print, task, task end, op, op end, stamp."""

    kind: str
    cycle: int
    x: int
    y: int
    # The task, the string with its value, the vector function.
    text: str
    # The value printed; the register of a stamp; the thread of an op (0: the main thread).
    value: float


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The whole state of a simulator at one cycle."""

    buffer: im.Int32s


class Simulator:
    """One run of an image: `launch` tasks, `run`, `read` results; see `statistics` and `events`.

    `trace` says what is recorded: "prints" (and timestamps), "tasks", "ops" (vector ops), "path" (what
    `critical_path` needs; such a run is slower). `trace_rows` bounds the record. `skip_ahead` leaves out
    what nobody can tell: cycles, counters and memory are those of a run that looks at every PE in every cycle; only
    after a fault of one PE may others be found further on in a vector op on their own memory.

    Raises ValidationError for an image that does not fit the machine; `run` raises SimulationError.
    """

    def __init__(
        self,
        image: im.Image,
        machine: Machine,
        *,
        jit: bool | None = None,
        skip_ahead: bool = True,
        trace: str = "prints",
        trace_rows: int | None = None,
    ):
        check(image, machine)
        if trace not in _TRACE_LEVELS:
            raise ValidationError(f"trace {trace!r}", hint=f"one of {', '.join(_TRACE_LEVELS)}")
        self.image = image
        self.machine = machine
        self.trace = trace
        if trace_rows is None:
            trace_rows = _PATH_ROWS if trace == "path" else _TRACE_ROWS
        self._built = build(image, machine, trace_rows)
        self._buffer = self._built.buffer
        # What words waited for shows only where every cycle is run.
        self._buffer[lo.SKIP] = int(skip_ahead and trace != "path")
        self._buffer[lo.TRACE_LEVEL] = _TRACE_LEVELS[trace]
        self._run = _runner(jit)

    @property
    def cycle(self) -> int:
        """The next cycle to be run."""
        return int(self._buffer[lo.NOW])

    @property
    def state(self) -> im.Int32s:
        """The whole state, as `layout` describes it; not to be written to."""
        return self._buffer

    def run(
        self, until: int | None = None, *, when: Condition | None = None, leftover: bool = False,
        waiting: bool = False,
    ) -> bool:  # fmt: skip
        """Run to the end, up to cycle `until`, or to the first cycle in which `when` holds.

        Returns whether the program has ended; with `waiting`, whether nothing moves until the host does
        something. With a condition (see `conditions`) cycles are run one by one, which is slower. Raises SimulationError: what the program did wrong, a deadlock, words left at
        the end (unless `leftover`), or more cycles than the machine's `cycle_limit`.
        """
        limit = self.machine.cycle_limit
        stop = limit if until is None else min(until, limit)
        if when is None:
            self._run(self._buffer, stop)
        elif self._run_to(when, stop):
            return False
        if self._buffer[lo.ERROR]:
            raise faults.fault(self.image, self._buffer, self._built)
        if not self._buffer[lo.QUIET]:
            if until is None or until > limit:
                raise SimulationError(
                    "limit", f"the program still runs after {limit} cycles",
                    hint="the machine's cycle_limit says how long it may",
                )  # fmt: skip
            return False
        if waiting:
            return True
        error = faults.ending(self.image, self._buffer, self._built, leftover=leftover)
        if error is not None:
            raise error
        return True

    def _run_to(self, when: Condition, stop: int) -> bool:
        holds = when.watch(self)
        while not holds():
            if self.cycle >= stop:
                return False
            self._run(self._buffer, self.cycle + 1)
            if self._buffer[lo.ERROR] or self._buffer[lo.QUIET]:
                return False
        return True

    def launch(self, function: str) -> None:
        """Activate a function's task on every PE whose program has it."""
        found = False
        for p in self._built.elements.values():
            slot = self._program(p).functions.get(function)
            if slot is not None:
                found = True
                self._buffer[p + lo.P_ACTIVE] |= 1 << slot
                self._buffer[p + lo.P_TASK_AT + slot] = self.cycle
                if self._buffer[lo.TRACE_LEVEL] >= 3:
                    row = (lo.PATH_ACT, self.cycle, p, slot | HOST << 8, self.cycle)
                    trace_row(self._buffer, *row)
        if not found:
            raise ValidationError(f"no program has a function {function!r}")

    def write(self, symbol: str, x: int, y: int, values: ArrayLike) -> None:
        """Set an array of one PE."""
        self._memory(symbol, x, y)[...] = np.asarray(values)

    def read(self, symbol: str, x: int, y: int) -> NDArray[Any]:
        """A copy of an array of one PE."""
        return self._memory(symbol, x, y).copy()

    def memcpy_h2d(self, symbol: str, x: int, y: int, values: ArrayLike) -> None:
        """Set an array of a rectangle of PEs at (x, y): values of shape (height, width, count)."""
        block = np.asarray(values)
        for row in range(block.shape[0]):
            for column in range(block.shape[1]):
                self.write(symbol, x + column, y + row, block[row, column])

    def memcpy_d2h(self, symbol: str, x: int, y: int, width: int, height: int) -> NDArray[Any]:
        """An array of a rectangle of PEs, shape (height, width, count)."""
        return np.stack(
            [
                np.stack([self.read(symbol, x + column, y + row) for column in range(width)])
                for row in range(height)
            ]
        )

    def register(self, number: int, x: int, y: int, type_name: str = "i32") -> float:
        """A register of a PE as a number of the type."""
        p = self._element(x, y)
        return value_of(int(self._buffer[p + lo.P_REGISTERS + number]), type_name)

    def element(self, x: int, y: int) -> int:
        """Where the record of PE (x, y) is in `state`. Raises ValidationError where no program runs."""
        return self._element(x, y)

    def program(self, x: int, y: int) -> im.Program:
        """The program of PE (x, y). Raises ValidationError where none runs."""
        return self._program(self._element(x, y))

    def value(self, symbol: str, index: int, x: int, y: int) -> float:
        """One number of an array of a PE. Raises ValidationError when there is no such array or index."""
        array = self._memory(symbol, x, y)
        if not 0 <= index < array.size:
            raise ValidationError(
                f"array {symbol!r} has no element {index}", hint=f"it has {array.size}"
            )
        return float(array[index])

    def inspect(self, x: int, y: int) -> ElementState:
        """Registers, tasks, queues, ops in flight, DSRs, routes and memory of one PE; print it.

        Raises ValidationError for a PE on which no program runs.
        """
        p = self._element(x, y)
        memory = {name: self.read(name, x, y) for name in self._program(p).symbols}
        return element_state(self.image, self._buffer, y * self.image.width + x, p, memory)

    def critical_path(self) -> CriticalPath:
        """What the run so far was waiting for, from its start to its last event; needs trace="path".

        Raises ValidationError when the run did not record it, or not all of it.
        """
        return critical_path(Recording(self.image, self._buffer, self._built), self.cycle)

    def statistics(self) -> Statistics:
        """Cycles, stalls and loads so far."""
        return statistics(self.image, self._buffer, self._built)

    def events(self) -> list[TraceEvent]:
        """The trace so far, in order; what did not fit in `trace_rows` is missing."""
        count = min(int(self._buffer[lo.TRACE_COUNT]), int(self._buffer[lo.TRACE_CAPACITY]))
        start = int(self._buffer[lo.TRACE])
        rows = (
            self._buffer[start : start + lo.TRACE_FIELDS * count]
            .reshape(count, lo.TRACE_FIELDS)
            .tolist()
        )
        return [self._event(*row) for row in rows if row[0] < lo.PATH_MOVE]

    def dropped_events(self) -> int:
        """Rows of the trace that did not fit."""
        return max(0, int(self._buffer[lo.TRACE_COUNT] - self._buffer[lo.TRACE_CAPACITY]))

    def snapshot(self) -> Snapshot:
        """The state, to go back to."""
        return Snapshot(self._buffer.copy())

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this simulator."""
        self._buffer[...] = snapshot.buffer

    def _event(self, kind: int, cycle: int, p: int, a: int, b: int) -> TraceEvent:
        pe = int(self._buffer[p + lo.P_NUMBER])
        x, y = pe % self.image.width, pe // self.image.width
        value: float = b
        text = ""
        if kind == lo.TRACE_PRINT:
            text = self.image.strings[a & 0xFFFFFF]
            value = value_of(b, im.TYPES[a >> 24])
        elif kind in (lo.TRACE_TASK, lo.TRACE_TASK_END):
            text = self._program(p).task_names[a]
        elif kind in (lo.TRACE_OP, lo.TRACE_OP_END):
            text, value = im.VECTOR_FUNCTIONS[b], a
        else:
            value = a
        names = ("print", "task", "task end", "op", "op end", "stamp")
        return TraceEvent(names[kind], cycle, x, y, text, value)

    def _program(self, p: int) -> im.Program:
        return self.image.programs[int(self._buffer[p + lo.P_PROGRAM])]

    def _element(self, x: int, y: int) -> int:
        inside = 0 <= x < self.image.width and 0 <= y < self.image.height
        pe = y * self.image.width + x
        if not inside or pe not in self._built.elements:
            raise ValidationError(f"no program runs on PE ({x}, {y})")
        return self._built.elements[pe]

    def _memory(self, symbol: str, x: int, y: int) -> NDArray[Any]:
        p = self._element(x, y)
        found = self._program(p).symbols.get(symbol)
        if found is None:
            raise ValidationError(
                f"the program has no array {symbol!r}",
                where=at(self.image, y * self.image.width + x),
            )
        start = 2 * int(self._buffer[p + lo.P_MEMORY]) + found.address
        return self._buffer.view(np.uint8)[start : start + found.size].view(found.dtype)


def _runner(compiled: bool | None) -> Any:
    return jit.runner(compiled)


def value_of(bits: int, type_name: str) -> float:
    """The number that a register's bits are in a type."""
    word = np.array([bits], np.int32)
    if type_name == "f32":
        return float(word.view(np.float32)[0])
    if type_name == "f16":
        return float(word.view(np.float16)[0])
    return bits & 0xFFFFFFFF if type_name == "u32" else bits
