"""Runs that take turns, so that what else the machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int, sample: float
) -> dict[str, list[float]]:
    """Seconds of processor time of a run of each, a sample of about so many seconds a round."""
    counts: dict[str, int] = {}
    for name, run in runs.items():
        run()
        start = time.perf_counter()
        run()
        counts[name] = max(1, round(sample / max(time.perf_counter() - start, 1e-7)))
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            for _ in range(counts[name]):
                run()
            found[name].append((time.process_time() - start) / counts[name])
    return found
