"""Which of the 64 registers each value of a task is in.

Liveness over the task's rows gives what is alive together; copies whose ends are never alive together
become one register; what is left is coloured in the order in which it appears. Tasks run to their
end, so values of different tasks share registers; variables and parameters keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pyflame_rt.backends.wse.loading.code import ENDS, Code, Place, Register, Row
from pyflame_rt.backends.wse.sim import image as im


class OutOfRegisters(Exception):
    """More values are alive at once than there are registers."""

    def __init__(self, needed: int):
        super().__init__(f"more than {needed} values are alive at once")


def assign(code: Code, kept: Iterable[Register]) -> dict[Register, int]:
    """A number for each register of the code; those `kept` have one and outlive the task.

    Raises OutOfRegisters.
    """
    kept = tuple(kept)
    graph = _Graph(code, kept)
    reserved = {register.fixed for register in kept}
    try:
        return graph.coloured(graph.merged(), reserved)
    except OutOfRegisters:
        return graph.coloured({}, reserved)


class _Graph:
    """Which registers of a task are alive together."""

    def __init__(self, code: Code, kept: tuple[Register, ...]):
        rows = [row for row in code.rows if isinstance(row, Row)]
        self.rows = rows
        order = list(dict.fromkeys((*kept, *_all_registers(rows))))
        self.order = order
        self.bits = {register: 1 << number for number, register in enumerate(order)}
        after = _alive_after(code, rows, self.bits, kept)
        self.neighbours = dict.fromkeys(order, 0)
        for row, alive in zip(rows, after, strict=True):
            written = row.written
            if written is None:
                continue
            others = alive & ~self.bits[written]
            if row.opcode == im.MOVE:
                # A copy and its source hold the same.
                others &= ~self.bits[row.read[0]]
            self.neighbours[written] |= others
            for other in _members(others):
                self.neighbours[order[other]] |= self.bits[written]

    def merged(self) -> dict[Register, Register]:
        """Registers of copies that can be one: each to the one that stands for it."""
        stands: dict[Register, Register] = {}
        masks = dict(self.neighbours)
        members = dict(self.bits)
        for row in self.rows:
            if row.opcode != im.MOVE or not row.read or row.written is None:
                continue
            to, source = _root(stands, row.written), _root(stands, row.read[0])
            if to is source or (to.fixed is not None and source.fixed is not None):
                continue
            if masks[to] & members[source] or masks[source] & members[to]:
                continue
            keep, gone = (source, to) if source.fixed is not None else (to, source)
            stands[gone] = keep
            masks[keep] |= masks[gone]
            members[keep] |= members[gone]
        return stands

    def coloured(
        self, stands: dict[Register, Register], reserved: set[int | None]
    ) -> dict[Register, int]:
        """Numbers such that registers alive together differ."""
        numbers: dict[Register, int] = {}
        groups: dict[Register, int] = {}
        for register in self.order:
            root = _root(stands, register)
            groups[root] = groups.get(root, 0) | self.neighbours[register]
        for root in groups:
            if root.fixed is not None:
                numbers[root] = root.fixed
        for root, others in groups.items():
            if root.fixed is not None:
                continue
            taken = {numbers.get(_root(stands, self.order[other])) for other in _members(others)}
            free = (n for n in range(im.REGISTERS) if n not in taken and n not in reserved)
            number = next(free, None)
            if number is None:
                raise OutOfRegisters(im.REGISTERS - len(reserved))
            numbers[root] = number
        return {register: numbers[_root(stands, register)] for register in self.order}


def _alive_after(
    code: Code, rows: list[Row], bits: dict[Register, int], kept: tuple[Register, ...]
) -> list[int]:
    """For each row the registers that are read after it before they are written, as bits."""
    places: dict[Place, int] = {}
    number = 0
    for row in code.rows:
        if isinstance(row, Place):
            places[row] = number
        else:
            number += 1
    outlive = sum(bits[register] for register in kept)
    before = [0] * (len(rows) + 1)
    before[-1] = outlive
    after = [0] * len(rows)
    changed = True
    while changed:
        changed = False
        for place in range(len(rows) - 1, -1, -1):
            row = rows[place]
            alive = outlive if row.opcode in ENDS else 0
            if row.opcode not in (*ENDS, im.JUMP):
                alive |= before[place + 1]
            for target in row.targets:
                alive |= before[places[target]]
            after[place] = alive
            if row.written is not None:
                alive &= ~bits[row.written]
            for register in row.read:
                alive |= bits[register]
            changed |= alive != before[place]
            before[place] = alive
    return after


def _all_registers(rows: Iterable[Row]) -> Iterator[Register]:
    for row in rows:
        yield from row.read
        if row.written is not None:
            yield row.written


def _root(stands: dict[Register, Register], register: Register) -> Register:
    while register in stands:
        register = stands[register]
    return register


def _members(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
