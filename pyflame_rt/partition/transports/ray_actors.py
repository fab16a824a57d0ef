"""Workers that are Ray's actors, on this machine or on those of a cluster.

Where they run, whether they are alive and that they are started again is left to Ray, and so is the
way of values: a task's outputs go from actor to actor without passing through this process.
"""

from __future__ import annotations

import copy
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import BackendError, PyFlameRTError
from pyflame_rt.partition.programs import LoadedStage
from pyflame_rt.partition.transports.base import (
    Done,
    Handle,
    Outcome,
    StageProgram,
    Transport,
    closed_error,
)

_RESTARTS = 3
"""How often Ray starts an actor again, and a task of a lost one."""


@dataclass(frozen=True)
class _Held:
    """A value that Ray holds as long as somebody refers to it."""

    reference: Any
    nbytes: int


class _Actor:
    """What runs in Ray's process: stages, loaded when they are first asked for.

    An actor that was started again knows nothing, so each task brings what its stage is made of.
    """

    def __init__(self) -> None:
        self._stages: dict[str, LoadedStage] = {}
        self._waiting = time.perf_counter_ns()

    def pid(self) -> int:
        """The process that it is."""
        return os.getpid()

    def forget(self, key: str) -> None:
        """Forget a stage."""
        self._stages.pop(key, None)

    def run(self, key: str, program: StageProgram, files: list[Any], *inputs: Any) -> Any:
        """The outcome's parts, then the outputs, each of which Ray holds by itself."""
        began = time.perf_counter_ns()
        idle = began - self._waiting
        empty = [None] * program.results
        try:
            stage = self._stages.get(key)
            if stage is None:
                stage = self._stages[key] = _loaded(program, files)
                began = time.perf_counter_ns()
            results = stage.run([_aligned(value) for value in inputs])
        except PyFlameRTError as error:
            status = (error.message, error.where, error.hint), time.perf_counter_ns() - began, idle
            return (status, *empty) if empty else status
        finally:
            self._waiting = time.perf_counter_ns()
        sizes = [getattr(value, "nbytes", 0) for value in results]
        status = sizes, self._waiting - began, idle
        return (status, *results) if results else status


