"""What a run at trace level "path" recorded, indexed: who put and took the words of every queue, and when.

Rows are (kind, cycle, place, a, b); beside those of the other levels:

    PATH_MOVE     a router's node: route record a moved a word from direction b & 7 to ports b >> 3
    PATH_UP       the same word, when it goes up the ramp: input queue a
    PATH_DOWN     a PE: a word of output queue a came down to route record b
    PATH_GROUP    a PE: thread a executed a group that its own pace allowed from cycle b on
    PATH_OPERAND  a PE: thread a & 15's op has queue or fifo b as operand a >> 4 & 15, of kind a >> 8
    PATH_ACT      a PE: thread (a >> 8) - 1, the main thread (0) or the host acts on task a & 255, from cycle b on
    PATH_WORD     a PE: task a takes the word at the head of input queue b
    PATH_SWITCH   a router's node: the switch of route record a now also receives from directions b
    PATH_LATE     a PE: the main thread issues opcode b, which it could have issued in cycle a

Queues keep the order of words, so the n-th word out is the n-th word in: no word needs a name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Final

from pyflame_rt.backends.wse.sim import image as im
from pyflame_rt.backends.wse.sim import layout as lo
from pyflame_rt.backends.wse.sim.building import Built
from pyflame_rt.errors import ValidationError

HOST: Final = 255
ROUTER_ROWS: Final = (lo.PATH_MOVE, lo.PATH_UP, lo.PATH_SWITCH)
Rows = defaultdict[tuple[int, ...], list[int]]


def latest(rows: list[int], before: int) -> int:
    """The last row before a row, or -1."""
    place = bisect_left(rows, before)
    return rows[place - 1] if place else -1


class Recording:
    """The rows of a run, and lists of row numbers by what they are about.

    Raises ValidationError when rows were dropped, or the run did not record paths.
    """

    def __init__(self, image: im.Image, buffer: im.Int32s, built: Built):
        if buffer[lo.TRACE_LEVEL] < 3:
            raise ValidationError(
                "the run has not recorded what words waited for",
                hint='make the Simulator with trace="path"',
            )
        count = int(buffer[lo.TRACE_COUNT])
        if count > buffer[lo.TRACE_CAPACITY]:
            raise ValidationError(
                f"the recording of {count} rows did not fit",
                hint=f"make the Simulator with trace_rows={count} or more",
            )
        self.image = image
        self.buffer = buffer
        start = int(buffer[lo.TRACE])
        table = buffer[start : start + lo.TRACE_FIELDS * count].reshape(count, -1)
        self.kind, self.cycle, self.place, self.a, self.b = table.T.tolist()
        # Words put in and taken out of a queue; by the queue's place.
        self.puts: Rows = defaultdict(list)
        self.pops: Rows = defaultdict(list)
        # Rows that the main thread's time is read from, dispatches, groups and ends by (PE, thread).
        self.main: Rows = defaultdict(list)
        self.dispatches: Rows = defaultdict(list)
        self.groups: Rows = defaultdict(list)
        self.element_groups: Rows = defaultdict(list)
        self.microthread_ends: Rows = defaultdict(list)
        self.starts: Rows = defaultdict(list)
        self.ends: Rows = defaultdict(list)
        self.acts: Rows = defaultdict(list)
        self.downs: Rows = defaultdict(list)
        # Moves by route record, and by (node, port).
        self.moves: Rows = defaultdict(list)
        self.ports: Rows = defaultdict(list)
        # Openings of switches, by route record.
        self.openings: Rows = defaultdict(list)
        # By dispatch: (operand number, kind, queue or fifo).
        self.operands: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        # By move and port: the first cycle in which a slow link takes the next word.
        self.free: dict[tuple[int, int], int] = {}
        self._tasks = {p: self._program(p).task_names for p in built.elements.values()}
        self._index()

    def constant(self, place: int) -> int:
        """A number of the buffer."""
        return int(self.buffer[place])

    def router_queue(self, r: int, direction: int) -> int:
        """The place of a direction's queue of a route record."""
        return r + lo.R_QUEUES + direction * self.constant(lo.K_QUEUE)

    def position(self, row: int) -> tuple[int, int]:
        """The coordinates of the PE or router of a row."""
        offset = lo.N_NUMBER if self.kind[row] in ROUTER_ROWS else lo.P_NUMBER
        pe = self.constant(self.place[row] + offset)
        return pe % self.image.width, pe // self.image.width

    def colour(self, row: int) -> int:
        """The colour of a move."""
        return self.constant(self.a[row] + lo.R_COLOUR)

    def task(self, row: int) -> str:
        """The name of the task that a PE's main thread ran at a row."""
        start = latest(self.starts[self.place[row],], row + 1)
        return self._tasks[self.place[row]][self.a[start]] if start >= 0 else ""

    def op(self, row: int) -> int:
        """The dispatch of the op that a group or a dispatch belongs to."""
        return latest(self.dispatches[self.place[row], self.a[row]], row + 1)

    def name_of_op(self, row: int) -> str:
        """What a group or a dispatch belongs to: function, microthread, task."""
        dispatch = self.op(row)
        thread = self.a[dispatch]
        on = f" on microthread {thread - 1}" if thread else ""
        return f"@{im.VECTOR_FUNCTIONS[self.b[dispatch]]}{on} in {self.task(dispatch)}"

    def latency(self, group: int) -> int:
        """Cycles from a group to its word being in the output queue."""
        kinds = [kind for _, kind, _ in self.operands[self.op(group)]]
        return 1 + self.constant(lo.K_EXECUTE if im.FABIN in kinds else lo.K_FABRIC_DISPATCH)

    def number(self, rows: list[int], row: int) -> int:
        """The place of a row in a list of rows."""
        return bisect_left(rows, row)

    def _program(self, p: int) -> im.Program:
        return self.image.programs[self.constant(p + lo.P_PROGRAM)]

    def _index(self) -> None:
        for row, (kind, place, a, b) in enumerate(
            zip(self.kind, self.place, self.a, self.b, strict=True)
        ):
            if kind == lo.PATH_MOVE:
                self._index_move(row, place, a, b & 7, b >> 3)
            elif kind == lo.PATH_GROUP:
                self.groups[place, a].append(row)
                self.element_groups[place,].append(row)
                for number, _, queue in self.operands[self.op(row)]:
                    (self.pops if number else self.puts)[queue,].append(row)
            elif kind == lo.PATH_UP:
                self.puts[a,].append(row)
            elif kind == lo.PATH_DOWN:
                self.downs[place,].append(row)
                self.pops[a,].append(row)
                self.puts[self.router_queue(b, im.RAMP),].append(row)
            elif kind == lo.PATH_WORD:
                self.pops[b,].append(row)
            elif kind == lo.PATH_ACT:
                self.acts[place, a & 255].append(row)
            elif kind == lo.PATH_OPERAND:
                dispatch = latest(self.dispatches[place, a & 15], row)
                self.operands[dispatch].append((a >> 4 & 15, a >> 8, b))
            elif kind == lo.PATH_SWITCH:
                self.openings[a,].append(row)
            elif kind == lo.PATH_LATE:
                self.main[place,].append(row)
            elif kind == lo.TRACE_TASK:
                self.main[place,].append(row)
                self.starts[place,].append(row)
            elif kind == lo.TRACE_TASK_END:
                self.ends[place,].append(row)
            elif kind == lo.TRACE_OP:
                self.dispatches[place, a].append(row)
            elif kind == lo.TRACE_OP_END:
                (self.microthread_ends if a else self.main)[place,].append(row)

    def _index_move(self, row: int, node: int, r: int, direction: int, ports: int) -> None:
        self.moves[r,].append(row)
        self.pops[self.router_queue(r, direction),].append(row)
        slow = self.constant(lo.K_LINK)
        for port in range(5):
            if not ports >> port & 1:
                continue
            before = self.ports[node, port][-1] if self.ports[node, port] else -1
            self.ports[node, port].append(row)
            if port == im.RAMP:
                continue
            target = self.constant(r + lo.R_NEXT + port)
            self.puts[self.router_queue(target, (port + 2) & 3),].append(row)
            if slow != 8:
                # In eighths of a cycle, as the router counts.
                used = max(self.free.get((before, port), 0), 8 * self.cycle[row])
                self.free[row, port] = used + slow
