"""A worker process: runs stages on values in shared memory, told by its owner over a socket.

It is started as `main(descriptor)`, and ends with its owner. It is told, and answers:

    segment, number, size (then the file)          (nothing)
    load, key, StageProgram | unload, key          ready, once all has been imported
    run, task, key, inputs, outputs                done, task, Placed…, times
    place, task, outputs | forget, task            failed, task, message, where, hint, times
                                                   grow, task, sizes: it has no room for outputs
"""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import BackendError, PyFlameRTError
from pyflame_rt.partition.programs import LoadedStage, load_stage
from pyflame_rt.partition.transports.segments import Placed, array_in, flat, read

Array: TypeAlias = npt.NDArray[Any]
Times: TypeAlias = tuple[int, int, int]
"""When a run began, how long it took, how long the worker had waited for it: nanoseconds."""


def main(descriptor: int) -> None:
    """Serve the owner at the other end of a socket, until it is gone."""
    # An interrupt at the terminal is for the owner, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Connection(descriptor) as owner:
        worker = _Worker(owner)
        try:
            owner.send(("ready",))
            while True:
                worker.handle(owner.recv())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            # Nothing is left to do, and nobody to tell.
            os._exit(0)


class _Worker:
    """What one process has loaded and mapped."""

    def __init__(self, owner: Connection):
        self._owner = owner
        self._memory: dict[int, mmap.mmap] = {}
        self._stages: dict[str, LoadedStage | PyFlameRTError] = {}
        self._unplaced: dict[int, tuple[list[Array], Times]] = {}
        self._waiting = time.perf_counter_ns()

    def handle(self, message: tuple[Any, ...]) -> None:
        """Do what a message says."""
        match message:
            case ("segment", number, size):
                descriptor = recv_handle(self._owner)
                self._memory[number] = mmap.mmap(descriptor, size)
                os.close(descriptor)
            case ("load", key, program):
                self._stages[key] = load_stage(program)
                self._waiting = time.perf_counter_ns()
            case ("unload", key):
                self._stages.pop(key, None)
            case ("run", task, key, inputs, outputs):
                self._run(task, key, inputs, outputs)
                self._waiting = time.perf_counter_ns()
            case ("place", task, outputs):
                values, times = self._unplaced.pop(task)
                self._place(task, values, outputs, times)
            case ("forget", task):
                self._unplaced.pop(task, None)
            case _:
                raise BackendError(f"a worker does not know what {message[0]} means")

    def _run(
        self, task: int, key: str, inputs: Sequence[Placed], outputs: Sequence[tuple[int, int]]
    ) -> None:
        began = time.perf_counter_ns()
        idle = began - self._waiting
        stage = self._stages.get(key) or BackendError("the stage has been unloaded")
        try:
            if isinstance(stage, PyFlameRTError):
                raise stage
            values = [read(self._memory[p.number], p, copy=False) for p in inputs]
            rooms = self._rooms(stage, values, outputs)
            results = stage.run(values, rooms)
        except PyFlameRTError as error:
            times = (began, time.perf_counter_ns() - began, idle)
            self._owner.send(("failed", task, error.message, error.where, error.hint, times))
            return
        times = (began, time.perf_counter_ns() - began, idle)
        self._place(task, [flat(value) for value in results], outputs, times, rooms)

    def _rooms(
        self, stage: LoadedStage, values: Sequence[Any], outputs: Sequence[tuple[int, int]]
    ) -> list[Array | None]:
        """Arrays in shared memory that outputs can be computed into."""
        layouts = stage.layouts(values)
        if layouts is None or len(outputs) != len(layouts):
            return []
        rooms: list[Array | None] = []
        for layout, (number, size) in zip(layouts, outputs, strict=True):
            fits = layout is not None and _nbytes(*layout) <= size
            rooms.append(array_in(self._memory[number], *layout) if layout and fits else None)
        return rooms

    def _place(
        self,
        task: int,
        values: list[Array],
        outputs: Sequence[tuple[int, int]],
        times: Times,
        rooms: Sequence[Array | None] = (),
    ) -> None:
        """Tell of outputs once they are in shared memory."""
        sizes = [value.nbytes for value in values]
        if len(outputs) != len(values) or any(
            need > room for need, (_, room) in zip(sizes, outputs, strict=True)
        ):
            self._unplaced[task] = values, times
            self._owner.send(("grow", task, sizes))
            return
        placed: list[Placed] = []
        for index, (value, (number, _)) in enumerate(zip(values, outputs, strict=True)):
            if not rooms or rooms[index] is not value:
                array_in(self._memory[number], value.dtype, value.shape)[...] = value
            placed.append(Placed(number, value.dtype, value.shape))
        self._owner.send(("done", task, placed, times))


def _nbytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
