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
    """One PE. `cycles` by reason (`layout.REASONS`) are the main thread's and sum to those of the run."""

    x: int
    y: int
    program: str
    # Cycles of the first task's start and the last one's end; -1: there was none.
    first: int
    last: int
    cycles: dict[str, int]
    # What some of these cycles were lost to: "DSR loading", "float result" and "microthread" (cycles
    # of "latency" or "slot taken"), "bank conflict" (cycles of "working").
    waits: dict[str, int]
    tasks: tuple[TaskStatistics, ...]
    instructions: int
    # SIMD groups executed, by all threads and by the microthreads.
    groups: int
    microthread_groups: int
    conflicts: int
    conflict_cycles: int
    memory_bytes: int
    # Most words ever in a queue, pipeline registers included: ("input" or "output", number) to words.
    high_water: dict[tuple[str, int], int]

    @property
    def utilisation(self) -> float:
        """The part of the run's cycles in which an instruction or a group executed."""
        total = sum(self.cycles.values())
        busy = self.cycles["working"] + self.microthread_groups
        return min(1.0, busy / total) if total else 0.0


@dataclass(frozen=True)
class ColourStatistics:
    """A colour in one router: words that passed, cycles in which its next word was held up."""

    x: int
    y: int
    colour: int
    words: int
    # Another colour or the link's rate was in the way; a target had no room (back-pressure); the switch was at
    # a position that does not receive from its direction (once it has opened).
    link_busy: int
    no_room: int
    closed_switch: int
    # Most words ever in one of its queues.
    high_water: int


@dataclass(frozen=True, eq=False)
class Statistics:
    """A run up to `cycles`; `loads[y, x, port]` counts words sent north, east, south, west, up the ramp."""

    cycles: int
    skipped: int
    hops: int
    elements: tuple[ElementStatistics, ...]
    # Colours of routers that words passed or waited in.
    colours: tuple[ColourStatistics, ...]
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
        colours=_colours(image, buffer, built, now),
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
    waited = int(buffer[p + lo.P_THREAD_WAIT])
    if buffer[p + lo.P_WAIT_SINCE]:
        waited += now + 1 - int(buffer[p + lo.P_WAIT_SINCE])
    groups = int(buffer[p + lo.P_GROUPS])
    main = int(buffer[p + lo.P_MAIN_GROUPS])
    if buffer[p + lo.P_THREADS] & 1:
        done, lanes = int(buffer[p + lo.P_OPS + lo.O_DONE]), int(buffer[p + lo.P_OPS + lo.O_LANES])
        main += -(-done // lanes)
    conflict_cycles = int(buffer[p + lo.P_CONFLICT_CYCLES])
    return ElementStatistics(
        x=pe % image.width,
        y=pe // image.width,
        program=program.name,
        first=int(buffer[p + lo.P_FIRST]),
        last=int(buffer[p + lo.P_LAST]),
        cycles=dict(zip(lo.REASONS, cycles, strict=True)),
        waits={
            "DSR loading": int(buffer[p + lo.P_DSR_WAIT]),
            "float result": int(buffer[p + lo.P_FLOAT_WAIT]),
            "microthread": waited,
            "bank conflict": conflict_cycles,
        },
        tasks=tuple(
            TaskStatistics(
                name,
                int(buffer[p + lo.P_TASK_RUNS + slot]),
                int(buffer[p + lo.P_TASK_CYCLES + slot]),
            )
            for slot, name in enumerate(program.task_names)
        ),
        instructions=int(buffer[p + lo.P_INSTRUCTIONS]),
        groups=groups,
        microthread_groups=groups - main,
        conflicts=int(buffer[p + lo.P_CONFLICTS]),
        conflict_cycles=conflict_cycles,
        memory_bytes=program.memory_bytes,
        high_water=high,
    )


def _colours(
    image: im.Image, buffer: im.Int32s, built: Built, now: int
) -> tuple[ColourStatistics, ...]:
    keys = list(built.records)
    places = np.fromiter(built.records.values(), np.int64, len(keys))
    # A whole wafer has more records than one wants to look at one by one.
    queues = places[:, None] + lo.R_QUEUES + int(buffer[lo.K_QUEUE]) * np.arange(5)
    words = buffer[queues + lo.RQ_HEAD].sum(1)
    high = buffer[queues + lo.RQ_HIGH].max(1, initial=0)
    found: list[ColourStatistics] = []
    for index in np.flatnonzero(high).tolist():
        pe, colour = keys[index]
        r = int(places[index])
        late = buffer[r + lo.R_LATE : r + lo.R_LATE + len(lo.LATE)].tolist()
        cause = int(buffer[r + lo.R_CAUSE])
        if cause:
            late[cause - 1] += now - int(buffer[r + lo.R_SINCE])
        found.append(
            ColourStatistics(
                pe % image.width,
                pe // image.width,
                colour,
                int(words[index]),
                *late,
                high_water=int(high[index]),
            )
        )
    return tuple(found)
