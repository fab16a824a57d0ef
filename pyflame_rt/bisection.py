"""Finding the pass that breaks a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.passes import ModulePass

from pyflame_rt import model_runs, pipelines
from pyflame_rt.comparison import Difference, compare_all
from pyflame_rt.compiler import Program
from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.failures import Check, Failure


@dataclass(frozen=True)
class Culprit:
    """The pass after which outputs are wrong that were right before it.

    `number` counts the passes from 1; 0 is the backend's own lowering, wrong before any pass.
    `failure` is what goes wrong, `first` the first value by name that the pass changed too much,
    None when all that have names are fine or a pass or run failed.
    """

    number: int
    text: str
    failure: Failure
    first: Difference | None

    def as_json(self) -> dict[str, object]:
        """The fields, for a report."""
        return {
            "number": self.number,
            "pass": self.text,
            "failure": self.failure.text,
            "first": None if self.first is None else self.first.as_json(),
        }

    def lines(self) -> list[str]:
        """The report for people."""
        if self.number == 0:
            return [
                f"bisection: wrong before any pass, in {self.text}",
                f"  outputs: {self.failure.text}",
            ]
        lines = [f"bisection: pass {self.number} breaks it: {self.text}"]
        if self.first is not None:
            lines.append(f"  first value to differ: {self.first}")
        return [*lines, f"  outputs: {self.failure.text}"]


def bisect(
    program: Program, passes: Sequence[ModulePass], inputs: Mapping[str, Any], check: Check
) -> Culprit | None:
    """The pass of a pipeline after which outputs differ from those of the reference backend.

    None when those of the whole pipeline agree. Halves the pipeline, so that of several culprits
    one is found. Raises what the reference backend raises on the program itself.
    """
    steps = pipelines.expanded(passes)
    expected = model_runs.reference_values(program, "", inputs, layers=False)

    def failure(count: int) -> Failure | None:
        return check.failure(program, steps[:count], inputs, expected)

    worst = failure(len(steps))
    if worst is None:
        return None
    good, bad = 0, len(steps)
    start = failure(0) if steps else worst
    if start is not None:
        return Culprit(0, f"the {check.backend} backend", start, None)
    while bad - good > 1:
        middle = (good + bad) // 2
        found = failure(middle)
        if found is None:
            good = middle
        else:
            bad, worst = middle, found
    text = pipelines.to_text((steps[good],))
    first = _first_difference(program, steps[:good], steps[good], inputs, check)
    return Culprit(bad, text, worst, first or worst.first)


def _first_difference(
    program: Program,
    before: Sequence[ModulePass],
    culprit: ModulePass,
    inputs: Mapping[str, Any],
    check: Check,
) -> Difference | None:
    """The first named value, in order of computation, that a pass changes beyond the tolerance."""
    try:
        old, new = (
            model_runs.reference_values(program, pipelines.to_text(passes), inputs, layers=True)
            for passes in (before, (*before, culprit))
        )
    except PyFlameRTError:
        # A pass that fails, or lowers to what the reference backend does not run.
        return None
    differences = compare_all(new, old, check.tolerance)
    return next((d for d in differences if not d.agrees), None)
