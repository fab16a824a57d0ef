"""The tables of `--stats`: where the cycles of a run went, by PE, task, link, colour and queue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyflame_rt.backends.wse.reports.columns import cut, place, table
from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim.critical_path import CriticalPath
from pyflame_rt.backends.wse.sim.layout import REASONS
from pyflame_rt.backends.wse.sim.statistics import Statistics


def lines(statistics: Statistics, path: CriticalPath | None = None) -> list[str]:
    """All tables as text; the critical path's if it is given."""
    parts = [
        summary(statistics), reasons(statistics), elements(statistics), tasks(statistics),
        links(statistics), colours(statistics), queues(statistics),
    ]  # fmt: skip
    if path is not None:
        parts += [path_by_kind(path), path_segments(path)]
    found: list[str] = []
    for part in parts:
        if len(part) > 1 or part is parts[0]:
            found += [*part, ""]
    return found[:-1]


def summary(statistics: Statistics) -> list[str]:
    """One line: how long, how many PEs, how busy."""
    used = [element for element in statistics.elements if element.first >= 0]
    mean = sum(element.utilisation for element in used) / max(len(used), 1)
    return [
        f"{statistics.cycles} cycles, {len(used)} of {len(statistics.elements)} PEs ran a task, "
        f"{mean:.1%} of their cycles used, {statistics.hops} words over links"
    ]


def reasons(statistics: Statistics) -> list[str]:
    """What main threads did, over all PEs, and what the lost cycles were lost to."""
    total = sum(sum(element.cycles.values()) for element in statistics.elements) or 1
    totals = [(r, sum(e.cycles[r] for e in statistics.elements)) for r in REASONS]
    waits: dict[str, int] = {}
    for element in statistics.elements:
        for name, cycles in element.waits.items():
            waits[name] = waits.get(name, 0) + cycles
    rows = [(name, str(cycles), f"{cycles / total:.1%}") for name, cycles in totals]
    rows += [
        (f"  {name}", str(cycles), f"{cycles / total:.1%}")
        for name, cycles in waits.items()
        if cycles
    ]
    return table(("main thread", "PE-cycles", "share"), rows)


def elements(statistics: Statistics) -> list[str]:
    """One row for each PE that ran something, the busiest first."""
    used = [element for element in statistics.elements if element.first >= 0]
    used.sort(key=lambda element: (-element.utilisation, element.y, element.x))
    rows = [
        (
            f"{place(e.x, e.y)} {e.program}", str(e.first), str(e.last), f"{e.utilisation:.1%}",
            *(str(e.cycles[name]) for name in REASONS), str(e.groups), str(e.instructions),
        )
        for e in used
    ]  # fmt: skip
    heads = ("PE", "first", "last", "used", *REASONS, "groups", "instructions")
    return table(heads, cut(rows, len(heads)))


def tasks(statistics: Statistics) -> list[str]:
    """One row for each task of each program: runs and cycles over all PEs, and the most on one."""
    totals: dict[str, list[int]] = {}
    for element in statistics.elements:
        for task in element.tasks:
            if task.runs:
                row = totals.setdefault(f"{task.name} ({element.program})", [0, 0, 0, 0])
                most = max(row[3], task.cycles)
                row[:] = [row[0] + 1, row[1] + task.runs, row[2] + task.cycles, most]
    ordered = sorted(totals.items(), key=lambda item: -item[1][2])
    rows = [
        (name, str(pes), str(runs), str(cycles), f"{cycles / runs:.1f}", str(most))
        for name, (pes, runs, cycles, most) in ordered
    ]
    return table(("task (program)", "PEs", "runs", "cycles", "a run", "most"), cut(rows, 6))


def links(statistics: Statistics) -> list[str]:
    """One row for each link that carried words, the most loaded first; `load` is words a cycle."""
    cycles = max(statistics.cycles, 1)
    used: list[list[int]] = np.argwhere(statistics.loads).tolist()
    found = [(int(statistics.loads[y, x, port]), x, y, port) for y, x, port in used]
    found.sort(key=lambda row: (-row[0], row[2], row[1], row[3]))
    rows = [
        (f"{place(x, y)} {im.DIRECTIONS[port]}", str(words), f"{words / cycles:.1%}")
        for words, x, y, port in found
    ]
    return table(("link", "words", "load"), cut(rows, 3))


def colours(statistics: Statistics) -> list[str]:
    """One row for each colour in a router in which words were held up, the longest first."""
    held = [(c.link_busy + c.no_room + c.closed_switch, c) for c in statistics.colours]
    held.sort(key=lambda row: (-row[0], row[1].y, row[1].x, row[1].colour))
    rows = [
        (
            f"{place(c.x, c.y)} colour {c.colour}", str(c.words), str(c.link_busy), str(c.no_room),
            str(c.closed_switch), str(c.high_water),
        )
        for total, c in held
        if total
    ]  # fmt: skip
    return table(
        ("router", "words", "link busy", "no room", "closed switch", "most words"), cut(rows, 6)
    )


def queues(statistics: Statistics) -> list[str]:
    """One row for each queue of a PE that held words, the fullest first."""
    found = [
        (most, e.x, e.y, f"{way} {number}")
        for e in statistics.elements
        for (way, number), most in e.high_water.items()
        if most
    ]
    found.sort(key=lambda row: (-row[0], row[2], row[1], row[3]))
    rows = [(f"{place(x, y)} {name}", str(most)) for most, x, y, name in found]
    return table(("queue", "most words"), cut(rows, 2))


def path_by_kind(path: CriticalPath) -> list[str]:
    """What the critical path consists of."""
    total = max(path.cycles, 1)
    rows = [(k, str(cycles), f"{cycles / total:.1%}") for k, cycles in path.by_kind().items()]
    return table(("critical path", "cycles", "share"), rows)


def path_segments(path: CriticalPath) -> list[str]:
    """The critical path in the order of time."""
    rows = [
        (f"{place(s.x, s.y)} {s.kind}", str(s.start), str(s.cycles), s.text) for s in path.segments
    ]
    found = table(("segment", "start", "cycles", ""), [(*row[:3], "") for row in cut(rows, 4)])
    texts = ["", *(row[3] for row in cut(rows, 4))]
    return [f"{line}  {text}".rstrip() for line, text in zip(found, texts, strict=True)]


def memory(sizes: Mapping[str, int], limit: int) -> list[str]:
    """The sizes of arrays, the biggest first, against the bytes of a PE."""
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    rows = [(name, str(size), f"{size / limit:.1%}") for name, size in ordered]
    total = sum(sizes.values())
    rows = [*cut(rows, 3), ("all", str(total), f"{total / limit:.1%}")]
    return table(("array", "bytes", "of the PE"), rows)
