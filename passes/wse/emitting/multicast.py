"""The slots of a value to every PE of their line, into a work buffer of all rows."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.geometry import Geometry
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import Lines, buffer_of


@dataclass(frozen=True)
class Multicast:
    """From the value's own buffer to `work`; the same buffer when a single slot needs no borders."""

    lines: Lines
    work: str
    # Slots that the work buffer has at a time.
    count: int
    # A slot in the work buffer: sizes and strides, offset of the first, distance of two.
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    origin: int
    step: int
    # The first of them, when others have been skipped: those senders hand over at once.
    first: int = 0
    # The last sender before the switches are put back, if not the last slot.
    last: int | None = None

    @classmethod
    def bordered(cls, lines: Lines, geometry: Geometry, work: str, count: int) -> Multicast:
        """Into features of a pitch and borders."""
        g, last = geometry, lines.value.slots - 1
        first = 0
        if g.slots is not None:
            first, last = g.slots
            count = last + 1 - first
        return cls(
            lines, work, count, (lines.value.part_features, g.slot_lines, g.width),
            (g.feature_pitch, g.line_pitch, 1), g.origin, g.slot_lines * g.line_pitch, first, last,
        )  # fmt: skip

    @property
    def alone(self) -> bool:
        """Whether there is nobody to send to."""
        return self.lines.length_along == 1

    @property
    def in_place(self) -> bool:
        """Whether the work buffer is the value's."""
        return self.work == buffer_of(self.lines.value)

    @property
    def words(self) -> int:
        """Words of a slot."""
        value = self.lines.value
        return value.part_features * value.slot_rows

    def role(self, x: int, y: int) -> str:
        """Who sends: known before the start for a single slot, else found out at run time."""
        if self.lines.value.slots > 1:
            return "any"
        return "sender" if self.lines.slot(x, y) == 0 else "receiver"

    def emit(self, code: Code, x: int, y: int, base: SSAValue | None = None) -> None:
        """Send or receive each slot in turn, from slot `base` on."""
        value, tile, line = self.lines.value, code.tile, self.lines.along
        if value.slots == 1:
            own = self.role(x, y) == "sender"
            if not self.alone:
                if own:
                    code.op("mov", code.send(line, self.words), code.mem(buffer_of(value)))
                else:
                    code.op("mov", self._into(code), code.receive(line, self.words))
            if own and not self.in_place:
                code.op("mov", self._into(code), code.mem(buffer_of(value)))
            return
        into = self._into(code)
        if self.first:
            skipped = tile.alu("lt", code.place(self.lines.slot_coordinate), self.first)
            with tile.if_(skipped):
                self._command(code, "switch_adv", "switch_adv")
        with tile.for_(0, self.count, kind="i32") as turn:
            place = tile.alu("mul", turn, self.step)
            if self.origin:
                place = tile.alu("add", place, self.origin)
            tile.set_dsd_offset(into, place)
            slot = turn
            if base is not None or self.first:
                slot = tile.alu("add", turn, self.first if base is None else base)
            own = tile.alu("eq", slot, code.place(self.lines.slot_coordinate))
            with tile.if_(own) as mine:
                code.op("mov", code.send(line, self.words), code.mem(buffer_of(value)))
                self._hand_over(code, slot)
                code.op("mov", into, code.mem(buffer_of(value)))
            with tile.else_(mine):
                code.op("mov", into, code.receive(line, self.words))

    def copy(self, code: Code) -> None:
        """What a PE has itself, for a single slot that nobody else needs."""
        code.op("mov", self._into(code), code.mem(buffer_of(self.lines.value)))

    def _into(self, code: Code) -> Operation:
        return code.nest(self.work, self.sizes, self.strides, offset=self.origin)

    def _hand_over(self, code: Code, slot: SSAValue) -> None:
        """The next slot's turn, or all switches as they were."""
        tile = code.tile
        last = self.lines.value.slots - 1 if self.last is None else self.last
        with tile.if_(tile.alu("eq", slot, last)) as end:
            self._command(code, "switch_rst")
        with tile.else_(end):
            self._command(code, "switch_adv", "switch_adv")

    def _command(self, code: Code, *commands: str) -> None:
        word = code.tile.control_word(*commands, ignore=True)
        code.tile.vector("mov32", code.send(self.lines.along, 1, kind="control"), scalar=word)

    def predicted(self, machine: Constants, dtype: str = "f32") -> float:
        """Cycles until the last PE has all."""
        value, m = self.lines.value, machine
        lanes = m.lanes_16 if dtype == "f16" else m.lanes_32
        two = m.loads(2) + m.vector_issue
        trip = m.ramp_down + m.ramp_up + m.fabric_dispatch + m.hop * (self.lines.length_along - 1)
        copy = 0.0 if self.in_place else two + self.words / lanes
        if self.alone:
            return copy
        rate = m.link_eighths / 8
        loop = 2 * m.scalar + m.branch_taken
        if value.slots == 1:
            return two + trip + self.words * rate
        # A sender has what the last one sent before it begins.
        near = m.ramp_down + m.ramp_up + m.fabric_dispatch + m.hop + m.execute
        each = two + self.words * rate + near + loop + 3 * m.scalar + m.branch_not_taken
        command = m.loads(1) + 2 * m.branch_taken + 2 * m.scalar
        # Nobody gets the next slot before the last sender has copied its own.
        return self.count * each + (self.count - 1) * copy + max(trip, command + copy) + loop
