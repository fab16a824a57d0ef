"""Convolutions in blocks of output lines: each takes the slots of the input that its windows reach.

Less of the input and of the sums is in a PE's memory at a time; slots that two blocks take are sent twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.contraction import ContractionEmitter
from pyflame_rt.passes.wse.emitting.geometry import Geometry, bordered
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.multicast import Multicast
from pyflame_rt.passes.wse.emitting.reduction import Reduction
from pyflame_rt.passes.wse.emitting.step import Emitter


@dataclass(frozen=True)
class BlockedEmitter(ContractionEmitter):
    """Emits a convolution in blocks of output lines; a single one is the whole."""

    blocks: int = 1

    @cached_property
    def geometries(self) -> tuple[Geometry, ...]:
        """Of each block."""
        assert self.step.window is not None
        turn = 4 if self.network.dtype == "f16" else 2
        numbers = range(self.blocks)
        return tuple(
            bordered(self.step.window, self.source.value, turn, number, self.blocks)
            for number in numbers
        )

    @cached_property
    def geometry(self) -> Geometry:
        return self.geometries[0]

    @cached_property
    def outputs_form(self) -> bool:
        return False

    @cached_property
    def work(self) -> str:
        return f"{self.stem}_x"

    @cached_property
    def reduction(self) -> Reduction:
        whole = super().reduction
        return replace(whole, count=whole.slots // self.blocks)

    def shrunk(self) -> Emitter | None:
        slots = self.result.value.slots
        for blocks in range(self.blocks + 1, slots + 1):
            if slots % blocks == 0:
                return replace(self, blocks=blocks)
        return None

    def _multicast(self, block: int) -> Multicast:
        g = self.geometries[block]
        return Multicast.bordered(self.source, g, self.work, self.source.value.slots)

    def emit(self, code: Code, x: int, y: int) -> None:
        has_input = self.source.part(x, y) < self.source.value.parts
        has_output = self.result.part(x, y) < self.result.value.parts
        for block, g in enumerate(self.geometries):
            if has_input:
                if has_output:
                    self.clear_borders(code, g)
                self._multicast(block).emit(code, x, y)
            if has_output:
                if has_input:
                    replace(self.product, geometry=g).emit(code)
                base = code.tile.constant(block * self.reduction.count)
                self.reduction.emit(code, self.source.part(x, y), base)
        if has_output and self.result.slot(x, y) < self.result.value.slots:
            self.epilogue.emit(code)

    def predicted(self, machine: Constants) -> float:
        lanes = machine.lanes_16 if self.network.dtype == "f16" else machine.lanes_32
        dtype = self.network.dtype
        total = self.reduction.predicted(machine, lanes) + self.epilogue.predicted(machine, lanes)
        for block in range(self.blocks):
            total += self.border_cycles(machine, self.geometries[block])
            total += self._multicast(block).predicted(machine, dtype)
            total += self.product.predicted(machine, dtype)
        return total
