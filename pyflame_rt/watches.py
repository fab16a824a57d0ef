"""What runs are watched for: an end that somebody asks for, a time, a size of memory."""

from __future__ import annotations

import time
import weakref
from typing import Any, cast

import numpy as np

from pyflame_rt.backends.runtime import arrays_in, root
from pyflame_rt.backends.watching import Step, Watch, Watches, over_limit
from pyflame_rt.errors import BackendError
from pyflame_rt.ort.errors import Fail
from pyflame_rt.ort.run_options import RunOptions
from pyflame_rt.step_costs import result_bytes


class RunTimeoutError(BackendError, TimeoutError):
    """A run took longer than its options allow."""


class Deadline(Watch):
    """Ends a run when its options say so, or its time is over."""

    def __init__(self, options: RunOptions):
        self._options = options
        limit = options.timeout_ms
        self._limit = limit
        self._end = None if limit is None else time.monotonic() + limit / 1000

    def enter(self, step: Step) -> None:
        if self._options.terminate:
            raise Fail("Exiting due to terminate flag being set to true.")
        if self._end is not None and time.monotonic() > self._end:
            raise RunTimeoutError(
                f"the run took longer than timeout_ms = {self._limit:g}; it ended before this step"
            )


class MemoryGuard(Watch):
    """Ends a run before a step whose results, with those that are alive, exceed the limit.

    What has a static shape has been counted when the plan was made; here are the results that get
    memory of their own. Where the size of a result depends on values, it is known after the step.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._alive: dict[int, Any] = {}

    def enter(self, step: Step) -> None:
        if step.algorithm in ("if", "loop", "call"):
            return
        expected = result_bytes(step)
        if expected:
            self._require(self._taken() + expected)

    def leave(self, step: Step) -> None:
        for value in step.outputs():
            for array in arrays_in(value):
                owner = root(array)
                if owner.flags.owndata:
                    self._alive[id(owner)] = weakref.ref(owner)
        self._require(self._taken())

    def _taken(self) -> int:
        living: dict[int, Any] = {}
        total = 0
        for key, reference in self._alive.items():
            array = reference()
            if array is not None:
                living[key] = reference
                total += cast("np.ndarray[Any, Any]", array).nbytes
        self._alive = living
        return total

    def _require(self, size: int) -> None:
        if size > self._limit:
            raise over_limit(size, self._limit, "the run")


def watch_of(options: RunOptions | None, memory_limit: int, profile: Watch | None) -> Watch | None:
    """What watches a run; None when nothing is asked for."""
    watches: list[Watch] = []
    if options is not None:
        watches.append(Deadline(options))
    if memory_limit:
        watches.append(MemoryGuard(memory_limit))
    if profile is not None:
        # Last, so that a step's time does not include the others'.
        watches.append(profile)
    if len(watches) < 2:
        return watches[0] if watches else None
    return Watches(*watches)
