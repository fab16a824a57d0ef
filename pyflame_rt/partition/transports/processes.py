"""Workers that are processes of this machine: values are in memory that they share."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle
from typing import Any

from pyflame_rt.errors import BackendError, PyFlameRTError
from pyflame_rt.partition.transports.base import (
    Done,
    Handle,
    Outcome,
    StageProgram,
    Transport,
    closed_error,
)
from pyflame_rt.partition.transports.segments import Placed, Segment, SegmentPool, array_in, flat
from pyflame_rt.partition.transports.segments import read as read_value

_COMMAND = "import sys; from pyflame_rt.partition.worker import main; main(int(sys.argv[1]))"
_SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_SIZES_KEPT = 1024
_PATIENCE = 2.0
"""Seconds in which a process that was told to end ends."""
_LOOKS = 0.5
"""Seconds after which the pump looks for processes that are stopped, which say nothing."""
_STOPPED = 1.0
"""Seconds after which a stopped process is given up: with an interrupted terminal goes its owner."""
_MAX_RESTARTS = 3
"""How often in a row a worker is started again that has not finished a task since."""


@dataclass
class _Task:
    """What a worker was told to run and has not answered."""

    key: str
    inputs: tuple[Placed, ...]
    done: Done
    segments: list[Segment]


@dataclass
class _Worker:
    """A process and what it knows."""

    index: int
    process: subprocess.Popen[bytes]
    connection: Connection
    programs: dict[str, StageProgram]
    mapped: set[int] = field(default_factory=set[int])
    tasks: dict[int, _Task] = field(default_factory=dict[int, _Task])
    failures: int = 0
    """How many processes have been lost since a task was done."""
    sending: threading.RLock = field(default_factory=threading.RLock)
    stopped: float | None = None
    """Since when the process has been seen to be stopped."""


class ProcessTransport(Transport):
    """One process a worker, started afresh rather than forked, with its own interpreter.

    A process that dies, or is stopped and does not go on within a second, fails the tasks it had
    and is replaced: `threads` is how many BLAS may use in each before a program says so.
    """

    name = "processes"

    def __init__(self, workers: int, threads: int = 1):
        super().__init__(workers)
        self._pool = SegmentPool()
        self._threads = threads
        self._numbers = itertools.count()
        self._sizes: dict[tuple[str, tuple[Any, ...]], tuple[int, ...]] = {}
        """Bytes of the outputs of a program on inputs of some shapes."""
        self._lock = threading.RLock()
        self._is_closed = threading.Event()
        self._looked = time.monotonic()
        self._waking, self._woken = socket.socketpair()
        self._workers = [self._started(index, {}) for index in range(workers)]
        self._finalizer = weakref.finalize(
            self, _end, self._is_closed, self._workers, self._waking, self._woken, self._pool
        )
        self._thread = threading.Thread(
            target=_pump, args=(weakref.ref(self),), name="devices", daemon=True
        )
        self._thread.start()

    @property
    def processes(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid for worker in self._workers]

    def load(self, worker: int, key: str, program: StageProgram) -> None:
        """As `Transport.load`."""
        with self._lock:
            target = self._workers[worker]
            target.programs[key] = program
            self._tell(target, ("load", key, program))

    def unload(self, worker: int, key: str) -> None:
        """As `Transport.unload`."""
        with self._lock:
            target = self._workers[worker]
            target.programs.pop(key, None)
            self._tell(target, ("unload", key))
            self._sizes = {known: v for known, v in self._sizes.items() if known[0] != key}

    def submit(self, worker: int, key: str, inputs: Sequence[Handle], done: Done) -> None:
        """As `Transport.submit`."""
        placed: tuple[Placed, ...] = tuple(inputs)
        try:
            sizes = self._sizes.get((key, tuple(p.shape for p in placed)), ())
            needed = [self._pool.segment(p.number) for p in placed]
            task = _Task(key, placed, done, self._pool.take_all(sizes))
        except PyFlameRTError as error:
            done(Outcome(error=error))
            return
        number = next(self._numbers)
        with self._lock:
            target = self._workers[worker]
            lost = self._is_closed.is_set() or target.failures > _MAX_RESTARTS
            if not lost:
                target.tasks[number] = task
        if lost:
            self._give(task)
            done(Outcome(error=closed_error() if self._is_closed.is_set() else _broken(target)))
            return
        rooms = [(segment.number, segment.size) for segment in task.segments]
        self._tell(target, ("run", number, key, placed, rooms), needed + task.segments)

    def put(self, value: Any) -> Handle:
        """As `Transport.put`."""
        array = flat(value)
        segment = self._pool.take(array.nbytes)
        array_in(segment.memory, array.dtype, array.shape)[...] = array
        return Placed(segment.number, array.dtype, array.shape)

    def get(self, handle: Handle) -> Any:
        """As `Transport.get`."""
        return read_value(self._pool.segment(handle.number).memory, handle, copy=True)

    def free(self, handle: Handle) -> None:
        """As `Transport.free`."""
        self._pool.give(handle.number)

    def size(self, handle: Handle) -> int:
        """As `Transport.size`."""
        return handle.nbytes

    @property
    def held(self) -> int:
        """How many values are held."""
        return self._pool.used

    def close(self) -> None:
        """As `Transport.close`."""
        with self._lock:
            if self._is_closed.is_set():
                return
            self._is_closed.set()
            self._waking.send(b"x")
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._finalizer()
        self._drop_tasks(closed_error())

    def _started(self, index: int, programs: dict[str, StageProgram]) -> _Worker:
        ours, theirs = socket.socketpair()
        # What this process can import, its workers can; the working directory is not of that.
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        limits = dict.fromkeys(_SINGLE_THREADED, str(self._threads))
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **limits, "PYTHONPATH": paths},
            )
        worker = _Worker(index, process, Connection(ours.detach()), programs)
        for key, program in programs.items():
            self._tell(worker, ("load", key, program))
        return worker

    def _tell(
        self, worker: _Worker, message: tuple[Any, ...], segments: Sequence[Segment] = ()
    ) -> None:
        """Send a message, after the segments it speaks of. The pump hears of a lost worker."""
        with worker.sending:
            try:
                for segment in segments:
                    if segment.number in worker.mapped:
                        continue
                    worker.mapped.add(segment.number)
                    worker.connection.send(("segment", segment.number, segment.size))
                    send_handle(worker.connection, segment.descriptor, worker.process.pid)
                worker.connection.send(message)
            except OSError:
                return

    def serve(self) -> bool:
        """Wait for what workers say, and hand it on; whether there is more to come."""
        self._replace_stopped()
        with self._lock:
            if self._is_closed.is_set():
                return False
            by_connection = {
                worker.connection: worker
                for worker in self._workers
                if worker.failures <= _MAX_RESTARTS
            }
        for ready in wait([*by_connection, self._woken], _LOOKS):
            if ready is self._woken:
                return False
            worker = by_connection[ready]  # pyright: ignore[reportArgumentType]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                # The end of the socket is the end of the process, which nobody else writes to.
                self._replace(worker)
            else:
                self._answered(worker, message)
        return True

    def _replace_stopped(self) -> None:
        """Replace processes that were told to stop, and would keep who waits for them waiting."""
        now = time.monotonic()
        if now - self._looked < _LOOKS:
            return
        self._looked = now
        for worker in tuple(self._workers):
            if not _is_stopped(worker.process.pid):
                worker.stopped = None
            elif worker.stopped is None:
                worker.stopped = now
            elif now - worker.stopped >= _STOPPED:
                self._replace(worker)

    def fail(self, error: BaseException) -> None:
        """Give up: nobody listens to the workers any more."""
        if not self._is_closed.is_set():
            self._is_closed.set()
            self._drop_tasks(BackendError(f"the devices are lost: {error!r}"))

    def _drop_tasks(self, error: PyFlameRTError) -> None:
        with self._lock:
            tasks = [task for worker in self._workers for task in worker.tasks.values()]
            for worker in self._workers:
                worker.tasks.clear()
        for task in tasks:
            task.done(Outcome(error=error))

    def _answered(self, worker: _Worker, message: tuple[Any, ...]) -> None:
        if message[0] == "ready":
            return
        with self._lock:
            task = worker.tasks.get(message[1])
            if task is None:
                return
            if message[0] != "grow":
                del worker.tasks[message[1]]
                worker.failures = 0
        match message:
            case ("done", _, placed, (started, computed, idle)):
                if len(self._sizes) >= _SIZES_KEPT:
                    self._sizes.clear()
                shapes = tuple(p.shape for p in task.inputs)
                self._sizes[task.key, shapes] = tuple(p.nbytes for p in placed)
                outcome = Outcome(tuple(placed), None, started, computed, idle)
            case ("failed", _, text, where, hint, (started, computed, idle)):
                self._give(task)
                error = BackendError(text, where=where, hint=hint)
                outcome = Outcome((), error, started, computed, idle)
            case ("grow", number, sizes):
                self._grow(worker, number, task, sizes)
                return
            case _:
                raise BackendError(f"a worker says {message[0]}")
        task.done(outcome)

    def _grow(self, worker: _Worker, number: int, task: _Task, sizes: Sequence[int]) -> None:
        """Give a task room for outputs, whose sizes are known now."""
        self._give(task)
        task.segments = []
        try:
            task.segments = self._pool.take_all(sizes)
        except PyFlameRTError as error:
            with self._lock:
                worker.tasks.pop(number, None)
            self._tell(worker, ("forget", number))
            task.done(Outcome(error=error))
            return
        rooms = [(segment.number, segment.size) for segment in task.segments]
        self._tell(worker, ("place", number, rooms), task.segments)

    def _give(self, task: _Task) -> None:
        for segment in task.segments:
            self._pool.give(segment.number)

    def _replace(self, worker: _Worker) -> None:
        """Fail what a lost process had to do, and start another one."""
        worker.process.kill()
        code = worker.process.wait()
        with self._lock:
            if self._is_closed.is_set():
                return
            failures = worker.failures + 1
            worker.failures = failures
            with worker.sending:
                worker.connection.close()
            if failures <= _MAX_RESTARTS:
                fresh = self._started(worker.index, worker.programs)
                fresh.failures = failures
                self._workers[worker.index] = fresh
            tasks, worker.tasks = list(worker.tasks.values()), {}
        for task in tasks:
            self._give(task)
            task.done(Outcome(error=_lost(task, worker, code)))


def _is_stopped(pid: int) -> bool:
    """Whether a child is stopped by a signal; what it ended with is left to who waits for it."""
    if not hasattr(os, "waitid"):
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def _pump(transport: weakref.ref[ProcessTransport]) -> None:
    """Hand on what workers say, until the transport is closed or nobody has it any more."""
    while (owner := transport()) is not None:
        try:
            if not owner.serve():
                return
        except Exception as error:
            owner.fail(error)
            return
        del owner


def _lost(task: _Task, worker: _Worker, code: int) -> BackendError:
    program = worker.programs.get(task.key)
    name = "" if program is None else f'stage "{program.name}" on {program.device}'
    if worker.stopped is not None:
        how = "was stopped by a signal, and ended for that,"
    else:
        how = f"ended ({f'exit code {code}' if code >= 0 else _signal_name(-code)})"
    return BackendError(
        f"its process {worker.process.pid} {how} before it was done",
        where=name or None,
        hint="a new process takes its place: run again",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _broken(worker: _Worker) -> BackendError:
    return BackendError(
        f"the process of device {worker.index} ended {worker.failures} times in a row",
        hint="what it wrote to stderr may say why",
    )


def _end(
    is_closed: threading.Event,
    workers: list[_Worker],
    waking: socket.socket,
    woken: socket.socket,
    pool: SegmentPool,
) -> None:
    """End the processes: politely, then not."""
    is_closed.set()
    waking.send(b"x")
    for worker in workers:
        with worker.sending:
            worker.connection.close()
    for worker in workers:
        try:
            worker.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    pool.close()
    waking.close()
    woken.close()
