"""What a micro-benchmark is: a `wse` program, the window that is timed, and what others measured there.

A benchmark never prints a formula's value as its result: `cycles` reads the clock of a finished run, and
`expected` says, for the same parameters, what was published. `rows` are the points of the validation
table. A constant that was fitted on a published count is a `DeclaredCost`: it names the rows that it was
fitted on, and those are not scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from pyflame_rt.backends.wse.machine import Machine
from pyflame_rt.backends.wse.sim.simulator import Simulator, TraceEvent
from pyflame_rt.errors import BackendError, ValidationError

Array: TypeAlias = NDArray[Any]
Value: TypeAlias = "int | bool | str"
Kind = Literal["validated", "calibrated", "model"]


class BenchmarkError(BackendError):
    """A benchmark computed something else than NumPy, or did not run as it says."""


@dataclass(frozen=True)
class Parameter:
    """A parameter: its default decides its type; `choices` for strings, `least` and `most` for numbers."""

    default: Value
    meaning: str
    choices: tuple[str, ...] = ()
    least: int = 1
    most: int = 1_000_000

    def parse(self, name: str, text: str) -> Value:
        """The value that a command line's text is. Raises ValidationError."""
        if isinstance(self.default, bool):
            if text not in ("true", "false"):
                raise ValidationError(f"{name} is true or false, not {text!r}")
            return text == "true"
        if isinstance(self.default, str):
            if text not in self.choices:
                raise ValidationError(
                    f"{name} has no value {text!r}", hint=f"one of {', '.join(self.choices)}"
                )
            return text
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
        if not self.least <= number <= self.most:
            raise ValidationError(
                f"{name} is a number from {self.least} to {self.most}, not {text!r}"
            )
        return number


@dataclass(frozen=True)
class Params:
    """The parameters of one run; names are those of the command line (`load-dsds`)."""

    values: Mapping[str, Value]

    def __getitem__(self, name: str) -> int:
        """A number."""
        return int(self.values[name])

    def text(self, name: str) -> str:
        """A string."""
        return str(self.values[name])

    def flag(self, name: str) -> bool:
        """A truth value."""
        return bool(self.values[name])


@dataclass(frozen=True)
class Expected:
    """A published count: where it comes from, and how near a run must be.

    `kind`: *validated* rows were measured by others, *calibrated* ones rest on costs that were fitted on
    other rows of the same program, *model* ones are an analytic model's. A row with `scored` False
    is one that a constant was fitted on. Tolerances: a fraction of the count, or cycles.
    """

    cycles: float
    source: str
    kind: Kind
    relative: float = 0.0
    absolute: float = 0.0
    scored: bool = True
    # The least and the most over the processing elements, where that was published.
    cycles_min: float | None = None
    cycles_max: float | None = None

    def allows(self, cycles: float, expected: float | None = None) -> bool:
        """Whether a count is within the tolerance of this one (or of `expected`)."""
        target = self.cycles if expected is None else expected
        return abs(cycles - target) <= max(self.relative * target, self.absolute) + 1e-9


@dataclass(frozen=True)
class Counts:
    """What a run took: `cycles` is the published quantity, the others where both were published."""

    cycles: int
    cycles_min: int | None = None
    cycles_max: int | None = None


@dataclass(frozen=True)
class DeclaredCost:
    """A named number of cycles that was fitted: what it stands for and the rows it was fitted on."""

    name: str
    cycles: int
    meaning: str
    fitted_on: str


