"""A value turned round: the same matrix split over the other axis."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.geometry import Geometry
from pyflame_rt.passes.wse.emitting.interface import Move
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.multicast import Multicast
from pyflame_rt.passes.wse.emitting.reduction import Reduction
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


@dataclass(frozen=True)
class MoveEmitter(Emitter):
    """Emits a `Move`: a contraction whose sums are the features that a PE has of its output's part."""

    step: Move

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

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        x, y = self.source.value, self.result.value
        if x.axis == y.axis or x.features != y.features or x.rows != y.rows:
            raise PassFailed(
                "input and output are not one matrix on two axes", where=f"step {self.name!r}"
            )

    @property
    def _pitch(self) -> int:
        return max(self.source.value.padded_rows, self.result.value.padded_rows)

    @property
    def _work(self) -> str:
        return f"{stem_of(self.name)}_x"

    @cached_property
    def multicast(self) -> Multicast:
        """The input to every PE of its lines."""
        x = self.source.value
        # Only where the rows are and how far apart matters.
        geometry = Geometry(2, x.slot_rows, 1, 1, self._pitch, 0, 1, 1, 1, 1, 1, 1, (1, 1), 1, 1)
        return Multicast.bordered(self.source, geometry, self._work, x.slots)

    @cached_property
    def reduction(self) -> Reduction:
        """What a PE has to where the output lies."""
        y = self.result.value
        return Reduction(
            line=self.result.along,
            coordinate=self.result.slot_coordinate,
            length=self.result.length_along,
            parts=self.source.value.parts,
            slots=y.slots,
            sizes=(y.part_features, y.slot_rows),
            strides=(self._pitch, 1),
            offset=0,
            step=y.slot_rows,
            sums=f"{stem_of(self.name)}_y",
            result=buffer_of(y),
            count=y.slots,
        )

    def _overlap(self, part_in: int, part_out: int) -> tuple[int, int, int]:
        """First feature in the input's part and in the output's, and how many they share."""
        x, y = self.source.value, self.result.value
        start = max(part_in * x.part_features, part_out * y.part_features)
        stop = min((part_in + 1) * x.part_features, (part_out + 1) * y.part_features, x.features)
        count = max(stop - start, 0)
        if not count or part_in >= x.parts or part_out >= y.parts:
            return 0, 0, 0
        return start - part_in * x.part_features, start - part_out * y.part_features, count

    def scratch(self) -> tuple[Scratch, ...]:
        x, y = self.source.value, self.result.value
        return (
            Scratch(self._work, x.part_features * self._pitch),
            Scratch(self.reduction.sums, y.part_features * self._pitch, odd=True),
        )

    def used(self) -> Mapping[Line, Used]:
        x, y = self.source.value, self.result.value
        first = Used(multicast=True, turns=x.slots > 1)
        second = Used(chain=x.parts > 1 or y.slots > 1, ring=y.slots > 1)
        return {self.source.along: first, self.result.along: second}

    def role(self, x: int, y: int) -> Hashable:
        part_in, part_out = self.source.part(x, y), self.result.part(x, y)
        has_input = part_in < self.source.value.parts
        has_output = part_out < self.result.value.parts
        return (
            self.multicast.role(x, y) if has_input else None,
            self.reduction.role(part_in) if has_output else None,
            self._overlap(part_in, part_out),
        )

    def emit(self, code: Code, x: int, y: int) -> None:
        part_in, part_out = self.source.part(x, y), self.result.part(x, y)
        if part_in < self.source.value.parts:
            self.multicast.emit(code, x, y)
        if part_out >= self.result.value.parts:
            return
        start, at, count = self._overlap(part_in, part_out)
        pitch, sums = self._pitch, self.reduction.sums
        if count < self.result.value.part_features and count:
            code.op("fill", code.mem(sums), scalar=0.0)
        if count:
            code.op(
                "mov", code.mem(sums, count * pitch, offset=at * pitch),
                code.mem(self._work, count * pitch, offset=start * pitch),
            )  # fmt: skip
        self.reduction.emit(code, part_in, has_sums=count > 0)

    def predicted(self, machine: Constants) -> float:
        lanes = machine.lanes_16 if self.network.dtype == "f16" else machine.lanes_32
        copy = self.result.value.part_features * self._pitch / lanes + machine.loads(2)
        return (
            self.multicast.predicted(machine, self.network.dtype) + copy
            + self.reduction.predicted(machine, lanes)
        )  # fmt: skip
