"""One vector a PE, added up (or its maximum) over the parts of a value; all of them get the result.

A chain to place 0, which multicasts it. All PEs of the line hear the multicast, those without a part as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import Lines


@dataclass(frozen=True)
class AllReduce:
    """Over the line on which the parts of a value are."""

    lines: Lines

    @property
    def parts(self) -> int:
        """PEs that have something."""
        return self.lines.value.parts

    def role(self, x: int, y: int) -> str:
        """What PE (x, y) does."""
        place = self.lines.part(x, y)
        if self.lines.slot(x, y) >= self.lines.value.slots:
            return "none"
        if self.parts == 1:
            return "only" if place == 0 else "none"
        if place >= self.parts:
            return "listener"
        return {0: "root", self.parts - 1: "first"}.get(place, "middle")

    def emit(self, code: Code, x: int, y: int, op: str, buffer: str, length: int) -> None:
        """buffer[:length] <- op over all PEs' of it."""
        role, line = self.role(x, y), self.lines.across
        if role in ("none", "only"):
            return
        own = code.mem(buffer, length)
        if role == "root":
            code.op(op, own, code.chain_in(line, length), own)
            code.op("mov", code.send(line, length), own)
            return
        if role == "first":
            code.op("mov", code.chain_out(line, length), own)
        elif role == "middle":
            code.op(op, code.chain_out(line, length), code.chain_in(line, length), own)
        code.op("mov", own, code.receive(line, length))

    def predicted(self, machine: Constants, length: int) -> float:
        """Cycles until all have it."""
        if self.parts == 1:
            return 0.0
        m = machine
        loads = m.loads(2)
        trip = m.ramp_down + m.ramp_up + m.fabric_dispatch + m.hop * (self.lines.length_across - 1)
        return 2 * (loads + length * m.link_eighths / 8) + m.stage * (self.parts - 1) + trip
