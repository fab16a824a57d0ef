"""Elementwise steps, where the values lie."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.epilogue import by_feature, by_feature_cycles
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.functions import apply, apply_cycles
from pyflame_rt.passes.wse.emitting.interface import Elementwise, Indices, Network, Placement, Value
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


def same_layout(where: str, *values: Value) -> None:
    """Raise PassFailed unless all values lie on the same PEs in the same order."""
    first = replace(values[0], name="", image=None)
    for value in values[1:]:
        if replace(value, name="", image=None) != first:
            raise PassFailed(
                f"{values[0].name!r} and {value.name!r} are laid out differently",
                where=f"step {where!r}",
            )


def by_part(network: Network, value: Value) -> Indices:
    """[y, x, feature]: which features the part of a PE has, -1 for padding and other PEs."""
    y, x = np.indices((network.rows, network.columns))
    part = x if value.axis == "columns" else y
    feature = part[..., None] * value.part_features + np.arange(value.part_features)
    return np.where((part < value.parts)[..., None] & (feature < value.features), feature, -1)


@dataclass(frozen=True)
class ElementwiseEmitter(Emitter):
    """Emits an `Elementwise`."""

    step: Elementwise

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def result(self) -> Value:
        """The output."""
        return self.network.value(self.step.output)

    @property
    def constants(self) -> str:
        """The buffer of the numbers by feature."""
        return f"{stem_of(self.name)}_c"

    def check(self) -> None:
        """Raise PassFailed for layouts that differ."""
        same_layout(self.name, self.result, *map(self.network.value, self.step.inputs))

    def scratch(self) -> tuple[Scratch, ...]:
        if self.step.constant is None:
            return ()
        return (Scratch(self.constants, self.result.part_features, host=True),)

    def used(self) -> Mapping[Line, Used]:
        return {}

    def role(self, x: int, y: int) -> Hashable:
        lines = Lines(self.result, self.network.columns, self.network.rows)
        return lines.part(x, y) < self.result.parts and lines.slot(x, y) < self.result.slots

    def emit(self, code: Code, x: int, y: int) -> None:
        if not self.role(x, y):
            return
        step, value = self.step, self.result
        out, first = buffer_of(value), buffer_of(step.inputs[0])
        if len(step.inputs) == 2:
            second = code.mem(buffer_of(step.inputs[1]))
            code.op(step.function, code.mem(out), code.mem(first), second)
        elif step.constant is not None:
            features, rows = value.part_features, value.slot_rows
            by_feature(code, step.function, out, self.constants, features, rows, source=first)
        elif step.scalar is not None:
            code.op(step.function, code.mem(out), code.mem(first), scalar=step.scalar)
        else:
            apply(code, step.function, out, source=first, limits=step.limits)

    def predicted(self, machine: Constants) -> float:
        value, m = self.result, machine
        lanes = m.lanes_16 if self.network.dtype == "f16" else m.lanes_32
        elements = value.part_features * value.slot_rows
        loads = m.loads(3)
        if len(self.step.inputs) == 2:
            # Values begin in one class of banks.
            if self.step.function == "mul" and self.network.dtype == "f32":
                lanes = m.lanes_multiply_32
            return m.pair(elements, lanes, clash=True) + loads
        if self.step.constant is not None:
            return by_feature_cycles(m, lanes, value.part_features, value.slot_rows)
        if self.step.scalar is not None:
            return elements / lanes + loads
        return apply_cycles(self.step.function, elements, m, lanes)

    def placements(self) -> tuple[Placement, ...]:
        if self.step.constant is None:
            return ()
        return (Placement(self.step.constant, self.constants, by_part(self.network, self.result)),)
