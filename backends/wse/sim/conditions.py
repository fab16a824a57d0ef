"""Conditions that stop a run: `simulator.run(when=register(0, 0, 3) >= 5)`.

A condition holds of the state at the start of a cycle; a run stops in the first such cycle.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.errors import ValidationError

_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip


class Stopped(Protocol):
    """What a condition looks at; a `Simulator`."""

    @property
    def state(self) -> im.Int32s:
        """The buffer."""
        ...

    def element(self, x: int, y: int) -> int: ...
    def program(self, x: int, y: int) -> im.Program: ...
    def register(self, number: int, x: int, y: int, type_name: str = "i32") -> float: ...
    def value(self, symbol: str, index: int, x: int, y: int) -> float: ...


Test = Callable[[], bool]


class Condition(Protocol):
    """Something that a run can stop at."""

    def watch(self, simulator: Stopped) -> Test:
        """A test of the simulator's state; what has happened before the call does not count.

        Raises ValidationError when there is no such PE, queue, task ….
        """
        ...


@dataclass(frozen=True)
class Value:
    """A number of a PE's state; comparing it makes a condition."""

    text: str
    reader: Callable[[Stopped], Callable[[], float]]

    def compare(self, comparison: str, value: float) -> Comparison:
        """The condition that it compares so (`==`, `!=`, `<`, `<=`, `>`, `>=`) with a value."""
        if comparison not in _COMPARISONS:
            raise ValidationError(
                f"{comparison!r} is no comparison", hint=f"one of {' '.join(_COMPARISONS)}"
            )
        return Comparison(self, comparison, value)

    def equals(self, value: float) -> Comparison:
        """The condition that it is a value."""
        return Comparison(self, "==", value)

    def __lt__(self, value: float) -> Comparison:
        return Comparison(self, "<", value)

    def __le__(self, value: float) -> Comparison:
        return Comparison(self, "<=", value)

    def __gt__(self, value: float) -> Comparison:
        return Comparison(self, ">", value)

    def __ge__(self, value: float) -> Comparison:
        return Comparison(self, ">=", value)


@dataclass(frozen=True)
class Comparison:
    """The condition that a number of a PE's state compares so with a value."""

    subject: Value
    comparison: str
    value: float

    def watch(self, simulator: Stopped) -> Test:
        read = self.subject.reader(simulator)
        compare = _COMPARISONS[self.comparison]
        return lambda: compare(read(), self.value)

    def __str__(self) -> str:
        return f"{self.subject.text} {self.comparison} {self.value:g}"


def register(x: int, y: int, number: int, type_name: str = "i32") -> Value:
    """A register of PE (x, y), as a number of a type."""

    def reader(simulator: Stopped) -> Callable[[], float]:
        simulator.element(x, y)
        if not 0 <= number < im.REGISTERS or type_name not in im.TYPES:
            raise ValidationError(
                f"there is no register {number} of type {type_name}",
                hint=f"0 to {im.REGISTERS - 1}, {', '.join(im.TYPES)}",
            )
        return lambda: simulator.register(number, x, y, type_name)

    return Value(f"register {number} of PE ({x}, {y})", reader)


def memory(x: int, y: int, symbol: str, index: int = 0) -> Value:
    """An element of an array of PE (x, y)."""

    def reader(simulator: Stopped) -> Callable[[], float]:
        simulator.value(symbol, index, x, y)
        return lambda: simulator.value(symbol, index, x, y)

    return Value(f"{symbol}[{index}] of PE ({x}, {y})", reader)


def queue(x: int, y: int, way: str, number: int) -> Value:
    """The words in a queue of PE (x, y): `way` is input or output; pipeline registers count."""

    def reader(simulator: Stopped) -> Callable[[], float]:
        p = simulator.element(x, y)
        table = {"input": lo.P_INPUTS, "output": lo.P_OUTPUTS}.get(way)
        place = simulator.state[p + table + number] if table and 0 <= number < 8 else -1
        if place < 0:
            raise ValidationError(f"PE ({x}, {y}) has no {way} queue {number}")
        return lambda: float(simulator.state[place + lo.Q_TAIL] - simulator.state[place])

    return Value(f"words in {way} queue {number} of PE ({x}, {y})", reader)


@dataclass(frozen=True)
class TaskStarts:
    """The condition that a task of PE (x, y) has just started."""

    x: int
    y: int
    task: str

    def watch(self, simulator: Stopped) -> Test:
        names = simulator.program(self.x, self.y).task_names
        if self.task not in names:
            raise ValidationError(
                f"PE ({self.x}, {self.y}) has no task {self.task!r}", hint=f"has {', '.join(names)}"
            )
        place = simulator.element(self.x, self.y) + lo.P_TASK_RUNS + names.index(self.task)
        before = int(simulator.state[place])
        return lambda: int(simulator.state[place]) > before

    def __str__(self) -> str:
        return f"task {self.task} of PE ({self.x}, {self.y}) starts"


@dataclass(frozen=True)
class OpStarts:
    """A breakpoint on vector ops: one of PE (x, y) was dispatched in the last cycle.

    Of that function, or at that instruction, if these are given.
    """

    x: int
    y: int
    function: str | None = None
    instruction: int | None = None

    def watch(self, simulator: Stopped) -> Test:
        p = simulator.element(self.x, self.y)
        if self.function is not None and self.function not in im.VECTOR_FUNCTIONS:
            raise ValidationError(
                f"there is no vector function {self.function!r}",
                hint=f"one of {', '.join(im.VECTOR_FUNCTIONS)}",
            )
        begun = int(simulator.state[lo.NOW])
        return lambda: self._dispatched(simulator.state, p, begun)

    def _dispatched(self, state: im.Int32s, p: int, begun: int) -> bool:
        for thread in range(lo.THREADS):
            o = p + lo.P_OPS + thread * lo.OP_FIELDS
            started = int(state[o + lo.O_STARTED])
            if started < begun or started != int(state[lo.NOW]) - 1:
                continue
            name = im.VECTOR_FUNCTIONS[int(state[o + lo.O_FUNCTION])]
            if self.function in (None, name) and self.instruction in (None, state[o + lo.O_PC]):
                return True
        return False

    def __str__(self) -> str:
        what = "a vector op" if self.function is None else f"@{self.function}"
        at = "" if self.instruction is None else f" at instruction {self.instruction}"
        return f"{what}{at} of PE ({self.x}, {self.y}) starts"


@dataclass(frozen=True)
class Breakpoint:
    """The condition that the main thread of PE (x, y) has come to an instruction, which it has not issued."""

    x: int
    y: int
    instruction: int

    def watch(self, simulator: Stopped) -> Test:
        p = simulator.element(self.x, self.y)
        rows = len(simulator.program(self.x, self.y).code)
        if not 0 <= self.instruction < rows:
            raise ValidationError(
                f"PE ({self.x}, {self.y}) has no instruction {self.instruction}",
                hint=f"0 to {rows - 1}",
            )
        seen = [self._there(simulator.state, p)]
        return lambda: self._comes(simulator.state, p, seen)

    def _there(self, state: im.Int32s, p: int) -> bool:
        return bool(
            state[p + lo.P_STATE] in (lo.RUNNING, lo.IN_VECTOR)
            and state[p + lo.P_PC] == self.instruction
        )

    def _comes(self, state: im.Int32s, p: int, seen: list[bool]) -> bool:
        before, seen[0] = seen[0], self._there(state, p)
        return seen[0] and not before

    def __str__(self) -> str:
        return f"PE ({self.x}, {self.y}) comes to instruction {self.instruction}"
