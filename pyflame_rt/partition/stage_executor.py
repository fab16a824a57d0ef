"""Stages on their devices: what runs when, and micro-batches one behind the other."""

from __future__ import annotations

import heapq
import itertools
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.compiler import TensorSpec
from pyflame_rt.errors import BackendError, PyFlameRTError, SettingError, ValidationError
from pyflame_rt.feeds import Feeder
from pyflame_rt.partition.batches import Batching, joined
from pyflame_rt.partition.stage_files import write_stages
from pyflame_rt.partition.stage_profile import StageProfile, StageRecorder, TaskRecord
from pyflame_rt.partition.transports import Transport, open_transport
from pyflame_rt.partition.transports.base import Handle, Outcome, closed_error
from pyflame_rt.tensor import Tensor

if TYPE_CHECKING:
    from pyflame_rt.partition.plan import Stage

Results: TypeAlias = dict[str, Any]

_AHEAD = 2
"""Tasks that a worker has at a time: one that it runs, and the next, so that it need not wait."""
_WAITING = 256
"""Micro-batches that wait for their turn before `execute_async` makes its caller wait."""
_PROGRAM_NUMBERS = itertools.count()


@dataclass(frozen=True)
class _Node:
    """A stage in the graph of stages."""

    index: int
    key: str
    worker: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(eq=False)
class _Request:
    """What one call of `execute` asked for, in parts."""

    future: Future[Results]
    rows: list[int]
    parts: list[Sequence[Any] | None]
    wants_tensors: bool = False
    is_over: bool = False


@dataclass(eq=False)
class _Run:
    """A micro-batch on its way: values that are there, and what still needs them."""

    order: int
    request: _Request
    part: int
    feed: Mapping[str, Any]
    values: dict[str, Handle] = field(default_factory=dict[str, Handle])
    uses: dict[str, int] = field(default_factory=dict[str, int])
    missing: list[int] = field(default_factory=list[int])
    ready: dict[int, int] = field(default_factory=dict[int, int])
    """When a stage had all of its inputs."""
    running: int = 0
    left: int = 0
    is_dropped: bool = False


