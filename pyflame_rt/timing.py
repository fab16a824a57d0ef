"""How long runs take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_WARM_UP = 3


@dataclass(frozen=True)
class Timing:
    """Milliseconds of single runs: median, 90th and 99th percentile, mean, least."""

    runs: int
    median: float
    p90: float
    p99: float
    mean: float
    min: float

    def as_json(self) -> dict[str, object]:
        """The figures, for a report; times in milliseconds."""
        times = {
            f"{name}_ms": getattr(self, name) for name in ("median", "p90", "p99", "mean", "min")
        }
        return {"runs": self.runs, **times}

    def __str__(self) -> str:
        return (
            f"median {self.median:.3f} ms, p90 {self.p90:.3f} ms, p99 {self.p99:.3f} ms, "
            f"{self.runs} runs"
        )


def measure(run: Callable[[], object], runs: int) -> Timing:
    """Time a function, after a few runs that do not count."""
    for _ in range(min(_WARM_UP, runs)):
        run()
    times = np.empty(runs)
    for index in range(runs):
        start = time.perf_counter_ns()
        run()
        times[index] = (time.perf_counter_ns() - start) / 1e6
    median, p90, p99 = np.percentile(times, (50, 90, 99))
    return Timing(
        runs, float(median), float(p90), float(p99), float(times.mean()), float(times.min())
    )
