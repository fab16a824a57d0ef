"""Which constant of the machine moves which benchmark: each is changed by one step, all else as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyflame_rt.backends.wse.machine import CONSTANTS, Machine
from pyflame_rt.backends.wse.reports.columns import table
from pyflame_rt.errors import PyFlameRTError, ValidationError

Benchmark = Callable[[Machine], int | float]
"""Cycles of a program on a machine."""

# Sizes and limits: they decide what runs, not how long it takes.
_LIMITS: Final = ("cycle_limit", "max_height", "max_width", "several_receive", "sram_bytes")


@dataclass(frozen=True)
class Sensitivity:
    """Cycles of benchmarks as the machine is, and with each constant one step away.

    `moved[constant][benchmark]` is None where the program does not run on such a machine.
    """

    machine: str
    cycles: dict[str, float]
    steps: dict[str, tuple[object, object]]
    moved: dict[str, dict[str, float | None]]

    def lines(self) -> list[str]:
        """A table of differences in cycles; constants that move nothing are named below it."""
        names = list(self.cycles)
        rows: list[list[str]] = [[self.machine, "", *(f"{self.cycles[n]:g}" for n in names)]]
        still: list[str] = []
        for constant, results in self.moved.items():
            if all(results[name] == self.cycles[name] for name in names):
                still.append(constant)
                continue
            before, after = self.steps[constant]
            cells = [self._difference(results[name], self.cycles[name]) for name in names]
            rows.append([constant, f"{_short(before)} -> {_short(after)}", *cells])
        found = table(("constant", "step", *names), rows)
        return [*found, "", f"nothing moves with {', '.join(still)}"] if still else found

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "machine": self.machine,
            "cycles": self.cycles,
            "constants": {
                name: {"from": before, "to": after, "cycles": self.moved[name]}
                for name, (before, after) in self.steps.items()
            },
        }

    def _difference(self, cycles: float | None, before: float) -> str:
        if cycles is None:
            return "error"
        return "." if cycles == before else f"{cycles - before:+g}"


def sensitivity(
    benchmarks: Mapping[str, Benchmark], machine: Machine, constants: Iterable[str] | None = None
) -> Sensitivity:
    """Run every benchmark once as the machine is and once for each constant (default: all but limits).

    Raises ValidationError for a constant that does not exist, and what a benchmark raises on the machine itself.
    """
    names = [name for name in CONSTANTS if name not in _LIMITS]
    chosen = names if constants is None else list(constants)
    for name in chosen:
        if name not in CONSTANTS:
            raise ValidationError(
                f"the machine has no constant {name!r}", hint=f"names: {', '.join(CONSTANTS)}"
            )
    cycles = {name: float(benchmark(machine)) for name, benchmark in benchmarks.items()}
    steps: dict[str, tuple[object, object]] = {}
    moved: dict[str, dict[str, float | None]] = {}
    for name in chosen:
        old: Any = getattr(machine, name)
        new = stepped(name, old)
        steps[name] = (old, new)
        other = machine.with_constants({name: new})
        moved[name] = {key: _cycles(benchmark, other) for key, benchmark in benchmarks.items()}
    return Sensitivity(machine.name, cycles, steps, moved)


def stepped(name: str, value: Any) -> Any:
    """The next value of a constant: one more, ten percent more, twice the lanes or bytes of a bank."""
    if isinstance(value, tuple):
        return tuple(_number(depth) + 1 if _number(depth) >= 0 else -1 for depth in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, bool):
        return not value
    if name.startswith("percent_"):
        return value + 10
    return value * 2 if name.startswith(("lanes_", "bank_")) else value + 1


def _number(value: Any) -> int:
    return value


def _short(value: object) -> str:
    return ":".join(str(part) for part in value) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _cycles(benchmark: Benchmark, machine: Machine) -> float | None:
    try:
        return float(benchmark(machine))
    except PyFlameRTError:
        return None