class StageExecutor:
    """Stages that make a model, each on its device, fed with one request after the other.

    `transport` is a name, or a Transport, which is then left open. A device takes the oldest
    micro-batch that it can go on with, and has the next one at hand while it runs one; at most
    `in_flight` micro-batches are between inputs and outputs (0: twice as many as stages).
    `threads` are those of all devices together, 0 for one a core. Stages are optimised at `level`
    once shapes are known, and lowered at `lowering`, 0 where data lies as kernels want it. Errors are PyFlameRTErrors that
    say stage, device and op. Safe to use from several threads.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        *,
        transport: str | Transport = "processes",
        micro_batches: int = 1,
        in_flight: int = 0,
        threads: int = 0,
        level: int = 2,
        lowering: int | None = None,
    ):
        if micro_batches < 1 or in_flight < 0 or threads < 0:
            raise SettingError("micro_batches is at least 1, in_flight and threads at least 0")
        self._users, self._uses = _wiring(stages, inputs, outputs)
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._micro_batches = micro_batches
        self._batching = Batching.of(inputs, outputs) if micro_batches > 1 else None
        self._feed = Feeder(_any_rows(inputs, self._batching) if self._batching else self._inputs)
        targets = list(dict.fromkeys(stage.device.target for stage in stages))
        self._owns_transport = isinstance(transport, str)
        each = max(1, (threads or _cores()) // max(1, len(targets)))
        if isinstance(transport, str):
            transport = open_transport(transport, len(targets), each)
        self._transport = transport
        workers = {target: k % transport.workers for k, target in enumerate(targets)}
        # A key is one program's for as long as the transport lives.
        self._nodes = [
            _Node(
                index,
                f"{os.getpid()}:{next(_PROGRAM_NUMBERS)}",
                workers[stage.device.target],
                tuple(stage.inputs),
                tuple(stage.outputs),
            )
            for index, stage in enumerate(stages)
        ]
        self._folder = tempfile.mkdtemp(prefix="pyflame_rt_stages_")
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._recorder = StageRecorder([(stage.name, str(stage.device)) for stage in stages])
        self._limit = in_flight or max(2, 2 * len(self._nodes))
        self._ready: list[list[tuple[int, int, _Run]]] = [[] for _ in range(transport.workers)]
        self._load = [0] * transport.workers
        self._waiting: deque[_Run] = deque()
        self._requests: set[_Request] = set()
        self._settled: deque[tuple[Future[Results], Results, BaseException | None]] = deque()
        self._here = threading.local()
        self._running = 0
        self._numbers = itertools.count()
        self._is_closed = False
        try:
            shared = transport.name != "ray"
            programs = write_stages(
                stages,
                Path(self._folder),
                level=level,
                lowering=level if lowering is None else lowering,
                threads=each,
                shared=shared,
            )
            for node, program in zip(self._nodes, programs, strict=True):
                transport.load(node.worker, node.key, program)
        except BaseException:
            self.close()
            raise

    @property
    def transport(self) -> Transport:
        """What the stages are run by."""
        return self._transport

    def execute(self, inputs: Mapping[str, Any]) -> Results:
        """Outputs by name, for inputs by name: Tensors if an input is one, else arrays.

        Raises PyFlameRTError.
        """
        return self.execute_async(inputs).result()

    def execute_async(self, inputs: Mapping[str, Any]) -> Future[Results]:
        """As `execute`, at once: the future has the outputs, or the error.

        Inputs may be changed once the future is done. Where many wait already, so does the caller.
        Raises InputErrors for inputs that the model does not take.
        """
        values = self._feed(inputs)
        feed = {spec.name: value for spec, value in zip(self._inputs, values, strict=True)}
        if self._batching is None:
            parts = [(0, feed)]
        else:
            parts = self._batching.cut(feed, self._micro_batches)
        is_tensor = any(isinstance(value, Tensor) for value in inputs.values())
        rows = [number for number, _ in parts]
        request = _Request(Future(), rows, [None] * len(parts), is_tensor)
        with self._lock:
            # What a future calls when it is done is called by who makes room.
            while len(self._waiting) > _WAITING and not self._is_closed and not self._is_settling:
                self._room.wait(1.0)
            if self._is_closed:
                raise closed_error()
            self._requests.add(request)
            for index, (_, fed) in enumerate(parts):
                self._waiting.append(_Run(next(self._numbers), request, index, fed))
            self._admit()
        self._settle()
        return request.future

    def profile(self) -> list[StageProfile]:
        """What each stage took, in the runs since `reset_profile`."""
        return self._recorder.profiles()

    def reset_profile(self) -> None:
        """Forget what stages took so far."""
        self._recorder.clear()

    def write_profile(self, path: str | os.PathLike[str]) -> None:
        """Write what stages took, and a trace of their runs, as JSON. Raises PyFlameRTError."""
        self._recorder.write(path)

    def close(self) -> None:
        """End what was started for this; requests that are not done fail. Harmless when repeated."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            for request in tuple(self._requests):
                self._fail(request, closed_error())
            self._waiting.clear()
            self._room.notify_all()
        self._settle()
        if self._owns_transport:
            self._transport.close()
        else:
            for node in self._nodes:
                self._transport.unload(node.worker, node.key)
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _admit(self) -> None:
        """Begin with micro-batches that wait, as far as they may be in flight."""
        while self._waiting and self._running < self._limit and not self._is_closed:
            run = self._waiting.popleft()
            self._room.notify()
            request = run.request
            if request.is_over:
                continue
            future = request.future
            if not future.running() and not future.set_running_or_notify_cancel():
                request.is_over = True
                self._requests.discard(request)
                continue
            self._running += 1
            try:
                self._begin(run)
            except PyFlameRTError as error:
                self._drop(run)
                self._fail(request, error)
        self._dispatch()

    def _begin(self, run: _Run) -> None:
        run.uses = dict(self._uses)
        run.missing = [len(set(node.inputs)) for node in self._nodes]
        run.left = len(self._nodes)
        for name, value in run.feed.items():
            if run.uses[name]:
                run.values[name] = self._transport.put(value)
        run.feed = {}
        for node in self._nodes:
            if not node.inputs:
                self._make_ready(run, node)
        for name in list(run.values):
            self._arrived(run, name)
        if not run.left:
            self._complete(run)

    def _make_ready(self, run: _Run, node: _Node) -> None:
        run.ready[node.index] = time.perf_counter_ns()
        heapq.heappush(self._ready[node.worker], (run.order, node.index, run))

    def _arrived(self, run: _Run, name: str) -> None:
        """Stages that waited for nothing but a value can run."""
        for index in self._users[name]:
            run.missing[index] -= 1
            if not run.missing[index]:
                self._make_ready(run, self._nodes[index])

    def _dispatch(self) -> None:
        """Give workers what is ready, the oldest micro-batch first."""
        for worker, ready in enumerate(self._ready):
            while ready and self._load[worker] < _AHEAD:
                _, index, run = heapq.heappop(ready)
                if run.request.is_over:
                    self._drop_if_idle(run)
                    continue
                node = self._nodes[index]
                self._load[worker] += 1
                run.running += 1
                inputs = [run.values[name] for name in node.inputs]
                self._transport.submit(worker, node.key, inputs, partial(self._done, run, node))

    def _done(self, run: _Run, node: _Node, outcome: Outcome) -> None:
        """A task has ended: what waited for it goes on."""
        with self._lock:
            self._load[node.worker] -= 1
            run.running -= 1
            try:
                self._take(run, node, outcome)
            except Exception as error:
                known = isinstance(error, PyFlameRTError)
                self._fail(run.request, error if known else BackendError(repr(error)))
            if run.request.is_over:
                self._drop_if_idle(run)
            self._admit()
        self._settle()

    def _take(self, run: _Run, node: _Node, outcome: Outcome) -> None:
        transport = self._transport
        if outcome.error is not None:
            raise outcome.error
        sizes = [sum(map(transport.size, [run.values[name] for name in node.inputs]))]
        sizes.append(sum(map(transport.size, outcome.outputs)))
        started = outcome.started or time.perf_counter_ns() - outcome.computed
        self._recorder.add(
            TaskRecord(
                node.index, run.part, run.ready[node.index], started, outcome.computed,
                outcome.idle, *sizes,
            )
        )  # fmt: skip
        for name, handle in zip(node.outputs, outcome.outputs, strict=True):
            run.values[name] = handle
        for name in node.inputs:
            self._used(run, name)
        for name in node.outputs:
            if run.uses[name]:
                self._arrived(run, name)
            else:
                transport.free(run.values.pop(name))
        run.left -= 1
        if not run.left and not run.request.is_over:
            self._complete(run)

    def _used(self, run: _Run, name: str) -> None:
        run.uses[name] -= 1
        if not run.uses[name]:
            self._transport.free(run.values.pop(name))

    def _complete(self, run: _Run) -> None:
        """A micro-batch is through: with the last of them the request is done."""
        request = run.request
        try:
            outputs = [self._transport.get(run.values[spec.name]) for spec in self._outputs]
        finally:
            self._drop(run)
        request.parts[run.part] = outputs
        if any(part is None for part in request.parts):
            return
        parts = [(n, p) for n, p in zip(request.rows, request.parts, strict=True) if p is not None]
        names = [spec.name for spec in self._outputs]
        results = joined(parts, names)
        if request.wants_tensors:
            results = [_as_tensor(result) for result in results]
        self._end(request, dict(zip(names, results, strict=True)), None)

    def _drop_if_idle(self, run: _Run) -> None:
        """Give up what a run holds that will not be finished, once no worker reads it."""
        if not run.running:
            self._drop(run)

    def _drop(self, run: _Run) -> None:
        if run.is_dropped:
            return
        run.is_dropped = True
        self._running -= 1
        for handle in run.values.values():
            self._transport.free(handle)
        run.values.clear()

    def _fail(self, request: _Request, error: BaseException) -> None:
        """End a request with an error, unless it is over: the first error is told."""
        if not request.is_over:
            self._end(request, {}, error)

    def _end(self, request: _Request, results: Results, error: BaseException | None) -> None:
        request.is_over = True
        self._requests.discard(request)
        self._settled.append((request.future, results, error))

    def _settle(self) -> None:
        """Tell those who wait. Not while something is locked: whom they call is their affair."""
        was, self._here.settling = self._is_settling, True
        try:
            while self._settled:
                try:
                    future, results, error = self._settled.popleft()
                except IndexError:
                    return
                if not future.running() and not future.set_running_or_notify_cancel():
                    continue
                if error is None:
                    future.set_result(results)
                else:
                    future.set_exception(error)
        finally:
            self._here.settling = was

    @property
    def _is_settling(self) -> bool:
        return getattr(self._here, "settling", False)


