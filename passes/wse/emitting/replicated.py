"""Convolutions of an image of few channels, which are one part: every PE has all of it.

Each slot is first multicast along the line of parts, so that all lines of slots have it, and along those as ever. A
PE then computes its own slot of the output alone: no sums travel, and all PEs have work where the one
part's line of PEs would have had it all.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.contraction import ContractionEmitter
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.geometry import Geometry, bordered, up
from pyflame_rt.passes.wse.emitting.interface import Indices
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import Emitter, buffer_of


@dataclass(frozen=True)
class ReplicatedEmitter(ContractionEmitter):
    """Emits a convolution whose input has one part and whose output has several slots."""

    @cached_property
    def geometry(self) -> Geometry:
        """Of the whole image, and of the sums of one slot."""
        assert self.step.window is not None
        x, y = self.source.value, self.result.value
        turn = 4 if self.network.dtype == "f16" else 2
        g = bordered(self.step.window, x, turn)
        lines = g.out_lines // y.slots
        sum_line = g.out_width
        while lines * sum_line % turn:
            sum_line += 1
        reach = (g.taps[1] - 1) * g.tap_right + 1
        wanted = up(max(g.line_pitch, (sum_line - 1) * g.step_right + reach), turn)
        if wanted > g.line_pitch:
            # Lines long enough for sums that nobody reads: as if there were more zeros to the right.
            pads = self.step.window.pads
            wider = pads[3] + wanted - g.line_pitch
            window = replace(self.step.window, pads=(*pads[:3], wider))
            g = replace(bordered(window, x, turn), out_width=g.out_width)
        return replace(g, out_lines=lines, sum_line=sum_line, sum_pitch=lines * sum_line)

    @cached_property
    def outputs_form(self) -> bool:
        return False

    @cached_property
    def work(self) -> str:
        return f"{self.stem}_x"

    def shrunk(self) -> Emitter | None:
        return None

    def used(self) -> Mapping[Line, Used]:
        x = self.source.value
        return {
            self.source.along: Used(multicast=True, turns=x.slots > 1),
            self.source.across: Used(multicast=True),
        }

    def role(self, x: int, y: int) -> Hashable:
        part, slot = self.source.part(x, y), self.source.slot(x, y)
        return (
            part == 0, slot < self.source.value.slots, self.multicast.role(x, y), self._works(x, y)
        )  # fmt: skip

    def _works(self, x: int, y: int) -> bool:
        result = self.result
        return result.part(x, y) < result.value.parts and result.slot(x, y) < result.value.slots

    def emit(self, code: Code, x: int, y: int) -> None:
        g, words = self.geometry, self.multicast.words
        own = code.mem(buffer_of(self.source.value))
        if self.source.slot(x, y) < self.source.value.slots and self.source.length_across > 1:
            if self.source.part(x, y) == 0:
                code.op("mov", code.send(self.source.across, words), own)
            else:
                code.op("mov", own, code.receive(self.source.across, words))
        self.clear_borders(code, g)
        self.multicast.emit(code, x, y)
        if not self._works(x, y):
            return
        self.product.emit(code, self._first(code))
        y_value = self.result.value
        sizes = y_value.part_features, g.out_lines, g.out_width
        sums = code.nest_of(
            self.product.sums, sizes, (g.sum_pitch, g.sum_line, 1), offset=self.product.shift
        )
        code.op("mov", code.mem(buffer_of(y_value)), sums)
        self.epilogue.emit(code)

    def _first(self, code: Code) -> SSAValue:
        place = code.place(self.result.slot_coordinate)
        return code.tile.alu("mul", place, self.geometry.out_lines * self.geometry.step_down)

    def predicted(self, machine: Constants) -> float:
        m, words = machine, self.multicast.words
        lanes = m.lanes_16 if self.network.dtype == "f16" else m.lanes_32
        trip = m.ramp_down + m.ramp_up + m.fabric_dispatch + m.hop * (self.source.length_across - 1)
        copy = self.result.value.part_features * self.result.value.slot_rows / lanes + m.loads(2)
        return (
            words * m.link_eighths / 8 + m.loads(2) + trip + copy
            + self.border_cycles(m, self.geometry)
            + self.multicast.predicted(m, self.network.dtype)
            + self.product.predicted(m, self.network.dtype)
            + self.epilogue.predicted(m, lanes)
        )  # fmt: skip

    def _pes(self) -> tuple[Indices, Indices]:
        """Every PE has the weights of the one part."""
        part_in, part_out = super()._pes()
        return np.zeros_like(part_in), part_out
