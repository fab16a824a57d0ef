"""Where the cycles of a run went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.building import Built


@dataclass(frozen=True)
class TaskStatistics:
    """A task of one PE: how often it ran, and cycles from its starts to its ends."""

    name: str
    runs: int
    cycles: int


@dataclass(frozen=True)
class ElementStatistics:
    """One PE. `cycles` by reason (`layout.REASONS`) sum to the cycles of the run."""

    x: int
    y: int
    first: int
    last: int
    cycles: dict[str, int]
    tasks: tuple[TaskStatistics, ...]
    instructions: int
    groups: int
    conflicts: int
    conflict_cycles: int
    # Most words ever in a queue, pipeline registers included: ("input" or "output", number) to words.
    high_water: dict[tuple[str, int], int]


@dataclass(frozen=True, eq=False)
class Statistics:
    """A run up to `cycles`; `loads[y, x, port]` counts words sent north, east, south, west, up the ramp."""

    cycles: int
    skipped: int
    hops: int
    elements: tuple[ElementStatistics, ...]
    loads: NDArray[np.int64]


def statistics(image: im.Image, buffer: im.Int32s, built: Built) -> Statistics:
    """Read the counters out of the buffer."""
    now = int(buffer[lo.NOW])
    loads = np.zeros((image.height * image.width, 5), np.int64)
    for pe, node in built.nodes.items():
        loads[pe] = buffer[node + lo.N_LOAD : node + lo.N_LOAD + 5]
    return Statistics(
        cycles=now,
        skipped=int(buffer[lo.SKIPPED]),
        hops=int(loads[:, :4].sum()),
        elements=tuple(
            _element(image, buffer, pe, place, now) for pe, place in built.elements.items()
        ),
        loads=loads.reshape(image.height, image.width, 5),
    )


def _element(image: im.Image, buffer: im.Int32s, pe: int, p: int, now: int) -> ElementStatistics:
    program = image.programs[int(buffer[p + lo.P_PROGRAM])]
    cycles = buffer[p + lo.P_CYCLES : p + lo.P_CYCLES + len(lo.REASONS)].tolist()
    cycles[int(buffer[p + lo.P_REASON])] += now - int(buffer[p + lo.P_SINCE])
    high: dict[tuple[str, int], int] = {}
    for table, way in ((lo.P_INPUTS, "input"), (lo.P_OUTPUTS, "output")):
        for number in range(8):
            queue = int(buffer[p + table + number])
            if queue >= 0:
                high[way, number] = int(buffer[queue + lo.Q_HIGH])
    return ElementStatistics(
        x=pe % image.width,
        y=pe // image.width,
        first=int(buffer[p + lo.P_FIRST]),
        last=int(buffer[p + lo.P_LAST]),
        cycles=dict(zip(lo.REASONS, cycles, strict=True)),
        tasks=tuple(
            TaskStatistics(
                name,
                int(buffer[p + lo.P_TASK_RUNS + slot]),
                int(buffer[p + lo.P_TASK_CYCLES + slot]),
            )
            for slot, name in enumerate(program.task_names)
        ),
        instructions=int(buffer[p + lo.P_INSTRUCTIONS]),
        groups=int(buffer[p + lo.P_GROUPS]),
        conflicts=int(buffer[p + lo.P_CONFLICTS]),
        conflict_cycles=int(buffer[p + lo.P_CONFLICT_CYCLES]),
        high_water=high,
    )
