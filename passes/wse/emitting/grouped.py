"""Convolutions in groups, depthwise ones for instance: the groups lie where their input does.

Every PE of a line of slots gets all lines of the image, with borders, and computes its own slot of the output for the
groups of its part: no sums travel. A vector of pixels is added up for one output feature at a time, over the
input features of its group and the taps.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from xdsl.ir import Operation, SSAValue

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.interface import Indices
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.product import groups_cycles, times_by_index
from pyflame_rt.passes.wse.emitting.replicated import ReplicatedEmitter
from pyflame_rt.passes.wse.emitting.step import Scratch, buffer_of


@dataclass(frozen=True)
class GroupedEmitter(ReplicatedEmitter):
    """Emits a `Contraction` with a window and several groups; input and output are split over one axis."""

    @property
    def sizes(self) -> tuple[int, int]:
        """Input and output features of a group."""
        groups = self.step.groups
        return self.source.value.features // groups, self.result.value.features // groups

    @property
    def taps(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        return self.geometry.taps

    @property
    def one_slot(self) -> bool:
        """Whether nobody else needs a PE's input."""
        return self.source.value.slots == 1 and self.result.value.slots == 1

    @property
    def shift(self) -> int:
        """Where sums begin at the end, in elements of their buffer."""
        return self.geometry.turn // 2 if self.columns()[1] else 0

    def columns(self) -> list[list[int]]:
        """Columns of taps by the class of banks of their reads."""
        found: list[list[int]] = [[], []]
        for column in range(self.taps[1]):
            found[self.geometry.tap_class(column)].append(column)
        return found

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        x, y = self.source.value, self.result.value
        window = self.step.window
        if window is None or x.image is None or y.image is None:
            self.fail("input and output are no images")
        if y.image != window.output(x.image):
            self.fail(f"the output's image is not the window's of {x.image}")
        if x.image[0] % x.slots or y.image[0] % y.slots:
            self.fail("slots are whole lines of an image")
        taken, made = self.sizes
        same = x.axis == y.axis and x.parts == y.parts
        whole = x.part_features % taken == 0 and y.part_features % made == 0
        if not same or not whole or x.part_features // taken != y.part_features // made:
            self.fail("a part has no whole groups")
        if x.slots > self.source.length_along or y.slots > self.result.length_along:
            self.fail("the slots do not fit the grid")

    @property
    def _sums(self) -> str:
        return f"{self.stem}_y"

    @property
    def _weights_name(self) -> str:
        return f"{self.stem}_w"

    def scratch(self) -> tuple[Scratch, ...]:
        x, y, g = self.source.value, self.result.value, self.geometry
        each = self.sizes[0] * self.taps[0] * self.taps[1]
        found = [
            Scratch(self._weights_name, each * y.part_features, odd=True, host=True),
            Scratch(self._sums, g.sum_pitch + self.shift),
            Scratch(self.work, x.part_features * g.feature_pitch, odd=True),
        ]
        if self.step.bias:
            found.append(Scratch(f"{self.stem}_b", y.part_features, odd=True, host=True))
        return tuple(found)

    def used(self) -> Mapping[Line, Used]:
        if self.one_slot:
            return {}
        return {self.source.along: Used(multicast=True, turns=self.source.value.slots > 1)}

    def role(self, x: int, y: int) -> Hashable:
        if self.source.part(x, y) >= self.source.value.parts:
            return None
        if self.one_slot:
            return self.source.slot(x, y) == 0
        return self.multicast.role(x, y), self.result.slot(x, y) < self.result.value.slots

    def emit(self, code: Code, x: int, y: int) -> None:
        role = self.role(x, y)
        if role is None or role is False:
            return
        self.clear_borders(code, self.geometry)
        if self.one_slot:
            self.multicast.copy(code)
        else:
            self.multicast.emit(code, x, y)
        if self.result.slot(x, y) < self.result.value.slots:
            self._features(code)
            self.epilogue.emit(code)

    def _features(self, code: Code) -> None:
        """Each output feature after the other."""
        g, tile, value = self.geometry, code.tile, self.result.value
        taken, made = self.sizes
        pixels = code.nest(self.work, (g.out_lines, g.sum_line), (g.step_down, g.step_right))
        out = code.mem_moving(buffer_of(value), value.slot_rows)
        start = g.first_tap
        place = None
        if value.slots > 1:
            place = code.place(self.result.slot_coordinate)
            place = tile.alu("mul", place, g.out_lines * g.step_down)
        tile.set_dsd_offset(pixels, start if place is None else tile.alu("add", place, start))
        tile.set_dsd_offset(out, 0)
        count = taken * self.taps[0] * self.taps[1]
        with tile.for_(0, value.part_features // made, kind="i32") as group:
            first = tile.alu("mul", group, made * count)
            with tile.for_(0, made, kind="i32") as feature:
                weight = first if made == 1 else tile.alu(
                    "add", first, tile.alu("mul", feature, count)
                )  # fmt: skip
                self._sum(code, pixels, weight)
                sums = code.nest_of(
                    self._sums, (g.out_lines, g.out_width), (g.sum_line, 1), offset=self.shift
                )
                code.op("mov", out, sums)
                tile.increment_dsd_offset(out, value.slot_rows)
            tile.increment_dsd_offset(pixels, taken * g.feature_pitch)

    def _sum(self, code: Code, pixels: Operation, weight: SSAValue) -> None:
        """The sums of one output feature; the pixels' DSD is where it was at the end."""
        g, tile = self.geometry, code.tile
        weights = code.buffer(self._weights_name)
        taken = self.sizes[0]
        size = g.sum_pitch
        code.op("fill", code.mem(self._sums, size), scalar=0.0)
        dest, first, second = code.dsr("dest"), code.dsr("src0"), code.dsr("src1")
        at = 0
        for group, columns in enumerate(self.columns()):
            shift = group * (g.turn // 2)
            if group and columns:
                # From the end on, for the two overlap.
                code.op(
                    "mov", code.mem(self._sums, size, stride=-1, offset=size - 1 + shift),
                    code.mem(self._sums, size, stride=-1, offset=size - 1),
                )  # fmt: skip
            if not columns:
                continue
            sums = code.mem(self._sums, size, offset=shift)
            tile.load_dsr(dest, sums)
            tile.load_dsr(first, sums)
            taps = [(row, column) for column in columns for row in range(self.taps[0])]
            with times_by_index(code, taken) as index:
                base = weight
                if index is not None:
                    base = tile.alu("add", weight, tile.alu("mul", index, len(taps)))
                before = 0
                for number, (row, column) in enumerate(taps):
                    offset = row * g.tap_down + column * g.tap_right
                    if offset != before:
                        tile.increment_dsd_offset(pixels, offset - before)
                    before = offset
                    tile.load_dsr(second, pixels)
                    element = tile.load(weights, tile.alu("add", base, at + number))
                    code.op("fmac", dest, first, second, scalar=element)
                back = g.feature_pitch - before if taken > 1 else -before
                if back:
                    tile.increment_dsd_offset(pixels, back)
            if taken > 1:
                tile.increment_dsd_offset(pixels, -taken * g.feature_pitch)
            at += taken * len(taps)

    def predicted(self, machine: Constants) -> float:
        m, g, value = machine, self.geometry, self.result.value
        lanes = self.lanes(m)
        vector = groups_cycles(g.sum_pitch, m.rate(self.network.dtype)) + m.vector_issue
        taps = self.sizes[0] * self.taps[0] * self.taps[1]
        each = taps * (vector + m.loads(1) + 5 * m.scalar)
        each += 2 * m.loads(2) + m.loads(1) + (g.sum_pitch + value.slot_rows) / lanes
        if self.shift:
            each += 2 * m.loads(2) + g.sum_pitch / lanes
        total = value.part_features * (each + 2 * (2 * m.scalar + m.branch_taken))
        total += self.border_cycles(m, g) + self.epilogue.predicted(m, lanes)
        if self.one_slot:
            return total + self.multicast.words / lanes + m.loads(2)
        return total + self.multicast.predicted(m, self.network.dtype)

    # Where the tensors are.

    def _outputs_here(self) -> Indices:
        """[y, x, output]: its feature, -1 where there is none."""
        value = self.result.value
        y, x = np.indices((self.network.rows, self.network.columns))
        part = x if value.axis == "columns" else y
        out = part[..., None] * value.part_features + np.arange(value.part_features)
        return np.where((out < value.features) & (part < value.parts)[..., None], out, -1)

    def _weights(self) -> Indices:
        """[y, x, …]: by output, class of banks, input of the group, column, row."""
        out, taken = self._outputs_here(), self.sizes[0]
        height, width = self.taps
        parts: list[Indices] = []
        for columns in self.columns():
            taps = [row * width + column for column in columns for row in range(height)]
            inputs = np.arange(taken)[:, None] * height * width
            parts.append((inputs + np.array(taps, np.int64)).reshape(-1))
        within = np.concatenate(parts)
        index = out[..., None] * (taken * height * width) + within
        index = np.where((out >= 0)[..., None], index, -1)
        return index.reshape(*out.shape[:2], -1)

    def _bias(self) -> Indices:
        return self._outputs_here()
