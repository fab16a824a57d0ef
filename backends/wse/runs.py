"""What a run on the wafer took: in all, and step by step beside what was predicted and the bound."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pyflame_rt.backends.wse.sim.simulator import Simulator

_HEADER = ("step", "kind", "predicted", "compute", "words", "latency", "simulated", "q")
TRANSFER: Final = "transfer"
"""The kind of the step that a strip begins with, but for the first one."""
_SENT: Final = "sent"


@dataclass(frozen=True)
class Said:
    """What a program says of a step: name, kind, predicted cycles for an image, the terms of the bound."""

    name: str
    kind: str
    predicted: float
    bound: tuple[int, int, int] | None


@dataclass(frozen=True)
class Pass:
    """One run of a program: cycles, the first, and what PEs print when they are done with a step: (cycle, x, y, step)."""

    cycles: int
    begin: int
    marks: list[tuple[int, int, int, str]] = field(repr=False)
    simulator: Simulator = field(repr=False)


@dataclass(frozen=True)
class StepRun:
    """A step: predicted cycles, the terms of its bound (None where it has none), cycles that it took an image.

    PEs go on to the next step on their own. `until` is the cycle in which the last one was done with this one (for
    the last image), `cycles` how much later that is than for the step before: one after the other they sum to those
    of the run. In a pipeline it is the step before on the same strip: what a transfer takes there is mostly waiting
    for the strip before, or, in "sent", for the one after it.
    """

    name: str
    kind: str
    predicted: float
    bound: tuple[int, int, int] | None
    cycles: float
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
    """A run of one part of a model: its program, cycles from the first PE's start to the last one's end.

    Of `images` that go through one after the other `interval` is the cycles from one result to the next, None for
    a single one. A part that is run several times has the sum of their cycles.
    """

    name: str
    cycles: int
    steps: tuple[StepRun, ...]
    simulator: Simulator = field(repr=False, compare=False)
    images: int = 1
    interval: float | None = None

    @property
    def predicted(self) -> float:
        """Predicted cycles an image: all steps', or those of the slowest strip of a pipeline."""
        strips = [0.0]
        for step in self.steps:
            if step.kind == TRANSFER:
                strips.append(0.0)
            strips[-1] += step.predicted
        return max(strips)

    @property
    def predicted_cycles(self) -> float:
        """Predicted cycles of all: the way of the first image, then one interval for each of the others."""
        way = sum(step.predicted for step in self.steps if step.kind != _SENT)
        return way + (self.images - 1) * self.predicted


def part_run(name: str, said: Sequence[Said], images: int, passes: Sequence[Pass]) -> PartRun:
    """What the runs of a part took, each for so many images."""
    strips = _strips(said)
    steps: list[StepRun] = []
    runs = [(_done(each), each.begin) for each in passes]
    for strip in strips:
        marked = [step for step in strip if step.name in runs[-1][0]]
        for number, step in enumerate(marked):
            before = marked[number - 1].name
            spans = [
                span for done, begin in runs
                for span in _spans(done, begin, step.name, before, wraps=number == 0)
            ]  # fmt: skip
            # The first image finds an empty pipeline.
            spans = spans[1:] if len(strips) > 1 and len(spans) > 1 else spans
            until = runs[-1][0][step.name][-1]
            cycles = sum(spans) if len(spans) == 1 else sum(spans) / len(spans)
            steps.append(StepRun(step.name, step.kind, step.predicted, step.bound, cycles, until))
    interval = None
    if images > 1 and steps:
        ends = [done[steps[-1].name] for done, _ in runs]
        interval = sum(times[-1] - times[0] for times in ends) / (len(ends) * (images - 1))
    return PartRun(
        name, sum(each.cycles for each in passes), tuple(steps), passes[-1].simulator,
        images * len(passes), interval,
    )  # fmt: skip


def _strips(said: Sequence[Said]) -> list[list[Said]]:
    """The steps of each strip, which ends with sending what the next one begins with."""
    found: list[list[Said]] = [[]]
    for step in said:
        if step.kind == TRANSFER:
            found[-1].append(Said(f"{step.name} sent", _SENT, step.predicted, None))
            found.append([])
        found[-1].append(step)
    return found


def _done(run: Pass) -> dict[str, list[int]]:
    """By step: when the last PE was done with it, image after image."""
    counts: defaultdict[tuple[int, int, str], int] = defaultdict(int)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for cycle, x, y, step in run.marks:
        number = counts[x, y, step]
        counts[x, y, step] += 1
        times = found[step]
        if number == len(times):
            times.append(cycle)
        times[number] = max(times[number], cycle)
    return dict(found)


def _spans(
    done: dict[str, list[int]], begin: int, step: str, before: str, *, wraps: bool
) -> list[int]:
    """Cycles of a step by image: since the step before, or since the last step for the image before."""
    ends = done[step]
    starts = [begin, *done[before]] if wraps else done[before]
    return [end - start for end, start in zip(ends, starts, strict=False)]


@dataclass(frozen=True)
class WseReport:
    """The last run of a model: the machine, its grid and type, and what each part took."""

    machine: str
    grid: tuple[int, int]
    dtype: str
    parts: tuple[PartRun, ...]
    schedule: str = "layer"

    @property
    def cycles(self) -> int:
        """Cycles of all parts, which run one after the other; without host copies."""
        return sum(part.cycles for part in self.parts)

    @property
    def predicted(self) -> float:
        """What the mapping was chosen by."""
        return sum(part.predicted_cycles for part in self.parts)

    def lines(self) -> list[str]:
        """A table with a row a step, whose cycles are those of one image."""
        rows: list[tuple[str, ...]] = [_HEADER]
        for step in (step for part in self.parts for step in part.steps):
            bound = ("", "", "") if step.bound is None else tuple(map(str, step.bound))
            q = "" if step.quality is None else f"{step.quality:.2f}"
            rows.append(
                (step.name, step.kind, f"{step.predicted:.0f}", *bound, f"{step.cycles:.0f}", q)
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
        table = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        columns, rows_ = self.grid
        total = f"{self.cycles} cycles on {self.machine}, {columns} x {rows_} PEs, {self.dtype}"
        if self.schedule != "layer":
            total += f", {self.schedule}"
        return [*table, *self._images(), total]

    def _images(self) -> list[str]:
        return [
            f"@{part.name}: {part.images} images, {part.interval:.0f} cycles from one to the next"
            f" (predicted {part.predicted:.0f})"
            for part in self.parts
            if part.interval is not None
        ]

    def as_json(self) -> dict[str, object]:
        """The numbers by name."""
        return {
            "machine": self.machine, "grid": list(self.grid), "dtype": self.dtype,
            "schedule": self.schedule, "cycles": self.cycles, "predicted": self.predicted,
            "parts": [
                {
                    "name": part.name, "cycles": part.cycles, "predicted": part.predicted_cycles,
                    "images": part.images, "interval": part.interval,
                    "steps": [step.as_json() for step in part.steps],
                }
                for part in self.parts
            ],
        }  # fmt: skip
