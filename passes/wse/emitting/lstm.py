"""The gates of an LSTM cell, where they lie: the four gates of a unit are on one PE."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.elementwise import same_layout
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.functions import apply, each, each_cycles, sigmoid, tanh
from pyflame_rt.passes.wse.emitting.interface import LstmGates
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


@dataclass(frozen=True)
class LstmEmitter(Emitter):
    """Emits an `LstmGates`: c' = s(f) c + s(i) tanh(g), h = s(o) tanh(c')."""

    step: LstmGates

    @property
    def name(self) -> str:
        return self.step.name

    @cached_property
    def lines(self) -> Lines:
        """How the output lies."""
        value = self.network.value(self.step.output)
        return Lines(value, self.network.columns, self.network.rows)

    @property
    def elements(self) -> int:
        """Numbers of one gate on a PE."""
        return self.lines.value.part_features * self.lines.value.slot_rows

    @property
    def _gates(self) -> str:
        return f"{stem_of(self.name)}_g"

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        step, value = self.step, self.lines.value
        same_layout(
            self.name, value, self.network.value(step.cell), self.network.value(step.new_cell)
        )
        gates = self.network.value(step.gates)
        if gates.grain % 4 or gates.part_features != 4 * value.part_features:
            raise PassFailed(
                "the four gates of a unit are not together", where=f"step {self.name!r}"
            )
        same_layout(self.name, value, replace(gates, features=value.features, grain=value.grain))

    def scratch(self) -> tuple[Scratch, ...]:
        return (Scratch(self._gates, 4 * self.elements),)

    def used(self) -> Mapping[Line, Used]:
        return {}

    def role(self, x: int, y: int) -> Hashable:
        value = self.lines.value
        return self.lines.part(x, y) < value.parts and self.lines.slot(x, y) < value.slots

    def emit(self, code: Code, x: int, y: int) -> None:
        if not self.role(x, y):
            return
        value, count = self.lines.value, self.elements
        rows, units = value.slot_rows, value.part_features
        for gate in range(4):
            given = code.nest_of(
                buffer_of(self.step.gates), (units, rows), (4 * rows, 1), offset=gate * rows
            )
            code.op("mov", code.mem(self._gates, count, offset=gate * count), given)
        each(code, self._gates, sigmoid, 3 * count)
        each(code, self._gates, tanh, count, offset=3 * count)
        entry, output, forget, change = (
            code.mem(self._gates, count, offset=gate * count) for gate in range(4)
        )
        cell, hidden = code.mem(buffer_of(self.step.new_cell)), buffer_of(self.step.output)
        code.op("mul", cell, forget, code.mem(buffer_of(self.step.cell)))
        code.op("mul", change, entry, change)
        code.op("add", cell, cell, change)
        apply(code, "tanh", hidden, source=buffer_of(self.step.new_cell))
        code.op("mul", code.mem(hidden), code.mem(hidden), output)

    def predicted(self, machine: Constants) -> float:
        m, n = machine, self.elements
        lanes = m.lanes_16 if self.network.dtype == "f16" else m.lanes_32
        total = 5 * (n / lanes + m.loads(2)) + 4 * m.loads(3)
        total += 4 * n / m.lanes_multiply_32 + n / lanes
        return total + each_cycles(3 * n, sigmoid, m) + 2 * each_cycles(n, tanh, m)
