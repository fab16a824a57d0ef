"""The record of a run as a trace that chrome://tracing and Perfetto show.

One process a PE, one track a thread: the main thread's has its tasks with the synchronous vector ops inside,
each microthread's its ops. A cycle is shown as a microsecond. The critical path is a process of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from pyflame_rt.backends.wse.sim.critical_path import CriticalPath
from pyflame_rt.backends.wse.sim.simulator import Simulator, TraceEvent
from pyflame_rt.files import write_text

_MAIN = 0
_PATH = "critical path"


def rows(simulator: Simulator, path: CriticalPath | None = None) -> list[dict[str, Any]]:
    """The events of the trace. Record with trace="ops" to see ops, "tasks" to see tasks only."""
    width = simulator.image.width
    found: list[dict[str, Any]] = []
    by_element: dict[int, list[TraceEvent]] = {}
    for event in simulator.events():
        by_element.setdefault(event.y * width + event.x, []).append(event)
    for pe, events in sorted(by_element.items()):
        found += _element(pe, events, simulator.cycle)
    for pe, events in sorted(by_element.items()):
        found.append(_named("process_name", pe, _MAIN, f"PE ({events[0].x}, {events[0].y})"))
    for pe, thread in sorted({(row["pid"], row["tid"]) for row in found}):
        name = "main thread" if thread == _MAIN else f"microthread {thread - 1}"
        found.append(_named("thread_name", pe, thread, name))
    if path is not None:
        found += _path(path, width * simulator.image.height)
    return sorted(found, key=lambda row: (row["ts"], -row.get("dur", 0)))


def write(
    file: str | os.PathLike[str], simulator: Simulator, path: CriticalPath | None = None
) -> None:
    """Write the trace, an array of events. Raises PyFlameRTError."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows(simulator, path))
    write_text(file, f"[\n{lines}\n]\n")


def _element(pe: int, events: Sequence[TraceEvent], now: int) -> Iterable[dict[str, Any]]:
    """Spans of one PE: what has not ended by `now` ends there."""
    found: list[dict[str, Any]] = []
    task: TraceEvent | None = None
    ops: dict[int, TraceEvent] = {}
    # The next op of a microthread may be dispatched in the cycle of the last group of the one before.
    last: dict[int, dict[str, Any]] = {}

    def end_op(begun: TraceEvent, cycle: int) -> None:
        thread = int(begun.value)
        row = _span(f"@{begun.text}", pe, thread, begun.cycle, cycle)
        found.append(row)
        last[thread] = row

    for event in events:
        if event.kind == "task":
            task = event
        elif event.kind == "task end" and task is not None:
            found.append(_span(task.text, pe, _MAIN, task.cycle, event.cycle))
            task = None
        elif event.kind == "op":
            thread = int(event.value)
            before = last.get(thread)
            if before is not None and before["ts"] + before["dur"] > event.cycle:
                before["dur"] = event.cycle - before["ts"]
            ops[thread] = event
        elif event.kind == "op end" and int(event.value) in ops:
            end_op(ops.pop(int(event.value)), event.cycle + 1)
        elif event.kind in ("print", "stamp"):
            name = f"{event.text} {event.value:g}" if event.kind == "print" else "timestamp"
            found.append(
                {"cat": event.kind, "name": name, "ph": "i", "s": "t", "pid": pe, "tid": _MAIN}
                | {"ts": event.cycle}
            )
    for begun in ops.values():
        end_op(begun, now)
    if task is not None:
        found.append(_span(task.text, pe, _MAIN, task.cycle, now))
    return found


def _path(path: CriticalPath, pe: int) -> list[dict[str, Any]]:
    found = [_named("process_name", pe, _MAIN, _PATH), _named("thread_name", pe, _MAIN, _PATH)]
    for segment in path.segments:
        name = f"{segment.kind} at ({segment.x}, {segment.y})"
        row = _span(name, pe, _MAIN, segment.start, segment.end)
        found.append(row | {"cat": _PATH, "args": {"what": segment.text}})
    return found


def _span(name: str, pe: int, thread: int, start: int, end: int) -> dict[str, Any]:
    kind = "op" if name.startswith("@") else "task"
    place = {"pid": pe, "tid": thread, "ts": start, "dur": max(end - start, 0)}
    return {"cat": kind, "name": name, "ph": "X", **place}


def _named(what: str, pe: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pe, "tid": thread, "ts": 0, "args": {"name": name}}
