"""Profiles: what each step of each run took, as a trace that chrome://tracing and Perfetto show."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt import dtypes
from pyflame_rt.backends.watching import Step, Watch
from pyflame_rt.dialects.pfrt.names import op_type_of
from pyflame_rt.files import write_text
from pyflame_rt.step_costs import cost_of

Array: TypeAlias = npt.NDArray[Any]

RUN = "model_run"


@dataclass(frozen=True)
class Event:
    """A span of time on the track of a thread.

    Times are nanoseconds, `start` since the profile began; `own` is the duration without that of
    the spans inside. `step` is false for what is no step of a run.
    """

    name: str
    start: int
    duration: int
    own: int
    thread: int
    details: dict[str, Any]
    step: bool


@dataclass
class _Span:
    """A step that has begun."""

    step: Step
    start: int
    inside: int = 0


class _Open(threading.local):
    """The steps that a thread is in."""

    def __init__(self) -> None:
        self.spans: list[_Span] = []


class Profile(Watch):
    """A record of runs, also of several threads at once; each thread is a track.

    Times are of `time.perf_counter_ns`; that at which the record began is 0 in the trace. Steps lie inside of their run, those of a loop's body inside of the loop.
    """

    def __init__(self, prefix: str = "profile", start_ns: int | None = None):
        self.start_ns = time.perf_counter_ns() if start_ns is None else start_ns
        self._prefix = prefix
        self._events: list[Event] = []
        self._open = _Open()

    @property
    def events(self) -> Sequence[Event]:
        """What has been recorded, in the order in which it ended."""
        return self._events

    def session_event(self, name: str, began: int, ended: int) -> None:
        """Record something that is no step of a run; times are of `time.perf_counter_ns`."""
        self._add(name, began, ended, 0, {}, step=False)

    @contextmanager
    def run(self, tag: str = "") -> Generator[None]:
        """Inside, a run of this thread is recorded; a failing one as far as it comes."""
        outer, self._open.spans = self._open.spans, []
        began = time.perf_counter_ns()
        try:
            yield
        finally:
            ended = time.perf_counter_ns()
            for span in reversed(self._open.spans):
                details = {"op_name": _op_type(span.step), "failed": True}
                self._add(_name(span.step), span.start, ended, 0, details, step=True)
            self._open.spans = outer
            self._add(RUN, began, ended, 0, {"tag": tag} if tag else {}, step=False)

    def enter(self, step: Step) -> None:
        self._open.spans.append(_Span(step, time.perf_counter_ns()))

    def leave(self, step: Step) -> None:
        ended = time.perf_counter_ns()
        spans = self._open.spans
        span = spans.pop()
        if spans:
            spans[-1].inside += ended - span.start
        self._add(_name(step), span.start, ended, span.inside, _details(step), step=True)

    def end(self) -> str:
        """Write the trace to a file named by the prefix and the time; its name.

        Raises PyFlameRTError.
        """
        now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        path = f"{self._prefix}_{now}.json"
        self.write(path)
        return path

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the trace, an array of events. Raises PyFlameRTError."""
        events = sorted(self._events, key=lambda event: (event.start, -event.duration))
        lines = ",\n".join(json.dumps(_row(event), ensure_ascii=False) for event in events)
        write_text(path, f"[\n{lines}\n]\n")

    def _add(
        self, name: str, began: int, ended: int, inside: int, details: dict[str, Any], *, step: bool
    ) -> None:
        took = ended - began
        thread = threading.get_native_id()
        start = began - self.start_ns
        self._events.append(Event(name, start, took, took - inside, thread, details, step))


class Recorder:
    """The profile of a session while there is one; the sessions that it makes record into it too."""

    __slots__ = ("profile",)

    def __init__(self, profile: Profile | None = None):
        self.profile = profile


def _row(event: Event) -> dict[str, Any]:
    return {
        "cat": "Node" if event.step else "Session",
        "pid": os.getpid(),
        "tid": event.thread,
        "dur": event.duration / 1000,
        "ts": event.start / 1000,
        "ph": "X",
        "name": f"{event.name}_kernel_time" if event.step else event.name,
        "args": event.details,
    }


def _name(step: Step) -> str:
    """The name of the node that a step comes from: of `conv_gemm (node "conv1", model.onnx:12)`."""
    return step.where.partition('node "')[2].rpartition('"')[0] or step.algorithm


def _op_type(step: Step) -> str:
    return op_type_of(step.op) if step.op else step.algorithm


def _details(step: Step) -> dict[str, Any]:
    inputs, outputs = step.inputs(), step.outputs()
    cost = cost_of(step)
    return {
        "op_name": _op_type(step),
        "provider": "CPUExecutionProvider",
        "algorithm": step.algorithm,
        "code": step.code or "numpy",
        "location": step.where.partition("(")[2].removesuffix(")"),
        "input_type_shape": [_type_shape(value) for value in inputs if value is not None],
        "output_type_shape": [_type_shape(value) for value in outputs],
        "output_size": sum(v.nbytes for v in outputs if isinstance(v, np.ndarray)),
        "bytes": cost.bytes,
        "flops": cost.flops,
    }


def _type_shape(value: Any) -> dict[str, list[int]]:
    if not isinstance(value, np.ndarray):
        return {type(value).__name__: []}
    array = cast(Array, value)
    row = dtypes.by_numpy().get(array.dtype)
    return {"string" if row is None else row.onnx_name: list(array.shape)}
