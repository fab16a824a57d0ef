"""The validation table: every published row beside what the simulator counts, and what was fitted on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from pyflame_rt.backends.wse.bench import MODULES, benchmark, benchmarks
from pyflame_rt.backends.wse.bench.base import Row
from pyflame_rt.backends.wse.bench.running import Result, number, run
from pyflame_rt.backends.wse.machine import machine


@dataclass(frozen=True)
class Fit:
    """Machine constants that were chosen so that a row comes out."""

    constants: str
    rows: str


# Constants whose published value is known only through a row of the table. The others are published
# themselves; `machine.py` names the source of each.
FITS: Final = (
    Fit("wse2 timestamp = 5, vector_issue = 1", "B9, the first number: 5 + 1 + 5,124 = 5,130"),
    Fit("wse2 dsr_load = 9, dsr_ready = 10", "B9, the third number: 3 * 9 + 1 = 28 more"),
    Fit("wse2 execute = 1, with ramps of 2 and hops of 1", "B1, one point: d = 1"),
    Fit(
        "wse3 fabric_dispatch = 3, ramp_down = 4, ramp_up = 3", "B1, one point: 19 at d = 1, B = 8"
    ),
    Fit("wse3 memory_dispatch = 4, two_source_interval = 2", "B11: 11, 13 and 25"),
    Fit("wse3 map_begin = 10, map_next = 1", "B10, `map`"),
    Fit("wse3 data_task = 20; wse3-si data_task = 32", "B13, which is not scored"),
    Fit("wse2 data_task = 9", "B17's program (da-luce/cs5220_hw4)"),
)


@dataclass(frozen=True)
class Line:
    """A row of the table and its outcome."""

    row: Row
    result: Result

    @property
    def verdict(self) -> str:
        """ok, MISS, fitted (not scored), or - where nothing was published."""
        expected = self.result.expected
        if expected is None:
            return "-"
        if not expected.scored:
            return "fitted"
        return "ok" if self.result.within else "MISS"

    def cells(self) -> tuple[str, ...]:
        """The cells of the row, as text."""
        result, expected = self.result, self.result.expected
        params = ", ".join(f"{name}={_text(value)}" for name, value in result.params.values.items())
        cycles = f"{result.counts.cycles:,}"
        wanted = error = tolerance = kind = ""
        if expected is not None:
            wanted = f"{number(expected.cycles):,}"
            error = f"{100 * (result.error or 0.0):+.2f} %"
            tolerance = f"± {100 * expected.relative:g} %"
            if not expected.relative:
                tolerance = f"± {expected.absolute:g}" if expected.absolute else "exact"
            kind = expected.kind
            if expected.cycles_min is not None and result.counts.cycles_min is not None:
                wanted = f"{number(expected.cycles_min):,} / {number(expected.cycles_max):,}"
                cycles = f"{result.counts.cycles_min:,} / {result.counts.cycles_max:,}"
        name = result.benchmark.name
        machine_name = result.machine.name
        row = (self.row.label, name, machine_name, params, cycles, wanted)
        return (*row, error, tolerance, kind, self.verdict)


HEADER: Final = (
    *("row", "benchmark", "machine", "parameters", "cycles", "published"),
    *("error", "tolerance", "kind", ""),
)


def lines(
    *, slow: bool = True, jit: bool | None = None, settings: Sequence[str] = (),
    only: Sequence[str] = tuple(MODULES),
) -> list[Line]:  # fmt: skip
    """Run every row of the benchmarks; without the slow ones when `slow` is False."""
    return [
        Line(row, run(bench, bench.params(row.values), machine(row.machine, settings), jit=jit))
        for bench in map(benchmark, only)
        for row in bench.rows
        if slow or not row.slow
    ]


def table(outcome: Iterable[Line]) -> str:
    """The rows as a table."""
    return markdown(HEADER, [line.cells() for line in outcome])


def sets(outcome: Sequence[Line]) -> str:
    """The errors of each set of scored rows on its own."""
    rows: list[tuple[str, ...]] = []
    for label in dict.fromkeys(line.row.label for line in outcome):
        chosen = [line for line in outcome if line.row.label == label]
        scored = [line for line in chosen if line.verdict in ("ok", "MISS")]
        kinds = {line.result.expected.kind for line in chosen if line.result.expected is not None}
        errors = [100 * abs(line.result.error or 0.0) for line in scored]
        rows.append(
            (
                label,
                ", ".join(sorted(kinds)),
                str(len(scored)),
                f"{median(errors):.2f} %" if errors else "",
                f"{max(errors):.2f} %" if errors else "",
                str(sum(line.verdict == "MISS" for line in scored)),
            )
        )
    return markdown(("set", "kind", "scored rows", "median error", "worst error", "misses"), rows)


def fits() -> str:
    """What was fitted on what: machine constants, and the declared costs of benchmarks."""
    rows = [(fit.constants, "", fit.rows) for fit in FITS]
    seen: set[str] = set()
    for bench in benchmarks():
        for cost in bench.declared:
            if cost.name not in seen:
                rows.append((f"`{cost.name}` = {cost.cycles}", cost.meaning, cost.fitted_on))
            seen.add(cost.name)
    return markdown(("constant", "declared for", "fitted on"), rows)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with padded columns."""
    cells = [tuple(header), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