def _as_tensor(result: Any) -> Any:
    """An output as a Tensor, unless it has strings or is no array."""
    if not isinstance(result, np.ndarray):
        return result
    array = cast("npt.NDArray[Any]", result)
    return array if array.dtype.hasobject else Tensor.viewing(array)


def _wiring(
    stages: Sequence[Stage], inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Which stages take a value, and how many uses it has. Raises ValidationError."""
    users: dict[str, list[int]] = {spec.name: [] for spec in inputs}
    uses = dict.fromkeys(users, 0)
    for index, stage in enumerate(stages):
        for name in stage.inputs:
            if name not in users:
                raise ValidationError(f'no stage before makes "{name}"', where=stage.name)
            uses[name] += 1
            if index not in users[name]:
                users[name].append(index)
        for name in stage.outputs:
            if name in users:
                raise ValidationError(f'value "{name}" is made twice', where=stage.name)
            users[name], uses[name] = [], 0
    for spec in outputs:
        if spec.name not in users:
            raise ValidationError(f'no stage makes output "{spec.name}"', where="stages")
        uses[spec.name] += 1
    return users, uses


def _any_rows(specs: Sequence[TensorSpec], batching: Batching) -> tuple[TensorSpec, ...]:
    """Inputs of which a feed may have any number of rows: it is cut into those that fit."""
    return tuple(
        replace(spec, shape=(None, *spec.shape[1:]))
        if spec.name in batching.inputs and spec.shape and isinstance(spec.shape[0], int)
        else spec
        for spec in specs
    )


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return (os.cpu_count() or 1) if usable is None else len(usable(0))