@dataclass(frozen=True)
class Row:
    """A point of the validation table: a machine and the parameters that differ from the defaults."""

    # The row of the table of published counts, as `B1`.
    label: str
    machine: str
    values: Mapping[str, Value] = field(default_factory=dict[str, Value])
    # Rows that take long are left out of the quick tests.
    slow: bool = False


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run: what its window and its check read."""

    params: Params
    machine: Machine
    simulator: Simulator
    width: int
    height: int
    # The host's data, as `Benchmark.inputs` says.
    inputs: Mapping[str, Array]
    events: tuple[TraceEvent, ...]

    def matching(
        self, kind: str, x: int | None = None, y: int | None = None, text: str | None = None
    ) -> Iterator[TraceEvent]:
        """Events of a kind (`task`, `task end`, `op`, `op end`, `stamp`), in order."""
        for event in self.events:
            here = x in (None, event.x) and y in (None, event.y)
            if event.kind == kind and here and text in (None, event.text):
                yield event

    def first(self, kind: str, x: int = 0, y: int = 0, text: str | None = None) -> int:
        """The cycle of the first such event. Raises BenchmarkError when there is none."""
        for event in self.matching(kind, x, y, text):
            return event.cycle
        raise BenchmarkError(f"there is no event {text or kind!r} at PE ({x}, {y})")

    def last(self, kind: str, x: int = 0, y: int = 0, text: str | None = None) -> int:
        """The cycle of the last such event. Raises BenchmarkError when there is none."""
        cycles = [event.cycle for event in self.matching(kind, x, y, text)]
        if not cycles:
            raise BenchmarkError(f"there is no event {text or kind!r} at PE ({x}, {y})")
        return cycles[-1]

    def stamps(self, x: int = 0, y: int = 0) -> list[int]:
        """The timestamps that a PE read, in order."""
        return [event.cycle for event in self.matching("stamp", x, y)]

    def read(self, symbol: str, x: int = 0, y: int = 0) -> Array:
        """A copy of an array of one PE at the end."""
        return self.simulator.read(symbol, x, y)

    def expect(
        self, symbol: str, values: Array, x: int = 0, y: int = 0, *, relative: float = 1e-6
    ) -> None:
        """Raise BenchmarkError unless an array equals NumPy's values, relative to the largest of them."""
        got = self.read(symbol, x, y).astype(np.float64)
        wanted = np.asarray(values, np.float64)
        scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-30)
        error = float(np.abs(got - wanted).max(initial=0.0)) / scale
        if not error <= relative:
            raise BenchmarkError(
                f"array {symbol!r} is not what NumPy computes: relative error {error:.2e}",
                where=f"PE ({x}, {y})",
            )


@dataclass(frozen=True)
class Benchmark:
    """A program and what is known of it; see the module's text.

    `build` makes the program (a module with one `wse.program`). `inputs` is the host's data: by the name of
    an array, values of shape (height, width, count), written to every PE that has such an array. `cycles`
    reads the window, `check` compares with NumPy and raises BenchmarkError.
    """

    name: str
    summary: str
    parameters: Mapping[str, Parameter]
    # The machine that is meant when none is named.
    machine: str
    build: Callable[[Params, Machine], ModuleOp]
    cycles: Callable[[Run], Counts]
    check: Callable[[Run], None]
    expected: Callable[[Params, Machine], Expected | None]
    inputs: Callable[[Params], Mapping[str, Array]] = lambda params: {}
    # Parameters that do not go together raise ValidationError.
    validate: Callable[[Params, Machine], None] = lambda params, machine: None
    declared: tuple[DeclaredCost, ...] = ()
    # Functions that the host launches one after the other, each when the last has ended; none: the
    # program begins with its active tasks.
    launches: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    # How much of the run is recorded: `prints` has timestamps, `tasks` starts and ends, `ops` vector ops.
    trace: str = "ops"
    trace_rows: int = 1 << 16

    def params(self, values: Mapping[str, Value] | None = None) -> Params:
        """Parameters with defaults. Raises ValidationError for an unknown name."""
        for name in values or {}:
            self.parameter(name)
        defaults = {name: parameter.default for name, parameter in self.parameters.items()}
        return Params({**defaults, **(values or {})})

    def parse(self, settings: tuple[str, ...]) -> Params:
        """Parameters from `key=value` texts. Raises ValidationError."""
        values: dict[str, Value] = {}
        for setting in settings:
            name, _, text = setting.partition("=")
            values[name] = self.parameter(name).parse(name, text)
        return self.params(values)

    def parameter(self, name: str) -> Parameter:
        """A parameter by its name. Raises ValidationError with the known ones."""
        if name not in self.parameters:
            raise ValidationError(
                f"{self.name} has no parameter {name!r}",
                hint=f"parameters: {', '.join(self.parameters)}",
            )
        return self.parameters[name]
