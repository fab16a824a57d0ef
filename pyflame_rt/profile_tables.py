"""Tables of a profile: where the time of runs goes, by operator and by layer of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pyflame_rt.profiling import RUN, Event

_SHOWN = 20


@dataclass
class Row:
    """The steps of one kind, in all runs: how many, the nanoseconds they took, what they moved."""

    name: str
    calls: int = 0
    time: int = 0
    flops: int = 0
    bytes: int = 0

    def add(self, event: Event) -> None:
        """Count a step."""
        self.calls += 1
        self.time += event.own
        self.flops += event.details.get("flops") or 0
        self.bytes += event.details.get("bytes") or 0


def by_operator(events: Iterable[Event]) -> list[Row]:
    """One row for each operator, algorithm, and kind of machine code, the slowest first."""
    return _rows(events, _operator)


def by_layer(events: Iterable[Event]) -> list[Row]:
    """One row for each node of the model, the slowest first."""
    return _rows(events, lambda event: f"{event.name} ({event.details.get('op_name', '')})")


def lines(events: Sequence[Event]) -> list[str]:
    """Both tables as text, times a run."""
    runs = max(1, sum(event.name == RUN for event in events))
    return [
        *_table("operator (algorithm)", by_operator(events), runs),
        "",
        *_table("layer", by_layer(events), runs),
    ]


def as_json(events: Sequence[Event]) -> dict[str, list[dict[str, Any]]]:
    """Both tables as plain data, times in milliseconds for all runs."""
    tables = {"operators": by_operator(events), "layers": by_layer(events)}
    return {
        name: [
            {"name": r.name, "calls": r.calls, "ms": r.time / 1e6, "flops": r.flops, "bytes": r.bytes}
            for r in rows
        ]
        for name, rows in tables.items()
    }  # fmt: skip


def _operator(event: Event) -> str:
    op, algorithm = event.details.get("op_name", ""), event.details.get("algorithm", "")
    code = event.details.get("code", "numpy")
    how = algorithm if code == "numpy" else f"{algorithm}, {code}"
    return f"{op} ({how})" if algorithm else op


def _rows(events: Iterable[Event], key: Callable[[Event], str]) -> list[Row]:
    rows: dict[str, Row] = {}
    for event in events:
        if event.step:
            name = key(event)
            rows.setdefault(name, Row(name)).add(event)
    return sorted(rows.values(), key=lambda row: -row.time)


def _table(title: str, rows: Sequence[Row], runs: int) -> list[str]:
    total = sum(row.time for row in rows) or 1
    width = max([len(title), *(len(row.name) for row in rows[:_SHOWN])])
    found = [f"{title:{width}}  calls       ms   share  GFLOP/s    GB/s"]
    for row in rows[:_SHOWN]:
        time = max(row.time, 1)
        found.append(
            f"{row.name:{width}}  {row.calls / runs:5g} {row.time / runs / 1e6:8.3f}  "
            f"{row.time / total:6.1%} {row.flops / time:8.2f} {row.bytes / time:7.2f}"
        )
    if len(rows) > _SHOWN:
        rest = sum(row.time for row in rows[_SHOWN:])
        name = f"{len(rows) - _SHOWN} more"
        found.append(f"{name:{width}}        {rest / runs / 1e6:8.3f}  {rest / total:6.1%}")
    return found
