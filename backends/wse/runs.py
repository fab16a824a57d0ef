"""What a run on the wafer took: in all, and step by step beside what was predicted and the bound."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyflame_rt.backends.wse.sim.simulator import Simulator

_HEADER = ("step", "kind", "predicted", "compute", "words", "latency", "simulated", "q")


@dataclass(frozen=True)
class StepRun:
    """A step: predicted cycles, the terms of its bound (None where it has none), cycles that it took.

    PEs go on to the next step on their own. `until` is the cycle in which the last one was done with this one,
    `cycles` how much later that is than for the step before: they sum to those of the run.
    """

    name: str
    kind: str
    predicted: float
    bound: tuple[int, int, int] | None
    cycles: int
    until: int

    @property
    def least(self) -> int | None:
        """The bound: its largest term."""
        return None if self.bound is None else max(self.bound)

    @property
    def quality(self) -> float | None:
        """q: simulated cycles / bound."""
        return self.cycles / self.least if self.least else None

    def as_json(self) -> dict[str, object]:
        """The numbers by name."""
        terms = None
        if self.bound is not None:
            terms = dict(zip(("compute", "words", "latency"), self.bound, strict=True))
        return {
            "name": self.name, "kind": self.kind, "predicted": self.predicted, "bound": terms,
            "cycles": self.cycles, "until": self.until, "q": self.quality,
        }  # fmt: skip


@dataclass(frozen=True)
class PartRun:
    """A run of one part of a model: its program, cycles from the first PE's start to the last one's end."""

    name: str
    cycles: int
    steps: tuple[StepRun, ...]
    simulator: Simulator = field(repr=False, compare=False)


@dataclass(frozen=True)
class WseReport:
    """The last run of a model: the machine, its grid and type, and what each part took."""

    machine: str
    grid: tuple[int, int]
    dtype: str
    parts: tuple[PartRun, ...]

    @property
    def cycles(self) -> int:
        """Cycles of all parts, which run one after the other; without host copies."""
        return sum(part.cycles for part in self.parts)

    def lines(self) -> list[str]:
        """A table with a row a step."""
        rows: list[tuple[str, ...]] = [_HEADER]
        for step in (step for part in self.parts for step in part.steps):
            bound = ("", "", "") if step.bound is None else tuple(map(str, step.bound))
            q = "" if step.quality is None else f"{step.quality:.2f}"
            rows.append(
                (step.name, step.kind, f"{step.predicted:.0f}", *bound, str(step.cycles), q)
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        columns, rows_ = self.grid
        total = f"{self.cycles} cycles on {self.machine}, {columns} x {rows_} PEs, {self.dtype}"
        return [*table, total]

    def as_json(self) -> dict[str, object]:
        """The numbers by name."""
        return {
            "machine": self.machine, "grid": list(self.grid), "dtype": self.dtype,
            "cycles": self.cycles,
            "parts": [
                {
                    "name": part.name, "cycles": part.cycles,
                    "steps": [step.as_json() for step in part.steps],
                }
                for part in self.parts
            ],
        }  # fmt: skip
