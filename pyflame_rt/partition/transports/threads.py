"""Workers that are threads of this process: values are passed as they are."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any, TypeAlias

from pyflame_rt.errors import BackendError, PyFlameRTError
from pyflame_rt.partition.programs import LoadedStage, load_stage
from pyflame_rt.partition.transports.base import (
    Done,
    Handle,
    Outcome,
    StageProgram,
    Transport,
    closed_error,
)

_Job: TypeAlias = tuple[str, Any, Any] | None


class ThreadTransport(Transport):
    """One thread a worker. Kernels run side by side where NumPy lets go of the interpreter."""

    name = "threads"

    def __init__(self, workers: int):
        super().__init__(workers)
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._queues: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(workers)]
        self._threads = [
            threading.Thread(
                target=_work, args=(queue, self._is_closed), name=f"device {index}", daemon=True
            )
            for index, queue in enumerate(self._queues)
        ]
        for thread in self._threads:
            thread.start()

    def load(self, worker: int, key: str, program: StageProgram) -> None:
        """As `Transport.load`."""
        self._queues[worker].put(("load", key, program))

    def unload(self, worker: int, key: str) -> None:
        """As `Transport.unload`."""
        self._queues[worker].put(("unload", key, None))

    def submit(self, worker: int, key: str, inputs: Sequence[Handle], done: Done) -> None:
        """As `Transport.submit`."""
        with self._lock:
            if not self._is_closed.is_set():
                self._queues[worker].put(("run", key, (tuple(inputs), done)))
                return
        done(Outcome(error=closed_error()))

    def put(self, value: Any) -> Handle:
        """As `Transport.put`."""
        return copy.deepcopy(value)

    def get(self, handle: Handle) -> Any:
        """As `Transport.get`."""
        return self.put(handle)

    def free(self, handle: Handle) -> None:
        """As `Transport.free`: nothing to do, as nothing is held."""

    def size(self, handle: Handle) -> int:
        """As `Transport.size`."""
        return getattr(handle, "nbytes", 0)

    def close(self) -> None:
        """As `Transport.close`; waits for runs that have begun."""
        with self._lock:
            if self._is_closed.is_set():
                return
            self._is_closed.set()
            for queue in self._queues:
                queue.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()


def _work(queue: SimpleQueue[_Job], is_closed: threading.Event) -> None:
    """What a worker's thread does, until it is told None."""
    stages: dict[str, LoadedStage | PyFlameRTError] = {}
    waiting = time.perf_counter_ns()
    while (job := queue.get()) is not None:
        kind, key, argument = job
        if kind == "unload":
            stages.pop(key, None)
            continue
        if kind == "load":
            stages[key] = load_stage(argument)
            waiting = time.perf_counter_ns()
            continue
        inputs, done = argument
        began = time.perf_counter_ns()
        if is_closed.is_set():
            outcome = Outcome(error=closed_error())
        else:
            outcome = _outcome(stages.get(key), inputs, began, began - waiting)
        waiting = time.perf_counter_ns()
        done(outcome)
        # Nothing here keeps values alive while the worker waits.
        del job, argument, inputs, done, outcome


def _outcome(
    stage: LoadedStage | PyFlameRTError | None, inputs: tuple[Any, ...], began: int, idle: int
) -> Outcome:
    if stage is None:
        return Outcome(error=BackendError("the stage has been unloaded"))
    if isinstance(stage, PyFlameRTError):
        return Outcome(error=stage)
    try:
        results = stage.run(inputs)
    except PyFlameRTError as error:
        return Outcome(error=error)
    return Outcome(tuple(results), None, began, time.perf_counter_ns() - began, idle)
