"""A value on its way from one strip of columns to the next one, eastwards along the rows.

The PEs of a row that have something send it one after the other, the westernmost first; every PE of the next
strip hears all of the row and keeps its own. A sender's router passes on what comes from the west (position 0)
until the one before is done and says so by SWITCH_ADV; then it takes the ramp's words (position 1), and after those it
goes back by itself: so the first sender may begin with the next image whenever it likes.

Over columns the slots stay in their rows and the features of the row are split anew; over rows the parts stay and the
slots are split anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from pyflame_rt.dialects.wse.builder import ProgramBuilder
from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.interface import Value
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import buffer_of, stem_of


@dataclass(frozen=True)
class Crossing:
    """From `source`, on the strip `number`, to `target`, on the one after it."""

    name: str
    number: int
    source: Value
    target: Value

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        x, y = self.source, self.target
        kept = (x.slots, y.slots) if self.by_parts else (x.parts, y.parts)
        same = (x.features, x.rows, x.axis) == (y.features, y.rows, y.axis)
        if not same or kept[0] != kept[1]:
            raise PassFailed(
                "the strips have it on other axes or rows", where=f"step {self.name!r}"
            )

    @property
    def color(self) -> str:
        """The colour: two that alternate."""
        return f"pipe_{('even', 'odd')[self.number % 2]}"

    @property
    def trash(self) -> str:
        """The buffer for what others keep."""
        return f"{stem_of(self.name)}_trash"

    @property
    def by_parts(self) -> bool:
        """Whether features are split anew, not rows."""
        return self.source.axis == "columns"

    @property
    def rows(self) -> int:
        """Rows of PEs that have something to send."""
        return self.source.slots if self.by_parts else self.source.parts

    @property
    def senders(self) -> int:
        """PEs of a row that send."""
        return self.source.parts if self.by_parts else self.source.slots

    @property
    def receivers(self) -> int:
        """PEs of a row that keep something."""
        return self.target.parts if self.by_parts else self.target.slots

    @property
    def _unit(self) -> int:
        """Words of what stays together: a feature of a slot, or a row of a part."""
        return self.source.slot_rows if self.by_parts else self.source.part_features

    def _units(self, value: Value) -> int:
        """Of those, what one PE has."""
        return value.part_features if self.by_parts else value.slot_rows

    @property
    def _by_row(self) -> bool:
        """Whether words go row by row, because the slots differ; else as they lie."""
        return not self.by_parts and self.source.slots != self.target.slots

    @property
    def words(self) -> int:
        """Words of one sender."""
        return self._units(self.source) * self._unit

    def _kept(self, place: int) -> tuple[int, int]:
        """Where what a receiver keeps begins and ends, in words of all that comes."""
        total, each = self.senders * self._units(self.source), self._units(self.target)
        start = min(place * each, total)
        return start * self._unit, min(start + each, total) * self._unit

    # Roles are of PEs (x, y) of a strip.

    def sends(self, x: int, y: int) -> Hashable:
        """What a PE of the first strip does."""
        if x >= self.senders or y >= self.rows:
            return None
        if self.senders == 1:
            return "alone"
        return {0: "first", self.senders - 1: "last"}.get(x, "next")

    def receives(self, x: int, y: int) -> Hashable:
        """What a PE of the second strip does."""
        if x >= self.receivers or y >= self.rows:
            return None
        return self._kept(x)

    def send(self, code: Code, x: int, y: int) -> None:
        """The code of a PE of the first strip."""
        role = self.sends(x, y)
        if role is None:
            return
        name, value = buffer_of(self.source), self.source
        own = code.mem(name)
        if self._by_row:
            own = code.nest_of(name, (value.slot_rows, value.part_features), (1, value.slot_rows))
        code.op("mov", code.pipe_out(self.color, self.words), own)
        if role == "alone":
            return
        # The own router goes on by the first command; the first sender's has but one position. A
        # command that stands alone would be repeated.
        commands = ("switch_adv",) * (2 if role == "next" else 1) + ("nop",)
        word = code.tile.control_word(*commands, ignore=True)
        code.tile.vector("mov32", code.pipe_out(self.color, 1, control=True), scalar=word)

    def receive(self, code: Code, x: int, y: int) -> None:
        """The code of a PE of the second strip."""
        if self.receives(x, y) is None:
            return
        name, value = buffer_of(self.target), self.target
        start, stop = self._kept(x)
        total = self.senders * self.words
        units = (stop - start) // self._unit
        if units < self._units(value):
            # Nobody sends what is behind the last feature or row.
            code.op("fill", code.mem(name), scalar=0.0)
        self._drop(code, start)
        if units:
            dest = code.mem(name, stop - start)
            if not self.by_parts and (self._by_row or units < value.slot_rows):
                dest = code.nest_of(name, (units, value.part_features), (1, value.slot_rows))
            code.op("mov", dest, code.pipe_in(self.color, stop - start))
        self._drop(code, total - stop)

    def _drop(self, code: Code, words: int) -> None:
        if words:
            nowhere = code.mem(self.trash, words, stride=0)
            code.op("mov", nowhere, code.pipe_in(self.color, words))

    def route(self, program: ProgramBuilder, left: int, width: int) -> None:
        """Routes from a strip of that place and width into the next one."""
        rows, color, last = slice(0, self.rows), self.color, self.senders - 1
        program.route(color, (left, rows), ("ramp", "east"))
        if last:
            program.route(
                color, (slice(left + 1, left + last + 1), rows), ("west", "east"), ("ramp", "east"),
                ring_mode=True, pop_mode="pop_on_advance",
            )  # fmt: skip
        if last < width - 1:
            passing = slice(left + last + 1, left + width)
            program.route(color, (passing, rows), ("west", "east"))
        first, end = left + width, left + width + self.receivers - 1
        if end > first:
            program.route(color, (slice(first, end), rows), ("west", ["ramp", "east"]))
        program.route(color, (end, rows), ("west", "ramp"))

    def predicted(self, machine: Constants) -> float:
        """Cycles until the last PE has its own, all being ready."""
        m = machine
        two = m.loads(2) + m.vector_issue
        near = m.ramp_down + m.ramp_up + m.fabric_dispatch + m.hop
        each = self.words * m.link_eighths / 8
        # The words of the next sender wait for the command alone.
        handing = m.loads(1) + m.vector_issue + near if self.senders > 1 else 0.0
        return two + near + m.hop * (self.receivers + self.senders) + self.senders * (
            each + handing
        )  # fmt: skip
