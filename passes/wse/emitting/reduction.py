"""Partial sums of the PEs of a line, added up on their way to the PE that keeps them.

With one slot the sums go along a chain to place 0, or in groups to leaders and from leader to leader, where that
is sooner, or along a tree, for few words. With several, slot s goes round the ring and ends at place s:
its neighbour below begins. Slots follow each other downwards, so that a PE which has begun one slot is
near the end of the next one: nobody waits for more than one round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xdsl.ir import Operation, SSAValue

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.fabric import Line, group_size
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.tree import TreePlace, fits


@dataclass(frozen=True)
class Reduction:
    """From `sums` on every PE of a line to the buffer `result` of the PEs that keep a slot."""

    line: Line
    coordinate: str
    length: int
    # PEs that have sums; those beyond pass on what they get.
    parts: int
    slots: int
    # A slot in the buffer of sums: sizes and strides, offset of the first, distance of two.
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    step: int
    sums: str
    result: str
    # Slots that the sums are of at a time.
    count: int
    # What adding is.
    op: str = "add"
    # Places of a group; 0 without groups.
    group: int = 0
    tree: bool = False

    @property
    def words(self) -> int:
        """Words of a slot."""
        count = 1
        for size in self.sizes:
            count *= size
        return count

    @property
    def ring(self) -> bool:
        """Whether there are several slots."""
        return self.slots > 1

    @property
    def way(self) -> str:
        """How sums travel, in a word."""
        if self.ring:
            return "ring"
        return "tree" if self.tree else "groups" if self.group else "chain"

    def role(self, place: int) -> str:
        """What the PE at a place does."""
        if self.ring:
            return "ring" if place < self.parts else "pass"
        if place >= self.parts:
            return "none"
        if self.parts == 1:
            return "only"
        if self.group:
            return self._role_in_group(place)
        if self.tree:
            way = TreePlace(place, self.length)
            return f"tree {way.received} {way.is_last} {way.passes_later} {place == 0}"
        return {0: "root", self.parts - 1: "first"}.get(place, "middle")

    def _role_in_group(self, place: int) -> str:
        """A leader's name says whom it hears: its group, another leader."""
        if place % self.group:
            last = place == self.parts - 1 or place % self.group == self.group - 1
            return "first" if last else "middle"
        if place + self.group >= self.parts:
            return "lone leader" if place + 1 == self.parts else "last leader"
        return "root leader" if place == 0 else "leader"

    def emit(
        self, code: Code, place: int, base: SSAValue | None = None, *, has_sums: bool = True
    ) -> None:
        """Add and pass on, the slots from `base` on; without sums only pass on."""
        role = self.role(place)
        if role == "none":
            return
        if self.ring:
            self._ring(code, base, has_sums=has_sums and role == "ring")
            return
        own = None
        if has_sums:
            own = code.nest(self.sums, self.sizes, self.strides, offset=self.offset)
        result = code.mem(self.result)
        line, words = self.line, self.words
        if role == "only":
            self._begin(code, result, own)
        elif role == "first":
            self._begin(code, code.chain_out(line, words), own)
        elif role.endswith("leader"):
            self._lead(code, role, own)
        elif self.tree:
            self._branch(code, TreePlace(place, self.length), own)
        else:
            dest = result if role == "root" else code.chain_out(line, words)
            self._add(code, dest, code.chain_in(line, words), own)

    def _lead(self, code: Code, role: str, own: Operation | None) -> None:
        """The group's sum, then what the next leader sends, to the leader before."""
        line, words = self.line, self.words
        if role == "lone leader":
            self._begin(code, code.leader_out(line, words), own)
            return
        group = code.chain_in(line, words)
        if role == "last leader" or own is None:
            self._add(code, code.leader_out(line, words), group, own)
            return
        code.op(self.op, own, group, own)
        dest = code.mem(self.result) if role == "root leader" else code.leader_out(line, words)
        code.op(self.op, dest, code.leader_in(line, words), own)

    def _branch(self, code: Code, way: TreePlace, own: Operation | None) -> None:
        """What comes along the tree, then the sum to the place below."""
        assert own is not None
        tile, line, words, count = code.tile, self.line, self.words, way.received
        out = code.mem(self.result)
        if way.place:
            # The command of the last one advances its own router, too.
            advance = way.passes_later and not way.is_last
            out = code.tree_out(line, words, advance=advance)
        if count == 0:
            self._begin(code, out, own)
        elif count == 1:
            self._add(code, out, code.tree_in(line, words), own)
        else:
            # Loaded once: what follows waits for words only.
            dest, first, second = code.dsr("dest"), code.dsr("src0"), code.dsr("src1")
            tile.load_dsr(dest, own)
            tile.load_dsr(first, code.tree_in(line, words))
            tile.load_dsr(second, own)
            for _ in range(count - 1):
                code.op(self.op, dest, first, second)
            tile.load_dsr(dest, out)
            code.op(self.op, dest, first, second)
        if way.is_last:
            code.tree_command(line, "switch_adv")
        if way.puts_back:
            code.tree_command(line, "switch_rst")

    def _ring(self, code: Code, base: SSAValue | None, *, has_sums: bool) -> None:
        tile, line, words = code.tile, self.line, self.words
        out, into = code.chain_out(line, words), code.chain_in(line, words)
        own = None
        if has_sums:
            own = code.nest(self.sums, self.sizes, self.strides, offset=self.offset)
        with tile.for_(0, self.count, kind="i32") as turn:
            slot = tile.alu("sub", self.count - 1, turn)
            if own is not None:
                place = tile.alu("mul", slot, self.step)
                if self.offset:
                    place = tile.alu("add", place, self.offset)
                tile.set_dsd_offset(own, place)
            if base is not None:
                slot = tile.alu("add", slot, base)
            distance = tile.alu("sub", slot, code.place(self.coordinate))
            with tile.if_(tile.alu("eq", distance, 0)) as last:
                self._add(code, code.mem(self.result), into, own)
            with tile.else_(last):
                begins = tile.alu("eq", distance, 1)
                # The neighbour below place 0 is the last place.
                wraps = tile.alu("eq", distance, 1 - self.length)
                with tile.if_(tile.alu("or", begins, wraps)) as first:
                    self._begin(code, out, own)
                with tile.else_(first):
                    self._add(code, out, into, own)

    def _begin(self, code: Code, dest: Operation, own: Operation | None) -> None:
        if own is None:
            code.op("fill", dest, scalar=0.0)
        else:
            code.op("mov", dest, own)

    def _add(self, code: Code, dest: Operation, into: Operation, own: Operation | None) -> None:
        if own is None:
            code.op("mov", dest, into)
        else:
            code.op(self.op, dest, into, own)

    def fastest(self, machine: Constants, lanes: int, *, trees: bool) -> Reduction:
        """In groups or along a tree if that takes fewer cycles."""
        size = group_size(self.length)
        if self.ring or self.parts < 2:
            return self
        ways = [self]
        if self.parts > size:
            ways.append(replace(self, group=size))
        # All places of the line take part, for they switch in turn.
        if trees and fits(self.length) and self.parts == self.length:
            ways.append(replace(self, tree=True))
        return min(ways, key=lambda way: way.predicted(machine, lanes))

    def predicted(self, machine: Constants, lanes: int) -> float:
        """Cycles until the last slot is complete."""
        m = machine
        loads = m.loads(2) + m.vector_issue
        if not self.ring:
            loads += m.fabric_dispatch
            if self.parts == 1:
                return self.words / lanes + loads
            if self.group:
                groups = -(-self.parts // self.group)
                near = m.loads(2) + m.vector_issue + m.stage * (self.group - 1)
                far = (groups - 1) * (m.stage + m.hop * (self.group - 1))
                return loads + near + far + 2 * self.words * m.link_eighths / 8
            if self.tree:
                levels = self.length.bit_length() - 1
                level = self.words * m.link_eighths / 8 + m.stage - m.hop + m.vector_issue
                # The result's DSR, or that of the next place, is loaded between two levels.
                return loads + m.dsr_ready + levels * level + m.hop * (self.length - 1)
            return loads + self.words * m.link_eighths / 8 + m.stage * (self.parts - 1)
        around = m.loads(3) + m.vector_issue + 11 * m.scalar + 3 * m.branch_taken
        each = self.words * m.link_eighths / 8 + around
        return self.slots * each + (m.stage + m.hop) * self.length
