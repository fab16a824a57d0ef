"""Contractions: matrix products and convolutions on weights that stay where they are.

The slots of the input are multicast along their lines, every PE multiplies, and the sums are added up
along the other lines; bias, residual and activation follow on the PE that keeps a slot.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.epilogue import Epilogue
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.geometry import Geometry, geometry, up
from pyflame_rt.passes.wse.emitting.interface import Contraction, Indices, Placement, Value
from pyflame_rt.passes.wse.emitting.machine import CONSTANTS, Constants
from pyflame_rt.passes.wse.emitting.multicast import Multicast
from pyflame_rt.passes.wse.emitting.product import Form, Product
from pyflame_rt.passes.wse.emitting.reduction import Reduction
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


@dataclass(frozen=True)
class ContractionEmitter(Emitter):
    """Emits a `Contraction`."""

    step: Contraction
    # Slots that are worked on at a time: fewer need less memory.
    count: int = 0

    @property
    def name(self) -> str:
        return self.step.name

    @cached_property
    def source(self) -> Lines:
        """How the input lies."""
        value = self.network.value(self.step.input)
        return Lines(value, self.network.columns, self.network.rows)

    @cached_property
    def result(self) -> Lines:
        """How the output lies."""
        value = self.network.value(self.step.output)
        return Lines(value, self.network.columns, self.network.rows)

    @cached_property
    def slots_at_a_time(self) -> int:
        """Slots of the work buffer and the sums."""
        return self.count or self.source.value.slots

    @cached_property
    def geometry(self) -> Geometry:
        """Of the slots that are worked on at a time."""
        source, result = self.source.value, self.result.value
        if self.slots_at_a_time == source.slots:
            return geometry(self.step, source, result, self.network.dtype)
        source, result = self._few(source), self._few(result)
        return geometry(self.step, source, result, self.network.dtype)

    def _few(self, value: Value) -> Value:
        """A value of that many slots."""
        rows = value.slot_rows * self.slots_at_a_time
        return replace(value, rows=rows, slots=self.slots_at_a_time)

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        source, result = self.source, self.result
        x, y = source.value, result.value
        if x.axis == y.axis:
            self.fail(f"input and output are both split over {x.axis}")
        if x.parts > source.length_across or x.slots > source.length_along:
            self.fail(f"the input's {x.parts} parts and {x.slots} slots do not fit the grid")
        if y.parts > result.length_across or y.slots > result.length_along:
            self.fail(f"the output's {y.parts} parts and {y.slots} slots do not fit the grid")
        if self.step.flatten:
            if y.rows != 1:
                self.fail("a flattened input gives one row")
        elif self.step.window is not None:
            if x.image is None or y.image != self.step.window.output(x.image):
                self.fail(f"the output's image is not the window's of {x.image}")
            if x.image[0] % x.slots or (y.image or (1, 1))[0] % y.slots:
                self.fail("slots are whole lines of an image")
        elif x.rows != y.rows:
            self.fail(f"{x.rows} rows give {y.rows}")

    def fail(self, why: str) -> NoReturn:
        """Raise PassFailed."""
        raise PassFailed(why, where=f"step {self.name!r}")

    # The parts.

    @cached_property
    def work(self) -> str:
        """The buffer with all rows of the input."""
        x = self.source.value
        g = self.geometry
        same = x.slots == 1 and g.feature_pitch == x.slot_rows and not g.borders
        return buffer_of(x) if same else f"{self.stem}_x"

    @property
    def stem(self) -> str:
        """What its buffers' names begin with."""
        return stem_of(self.name)

    @cached_property
    def outputs_form(self) -> bool:
        """Whether vectors run over output features."""
        g = self.geometry
        if self.step.flatten:
            return True
        if self.step.window is not None and (g.taps != (1, 1) or g.borders or g.step_right > 1):
            return False
        machine, dtype = CONSTANTS[self.network.machine], self.network.dtype
        over_outputs, over_rows = (
            self._product(form).predicted(machine, dtype) for form in ("outputs", "rows")
        )
        return over_outputs < over_rows

    @cached_property
    def multicast(self) -> Multicast:
        """The input to every PE."""
        return Multicast.bordered(self.source, self.geometry, self.work, self.slots_at_a_time)

    @cached_property
    def product(self) -> Product:
        """What a PE computes."""
        return self._product("outputs" if self.outputs_form else "rows")

    def _product(self, form: Form) -> Product:
        x, y, g = self.source.value, self.result.value, self.geometry
        features, rows = x.part_features, x.rows
        if self.step.flatten:
            features, rows = features * g.feature_pitch, 1
            g = replace(g, feature_pitch=1)
        if self.slots_at_a_time < x.slots:
            rows = x.slot_rows * self.slots_at_a_time
        bias = f"{self.stem}_b" if form == "outputs" and self.step.bias else None
        outputs = y.part_features
        if form == "outputs" and outputs > 2:
            # Vectors of weights follow each other, all in one class of banks.
            outputs = up(outputs, g.turn)
        return Product(
            g, features, outputs, rows, form, self.work, f"{self.stem}_w",
            f"{self.stem}_y", bias,
        )  # fmt: skip

    @cached_property
    def reduction(self) -> Reduction:
        """The sums to where the output lies."""
        y, g = self.result.value, self.geometry
        by_row = self.product.form == "outputs"
        outputs = self.product.outputs
        lines = (y.image[0] if y.image and self.step.window else y.padded_rows) // y.slots
        found = Reduction(
            line=self.result.along,
            coordinate=self.result.slot_coordinate,
            length=self.result.length_along,
            parts=self.source.value.parts,
            slots=y.slots,
            sizes=(y.part_features, lines, 1 if by_row else g.out_width),
            strides=(1, outputs, outputs) if by_row else (g.sum_pitch, g.sum_line, 1),
            offset=self.product.shift,
            step=lines * (outputs if by_row else g.sum_line),
            sums=f"{self.stem}_y",
            result=buffer_of(y),
            count=y.slots if self.slots_at_a_time == self.source.value.slots
            else self.slots_at_a_time,
        )  # fmt: skip
        machine = CONSTANTS[self.network.machine]
        if not self.network.leaders:
            return found
        return found.fastest(machine, self.lanes(machine), trees=self.network.trees)

    @cached_property
    def epilogue(self) -> Epilogue:
        """What happens to a slot of the output."""
        y, step = self.result.value, self.step
        bias = f"{self.stem}_b" if step.bias and not self.outputs_form else None
        return Epilogue(
            buffer_of(y), y.part_features, y.slot_rows, bias,
            buffer_of(step.residual) if step.residual else None, step.activation, step.limits,
        )  # fmt: skip

    def lanes(self, machine: Constants) -> int:
        """Elements a group of an op that does not multiply."""
        return machine.lanes_16 if self.network.dtype == "f16" else machine.lanes_32

    # What the builder asks.

    def scratch(self) -> tuple[Scratch, ...]:
        x, g, p = self.source.value, self.geometry, self.product
        found = [
            Scratch(p.weights, g.taps[0] * g.taps[1] * p.features * p.outputs, odd=True, host=True),
            Scratch(p.sums, p.elements),
        ]
        if not self.multicast.in_place:
            found.append(Scratch(self.work, x.part_features * g.feature_pitch, odd=True))
        if self.step.bias:
            found.append(Scratch(f"{self.stem}_b", p.outputs, odd=True, host=True))
        return tuple(found)

    def shrunk(self) -> Emitter | None:
        x, y = self.source.value, self.result.value
        if self.step.window is not None:
            return None
        if self.step.flatten or x.slots != y.slots or self.outputs_form:
            return None
        for count in range(self.slots_at_a_time - 1, 0, -1):
            if x.slots % count == 0:
                return ContractionEmitter(self.network, self.step, count)
        return None

    def used(self) -> Mapping[Line, Used]:
        x, y = self.source.value, self.result.value
        first = Used(multicast=True, turns=x.slots > 1)
        leaders = self.reduction.group > 0
        chain = (x.parts > 1 or y.slots > 1) and not self.reduction.tree
        second = Used(chain=chain, ring=y.slots > 1, leaders=leaders, tree=self.reduction.tree)
        return {self.source.along: first, self.result.along: second}

    def role(self, x: int, y: int) -> Hashable:
        has_input = self.source.part(x, y) < self.source.value.parts
        has_output = self.result.part(x, y) < self.result.value.parts
        place = self.source.part(x, y)
        keeps = self.result.slot(x, y) < self.result.value.slots
        return (
            self.multicast.role(x, y) if has_input else None,
            (self.reduction.role(place), keeps and self.epilogue.works) if has_output else None,
        )

    def emit(self, code: Code, x: int, y: int) -> None:
        slots = self.source.value.slots
        if self.slots_at_a_time == slots:
            self._pass(code, x, y, None)
        else:
            with code.tile.for_(0, slots, self.slots_at_a_time, kind="i32") as base:
                self._pass(code, x, y, base)
        has_output = self.result.part(x, y) < self.result.value.parts
        if has_output and self.result.slot(x, y) < self.result.value.slots:
            self.epilogue.emit(code)

    def _pass(self, code: Code, x: int, y: int, base: SSAValue | None) -> None:
        has_input = self.source.part(x, y) < self.source.value.parts
        has_output = self.result.part(x, y) < self.result.value.parts
        g = self.geometry
        if has_input:
            if has_output:
                self.clear_borders(code, g)
            self.multicast.emit(code, x, y, base)
        if has_output:
            if has_input:
                self.product.emit(code)
            self.reduction.emit(code, self.source.part(x, y), base)

    def clear_borders(self, code: Code, g: Geometry) -> None:
        """Zeros where no input goes."""
        features = self.source.value.part_features
        for offset, lines, width in g.borders:
            sizes, strides = (features, lines, width), (g.feature_pitch, g.line_pitch, 1)
            border = code.nest(self.work, sizes, strides, offset=offset)
            code.op("fill", border, scalar=0.0)

    def border_cycles(self, machine: Constants, g: Geometry) -> float:
        """Cycles of `clear_borders`."""
        features = self.source.value.part_features
        lanes = machine.lanes_16 if self.network.dtype == "f16" else machine.lanes_32
        return sum(
            features * lines * width / lanes + machine.loads(1) + machine.vector_issue
            for _, lines, width in g.borders
        )

    def predicted(self, machine: Constants) -> float:
        passes = self.source.value.slots // self.slots_at_a_time
        multicast = self.multicast
        if passes > 1:
            multicast = replace(multicast, count=self.source.value.slots)
        lanes = machine.lanes_16 if self.network.dtype == "f16" else machine.lanes_32
        return (
            self.border_cycles(machine, self.geometry)
            + multicast.predicted(machine, self.network.dtype)
            + passes * self.product.predicted(machine, self.network.dtype)
            + self.reduction.predicted(machine, lanes)
            + self.epilogue.predicted(machine, lanes)
        )

    # Where the tensors are.

    def placements(self) -> tuple[Placement, ...]:
        found = [Placement(self.step.weight, self.product.weights, self._weights())]
        if self.step.bias:
            found.append(Placement(self.step.bias, f"{self.stem}_b", self._bias()))
        return tuple(found)

    def _pes(self) -> tuple[Indices, Indices]:
        """[y, x]: the part of the input and of the output."""
        y, x = np.indices((self.network.rows, self.network.columns))
        if self.source.value.axis == "columns":
            return x, y
        return y, x

    def _outputs(self) -> tuple[Indices, NDArray[np.bool_]]:
        """[y, x, output]: its feature, and whether there is one."""
        result = self.result.value
        _, part = self._pes()
        local = np.arange(self.product.outputs)
        out = part[..., None] * result.part_features + local
        inside = (out < result.features) & (part < result.parts)[..., None]
        return out, inside & (local < result.part_features)

    def _weights(self) -> Indices:
        """[y, x, …]: features in the order in which they are taken, then the output's."""
        source, g, p = self.source.value, self.geometry, self.product
        part_in, _ = self._pes()
        out, valid_out = self._outputs()
        feature = part_in[..., None] * source.part_features + np.arange(source.part_features)
        valid_in = (feature < source.features) & (part_in < source.parts)[..., None]
        if self.step.flatten:
            row = np.arange(g.feature_pitch)
            at = feature[..., None] * source.rows + row
            valid = valid_in[..., None] & (row < source.rows)
            at, valid = (a.reshape(*part_in.shape, -1) for a in (at, valid))
            total = source.features * source.rows
            index = out[..., None, :] * total + at[..., None]
            inside = valid[..., None] & valid_out[..., None, :]
        else:
            height, width = g.taps
            columns = [c for group in p.columns() for c in group]
            tap = np.arange(height)[None, :] * width + np.array(columns)[:, None]
            # Column of taps, feature, row of taps, output.
            at = feature[..., None, :, None, None] * height * width
            at = at + tap[:, None, :, None]
            index = out[..., None, None, None, :] * (source.features * height * width) + at
            inside = valid_in[..., None, :, None, None] & valid_out[..., None, None, None, :]
        index = np.where(inside, index, -1)
        return index.reshape(*part_in.shape, -1)

    def _bias(self) -> Indices:
        part_in, _ = self._pes()
        out, inside = self._outputs()
        if self.outputs_form:
            # The sums begin with it on one PE of the line.
            inside = inside & (part_in == 0)[..., None]
        return np.where(inside, out, -1)