class RayTransport(Transport):
    """One actor a worker, in the cluster that the process is connected to, or in one of its own."""

    name = "ray"

    def __init__(self, workers: int):
        super().__init__(workers)
        ray = self._ray = _ray()
        self._is_own = not ray.is_initialized()
        options: dict[str, Any] = {
            "num_cpus": 0,
            "scheduling_strategy": "SPREAD",
            "max_restarts": _RESTARTS,
            "max_task_retries": _RESTARTS,
        }
        if self._is_own:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
            options["runtime_env"] = {"env_vars": {"PYTHONPATH": paths}}
        actor: Any = ray.remote(_Actor)
        self._actors = [actor.options(**options).remote() for _ in range(workers)]
        self._programs: dict[tuple[int, str], tuple[StageProgram, list[Any]]] = {}
        self._files: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._tasks: dict[int, Done] = {}
        self._finished: SimpleQueue[tuple[int, list[Any], Any]] = SimpleQueue()
        self._count = 0
        self._thread = threading.Thread(target=self._pump, name="ray devices", daemon=True)
        self._thread.start()

    @property
    def processes(self) -> list[int]:
        """The process ids of the actors, on their machines."""
        return self._ray.get([actor.pid.remote() for actor in self._actors])

    def load(self, worker: int, key: str, program: StageProgram) -> None:
        """As `Transport.load`; the files' bytes go where the actor is."""
        for name in program.files:
            if name not in self._files:
                self._files[name] = self._ray.put(Path(name).read_bytes())
        self._programs[worker, key] = program, [self._files[name] for name in program.files]

    def unload(self, worker: int, key: str) -> None:
        """As `Transport.unload`."""
        program, _ = self._programs.pop((worker, key))
        for name in program.files:
            self._files.pop(name, None)
        if not self._is_closed:
            self._actors[worker].forget.remote(key)

    def submit(self, worker: int, key: str, inputs: Sequence[Handle], done: Done) -> None:
        """As `Transport.submit`."""
        with self._lock:
            if self._is_closed:
                done(Outcome(error=closed_error()))
                return
            self._count += 1
            number = self._count
            self._tasks[number] = done
        program, files = self._programs[worker, key]
        call = self._actors[worker].run.options(num_returns=1 + program.results)
        references = call.remote(key, program, files, *[held.reference for held in inputs])
        status, *outputs = references if program.results else [references]
        future = status.future()
        # Ray's own thread only says that there is something.
        future.add_done_callback(partial(self._heard, number, outputs))

    def _heard(self, number: int, outputs: list[Any], future: Any) -> None:
        self._finished.put((number, outputs, future))

    def put(self, value: Any) -> Handle:
        """As `Transport.put`."""
        return _Held(self._ray.put(value), getattr(value, "nbytes", 0))

    def get(self, handle: Handle) -> Any:
        """As `Transport.get`."""
        return copy.deepcopy(self._ray.get(handle.reference))

    def free(self, handle: Handle) -> None:
        """As `Transport.free`: nobody refers to it any more."""

    def size(self, handle: Handle) -> int:
        """As `Transport.size`."""
        return handle.nbytes

    def close(self) -> None:
        """As `Transport.close`."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            tasks = list(self._tasks.values())
            self._tasks.clear()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors.clear()
        for done in tasks:
            done(Outcome(error=closed_error()))
        if self._is_own:
            self._ray.shutdown()

    def _pump(self) -> None:
        """Hand on what actors have finished."""
        while not self._is_closed:
            try:
                number, outputs, future = self._finished.get(timeout=0.2)
            except Empty:
                if not self._ray.is_initialized():
                    self._give_up()
                continue
            with self._lock:
                done = self._tasks.pop(number, None)
            if done is not None:
                done(_outcome(future, outputs))

    def _give_up(self) -> None:
        with self._lock:
            tasks = list(self._tasks.values())
            self._tasks.clear()
        for done in tasks:
            done(Outcome(error=BackendError("Ray was shut down before this was done")))


def _ray() -> Any:
    """Ray. Raises BackendError where it is not installed."""
    try:
        import ray  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
    except ImportError:
        raise BackendError(
            "the ray transport needs Ray", hint="pip install 'pyflame-rt[ray]'"
        ) from None
    return cast(Any, ray)


def _loaded(program: StageProgram, references: list[Any]) -> LoadedStage:
    """A stage from its files' bytes, which may be those of another machine."""
    with TemporaryDirectory() as folder:
        here: dict[str, str] = {}
        for index, (name, content) in enumerate(
            zip(program.files, _ray().get(references), strict=True)
        ):
            path = Path(folder) / f"{index}" / Path(name).name
            path.parent.mkdir()
            path.write_bytes(content)
            here[name] = str(path)
        return LoadedStage(
            replace(
                program,
                path=here[program.path],
                plugins=tuple(here.get(name, name) for name in program.plugins),
            )
        )


def _aligned(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.require(cast("npt.NDArray[Any]", value), requirements=("C", "A"))
    return value


def _outcome(future: Any, outputs: list[Any]) -> Outcome:
    try:
        status, computed, idle = future.result()
    except Exception as error:
        # Of Ray's errors, the first line says what happened; the rest are traces.
        first = str(error).strip().splitlines()[:1]
        return Outcome(error=BackendError(f"Ray lost the task: {' '.join(first)}"))
    if isinstance(status, tuple):
        message, where, hint = cast("tuple[str, str | None, str | None]", status)
        error = BackendError(message, where=where, hint=hint)
        return Outcome((), error, 0, computed, idle)
    held = tuple(_Held(r, size) for r, size in zip(outputs, status, strict=True))
    return Outcome(held, None, 0, computed, idle)
