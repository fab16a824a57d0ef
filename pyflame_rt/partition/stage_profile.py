"""What stages took: a table, JSON, and a trace that chrome://tracing and Perfetto show."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from pyflame_rt.files import write_text

_KEPT = 100_000
"""How many tasks a record holds; later ones are counted, not kept."""


@dataclass(frozen=True)
class StageProfile:
    """A stage over some runs. Times are microseconds: `compute_us` is the median of its runs,
    `wait_us` that of what lay between its inputs and its start. Bytes are those of one run."""

    stage: str
    device: str
    runs: int
    compute_us: float
    least_us: float
    wait_us: float
    idle_us: float
    bytes_in: int
    bytes_out: int

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class TaskRecord:
    """A run of a stage: times in nanoseconds, `ready` and `started` on the owner's clock."""

    stage: int
    part: int
    ready: int
    started: int
    computed: int
    idle: int
    bytes_in: int
    bytes_out: int


@dataclass
class StageRecorder:
    """A record of tasks that grows while stages run. `names` are stages and their devices."""

    names: Sequence[tuple[str, str]]
    tasks: list[TaskRecord] = field(default_factory=list[TaskRecord])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, record: TaskRecord) -> None:
        """Keep a record."""
        with self.lock:
            if len(self.tasks) < _KEPT:
                self.tasks.append(record)

    def clear(self) -> None:
        """Forget what has been recorded: runs that only warmed up."""
        with self.lock:
            self.tasks.clear()

    def profiles(self) -> list[StageProfile]:
        """Each stage that has run."""
        with self.lock:
            tasks = list(self.tasks)
        found: list[StageProfile] = []
        for index, (stage, device) in enumerate(self.names):
            own = [task for task in tasks if task.stage == index]
            if own:
                found.append(
                    StageProfile(
                        stage,
                        device,
                        len(own),
                        median(task.computed for task in own) / 1e3,
                        min(task.computed for task in own) / 1e3,
                        median(max(0, task.started - task.ready) for task in own) / 1e3,
                        median(task.idle for task in own) / 1e3,
                        own[-1].bytes_in,
                        own[-1].bytes_out,
                    )
                )
        return found

    def as_json(self) -> dict[str, Any]:
        """Profiles of the stages, and a trace with a track for each device."""
        with self.lock:
            tasks = list(self.tasks)
        devices = list(dict.fromkeys(device for _, device in self.names))
        origin = min((task.started for task in tasks), default=0)
        events: list[dict[str, Any]] = [
            {"ph": "M", "name": "thread_name", "pid": 0, "tid": k, "args": {"name": device}}
            for k, device in enumerate(devices)
        ]
        events += [
            {
                "ph": "X",
                "name": self.names[task.stage][0],
                "pid": 0,
                "tid": devices.index(self.names[task.stage][1]),
                "ts": (task.started - origin) / 1e3,
                "dur": task.computed / 1e3,
                "args": {"micro_batch": task.part, "bytes_in": task.bytes_in},
            }
            for task in tasks
        ]
        return {
            "stages": [profile.as_json() for profile in self.profiles()],
            "traceEvents": events,
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `as_json` to a file. Raises PyFlameRTError."""
        write_text(path, json.dumps(self.as_json(), indent=1) + "\n")


def table(profiles: Sequence[StageProfile]) -> list[str]:
    """A line for each stage."""
    lines = [
        f"{'stage':24} {'device':12} {'runs':>5} {'ms':>9} {'waits ms':>9} {'idle ms':>9} "
        f"{'MB in':>8} {'MB out':>8}"
    ]
    lines += [
        f"{p.stage:24} {p.device:12} {p.runs:5} {p.compute_us / 1e3:9.3f} {p.wait_us / 1e3:9.3f} "
        f"{p.idle_us / 1e3:9.3f} {p.bytes_in / 1e6:8.3f} {p.bytes_out / 1e6:8.3f}"
        for p in profiles
    ]
    return lines
