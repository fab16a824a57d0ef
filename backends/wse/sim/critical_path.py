"""The critical path of a run: from its last event back to its start, always to what was waited for longest.

Each event (a group of an op, a word moved by a router, a task's start …) became possible when the last of its
conditions held: the word had come, the target had room, the op's own pace allowed it, the link or the slot was
free. The path goes on from the event behind that condition; of conditions that held in the same cycle the
op's own pace comes first, then the word, then what was in the way. The segments tile the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.recording import HOST, ROUTER_ROWS, Recording, latest

SCALAR: Final = "scalar code"
VECTOR: Final = "vector op"
RAMP_DOWN: Final = "ramp down"
HOP: Final = "hop"
RAMP_UP: Final = "ramp up"
LINK: Final = "link busy"
SWITCH: Final = "closed switch"
NO_ROOM: Final = "no room"
SLOT: Final = "slot taken"
MICROTHREAD: Final = "microthread"
TASK: Final = "task turn"
START: Final = "start"


@dataclass(frozen=True)
class Segment:
    """Cycles `start` up to `end` of the path: what (`kind`), on which PE, and which task, op or colour."""

    start: int
    end: int
    kind: str
    x: int
    y: int
    text: str

    @property
    def cycles(self) -> int:
        """How long it took."""
        return self.end - self.start


@dataclass(frozen=True)
class CriticalPath:
    """Segments in the order of time; they follow each other without gaps and sum to `cycles`."""

    cycles: int
    segments: tuple[Segment, ...]

    def by_kind(self) -> dict[str, int]:
        """Cycles of each kind of segment, the most first."""
        totals: Counter[str] = Counter()
        for segment in self.segments:
            totals[segment.kind] += segment.cycles
        return dict(totals.most_common())


# A condition: the cycle in which it held, the row behind it (-1: none), what it is.
_Condition = tuple[int, int, str]


def critical_path(recording: Recording, cycles: int) -> CriticalPath:
    """The critical path of a run that was recorded, up to cycle `cycles`."""
    walk = _Walk(recording, cycles)
    return CriticalPath(cycles, tuple(reversed(walk.walked())))


class _Walk:
    """The state of a walk: `at` is the first cycle that the segments cover so far."""

    def __init__(self, recording: Recording, cycles: int):
        self.rec = recording
        self.at = cycles
        self.segments: list[Segment] = []

    def walked(self) -> list[Segment]:
        rec = self.rec
        row = len(rec.kind) - 1
        if row >= 0:
            self._span(rec.cycle[row] + 1, START, rec.position(row), "nothing happens any more")
            self._last(row)
        while row >= 0:
            row = self._before(row)
        where = (self.segments[-1].x, self.segments[-1].y) if self.segments else (0, 0)
        self._span(0, START, where, "before the first task")
        return self.segments

    def _last(self, row: int) -> None:
        kind = self.rec.kind[row]
        cycle, where = self.rec.cycle[row], self.rec.position(row)
        if kind in ROUTER_ROWS:
            colour = self.rec.constant(self._record(row) + lo.R_COLOUR)
            self._span(cycle, HOP, where, f"colour {colour}")
        elif kind in (lo.PATH_GROUP, lo.TRACE_OP_END):
            self._span(cycle, VECTOR, where, self.rec.name_of_op(row))
        else:
            self._span(cycle, SCALAR, where, self.rec.task(row))

    def _record(self, row: int) -> int:
        return self.rec.b[row] if self.rec.kind[row] == lo.PATH_UP else self.rec.a[row]

    def _span(self, start: int, kind: str, where: tuple[int, int], text: str) -> None:
        if start >= self.at:
            return
        x, y = where
        later = self.segments[-1] if self.segments else None
        if later and (later.kind, later.x, later.y, later.text) == (kind, x, y, text):
            self.segments[-1] = Segment(start, later.end, kind, x, y, text)
        else:
            self.segments.append(Segment(start, self.at, kind, x, y, text))
        self.at = start

    def _before(self, row: int) -> int:
        """The row that a row waited for, having covered the cycles between them; -1 at the start."""
        kind = self.rec.kind[row]
        if kind == lo.PATH_GROUP:
            return self._group(row)
        if kind in (lo.PATH_UP, lo.PATH_OPERAND, lo.PATH_SWITCH):
            return row - 1
        if kind == lo.PATH_MOVE:
            return self._move(row)
        if kind == lo.PATH_DOWN:
            return self._down(row)
        if kind == lo.PATH_WORD:
            return self._task(row, self.rec.a[row], self.rec.b[row])
        if kind == lo.TRACE_TASK:
            word = row > 0 and self.rec.kind[row - 1] == lo.PATH_WORD
            return row - 1 if word else self._task(row, self.rec.a[row], -1)
        if kind == lo.TRACE_OP_END:
            return self._last_group(row, self.rec.a[row])
        return self._main(row)

    def _longest(self, row: int, conditions: Iterable[_Condition], slack: str) -> _Condition:
        """The first of the conditions that held last; what is left up to the row is slack."""
        best = max(conditions, key=lambda condition: condition[0])
        self._span(best[0], slack, self.rec.position(row), self._about(row))
        return best

    def _about(self, row: int) -> str:
        kind = self.rec.kind[row]
        if kind == lo.PATH_MOVE:
            return f"colour {self.rec.colour(row)}"
        if kind == lo.PATH_GROUP:
            return self.rec.name_of_op(row)
        if kind == lo.PATH_DOWN:
            return f"colour {self.rec.constant(self.rec.b[row] + lo.R_COLOUR)}"
        return self.rec.task(row)

    def _room(self, queue: int, row: int, capacity: int, after: int) -> list[_Condition]:
        """When the word that this row put in a queue found room there: once an older one was taken."""
        number = self.rec.number(self.rec.puts[queue,], row) - capacity
        if number < 0:
            return []
        taken = self.rec.pops[queue,][number]
        return [(self.rec.cycle[taken] + after, taken, NO_ROOM)]

    def _came(self, queue: int, row: int) -> int:
        """The row that put the word that this row took."""
        return self.rec.puts[queue,][self.rec.number(self.rec.pops[queue,], row)]

    def _group(self, row: int) -> int:
        rec = self.rec
        place, thread = rec.place[row], rec.a[row]
        dispatch = rec.op(row)
        previous = max(dispatch, latest(rec.groups[place, thread], row))
        conditions: list[_Condition] = [(rec.b[row], previous, VECTOR)]
        for number, kind, queue in rec.operands[dispatch]:
            if kind == im.FABIN:
                came = self._came(queue, row)
                conditions.append((rec.cycle[came] + rec.constant(lo.K_UP), came, RAMP_UP))
            elif kind == im.FIFO and number:
                came = self._came(queue, row)
                conditions.append((rec.cycle[came], came, VECTOR))
            else:
                field = lo.F_CAPACITY if kind == im.FIFO else lo.Q_CAPACITY
                conditions += self._room(queue, row, rec.constant(queue + field), 0)
        # The group of another thread that came before, once the op itself could have gone on.
        other = latest(rec.element_groups[place,], row)
        if other >= 0 and rec.a[other] != thread:
            conditions.append((rec.cycle[other] + 1, other, SLOT))
        _, cause, what = self._longest(row, conditions, SLOT)
        if what == RAMP_UP:
            self._span(rec.cycle[cause], RAMP_UP, rec.position(row), self._about(cause - 1))
        else:
            self._span(rec.cycle[cause], what, rec.position(row), rec.name_of_op(row))
        return cause

    def _move(self, row: int) -> int:
        rec = self.rec
        node, r, direction, ports = rec.place[row], rec.a[row], rec.b[row] & 7, rec.b[row] >> 3
        came = self._came(rec.router_queue(r, direction), row)
        down = rec.kind[came] == lo.PATH_DOWN
        travel = rec.constant(lo.K_DOWN) - 1 if down else rec.constant(lo.K_HOP)
        conditions: list[_Condition] = [(rec.cycle[came] + travel, came, HOP)]
        before = latest(rec.moves[r,], row)
        opening = latest(rec.openings[r,], row)
        if opening >= 0 and rec.b[opening] >> direction & 1:
            # The move that opened it has its row before.
            opener = latest(rec.moves[r,], opening)
            conditions.append((rec.cycle[opening] + 1, opener, SWITCH))
        if before >= 0:
            conditions.append((rec.cycle[before] + 1, before, LINK))
        for port in range(5):
            if ports >> port & 1:
                conditions += self._port(row, node, r, port)
        _, cause, what = self._longest(row, conditions, LINK)
        if what == HOP and down:
            self._span(rec.cycle[cause], RAMP_DOWN, rec.position(row), self._about(row))
        elif what == HOP:
            towards = im.DIRECTIONS[(direction + 2) & 3]
            text = f"{self._about(cause)} {towards}"
            self._span(rec.cycle[cause], HOP, rec.position(cause), text)
        else:
            text = self._shared(row, cause) if what == LINK else self._about(row)
            self._span(rec.cycle[cause], what, rec.position(row), text)
        return cause

    def _shared(self, row: int, cause: int) -> str:
        """The ports that two moves of a router both use."""
        ports = self.rec.b[row] & self.rec.b[cause]
        names = [name for port, name in enumerate(im.DIRECTIONS) if ports >> 3 + port & 1]
        return " and ".join(names) or self._about(row)

    def _port(self, row: int, node: int, r: int, port: int) -> list[_Condition]:
        """When the port was free, and the target had room."""
        rec = self.rec
        found: list[_Condition] = []
        user = latest(rec.ports[node, port], row)
        if user >= 0:
            free = max(rec.cycle[user] + 1, rec.free.get((user, port), 0) // 8)
            found.append((free, user, LINK))
        if port == im.RAMP:
            queue = rec.a[row + 1]
            return found + self._room(queue, row + 1, rec.constant(queue + lo.Q_CAPACITY), 1)
        target = rec.router_queue(rec.constant(r + lo.R_NEXT + port), (port + 2) & 3)
        return found + self._room(target, row, rec.constant(lo.K_DEPTH), 1)

    def _down(self, row: int) -> int:
        rec = self.rec
        came = self._came(rec.a[row], row)
        conditions: list[_Condition] = [(rec.cycle[came] + rec.latency(came), came, VECTOR)]
        before = latest(rec.downs[rec.place[row],], row)
        if before >= 0:
            conditions.append((rec.cycle[before] + 1, before, LINK))
        capacity = rec.constant(lo.K_DEPTH) + rec.constant(lo.K_DOWN) - 1
        conditions += self._room(rec.router_queue(rec.b[row], im.RAMP), row, capacity, 0)
        _, cause, what = self._longest(row, conditions, LINK)
        text = rec.name_of_op(cause) if what == VECTOR else self._about(row)
        self._span(rec.cycle[cause], what, rec.position(row), text)
        return cause

    def _task(self, row: int, slot: int, queue: int) -> int:
        """A task's start: its word or its activation, or the end of the task before it."""
        rec = self.rec
        place = rec.place[row]
        conditions: list[_Condition] = []
        end = latest(rec.ends[place,], row)
        if end >= 0:
            conditions.append((rec.cycle[end], end, SCALAR))
        if queue >= 0:
            came = self._came(queue, row)
            conditions.append((rec.cycle[came] + rec.constant(lo.K_UP), came, RAMP_UP))
        act = latest(rec.acts[place, slot], row)
        if act >= 0 and rec.b[act] <= rec.cycle[row]:
            conditions.append((rec.b[act], act, TASK))
        if not conditions:
            return -1
        _, cause, what = self._longest(row, conditions, TASK)
        if what == RAMP_UP:
            self._span(rec.cycle[cause], RAMP_UP, rec.position(row), self._about(cause - 1))
        return self._act(cause) if what == TASK else cause

    def _act(self, row: int) -> int:
        rec = self.rec
        source = rec.a[row] >> 8
        if source == HOST:
            if row > 0:
                self._span(rec.cycle[row - 1] + 1, START, rec.position(row), "before the launch")
                self._last(row - 1)
            return row - 1
        if source:
            thread = source - 1
            group = max(
                latest(rec.groups[rec.place[row], thread], row),
                latest(rec.dispatches[rec.place[row], thread], row),
            )
            self._span(rec.cycle[row], VECTOR, rec.position(row), rec.name_of_op(group))
            return group
        self._span(rec.cycle[row], SCALAR, rec.position(row), rec.task(row))
        return self._main(row)

    def _last_group(self, row: int, thread: int) -> int:
        place = self.rec.place[row]
        return max(
            latest(self.rec.groups[place, thread], row),
            latest(self.rec.dispatches[place, thread], row),
        )

    def _main(self, row: int) -> int:
        """Back along the main thread: to its last vector op, its wait, or its task's start."""
        rec = self.rec
        previous = latest(rec.main[rec.place[row],], row)
        if previous < 0:
            return -1
        where, kind, cycle = rec.position(row), rec.kind[previous], rec.cycle[previous]
        if kind == lo.TRACE_OP_END:
            self._span(cycle + 1, SCALAR, where, rec.task(previous))
            group = self._last_group(previous, 0)
            self._span(cycle, VECTOR, where, rec.name_of_op(group))
            return group
        self._span(cycle, SCALAR, where, rec.task(previous))
        if kind == lo.TRACE_TASK:
            return previous
        ready = rec.a[previous]
        end = latest(rec.microthread_ends[rec.place[row],], previous)
        if rec.b[previous] in (im.VECTOR, im.LOAD_DSR) and end >= 0 and rec.cycle[end] >= ready:
            group = self._last_group(end, rec.a[end])
            self._span(rec.cycle[end], MICROTHREAD, where, rec.name_of_op(group))
            return group
        group = latest(rec.element_groups[rec.place[row],], previous)
        if group >= 0 and ready <= rec.cycle[group] < cycle:
            self._span(rec.cycle[group], SLOT, where, rec.name_of_op(group))
            return group
        self._span(ready, SLOT, where, rec.task(previous))
        return self._main(previous)
