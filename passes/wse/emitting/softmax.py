"""Softmax and layer normalization over the features of each row, which are split over a line of PEs.

A PE folds its own features by halves, the line adds up (or takes the maximum of) one vector of rows, and what
comes back is applied to all features. Features of padding are made neutral first by numbers by feature, which
the host places.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.passes.wse.emitting.allreduce import AllReduce
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.elementwise import by_part, same_layout
from pyflame_rt.passes.wse.emitting.epilogue import by_feature, by_feature_cycles
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.functions import (
    FUNCTIONS,
    each,
    each_cycles,
    exp,
    logarithm,
    reciprocal,
)
from pyflame_rt.passes.wse.emitting.halving import halve, halve_cycles
from pyflame_rt.passes.wse.emitting.interface import LayerNorm, Placement, Softmax
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


@dataclass(frozen=True)
class RowEmitter(Emitter):
    """What both have in common."""

    step: Softmax | LayerNorm

    @property
    def name(self) -> str:
        return self.step.name

    @cached_property
    def lines(self) -> Lines:
        """How the values lie."""
        value = self.network.value(self.step.output)
        return Lines(value, self.network.columns, self.network.rows)

    @cached_property
    def all(self) -> AllReduce:
        """Over the parts."""
        return AllReduce(self.lines)

    @property
    def stem(self) -> str:
        """What its buffers' names begin with."""
        return stem_of(self.name)

    @property
    def features(self) -> int:
        """Features of a part."""
        return self.lines.value.part_features

    @property
    def rows(self) -> int:
        """Rows of a slot."""
        return self.lines.value.slot_rows

    @property
    def padded(self) -> bool:
        """Whether some part has features of padding."""
        value = self.lines.value
        return value.features != value.parts * value.part_features

    @property
    def mask(self) -> str:
        """The tensor, and buffer, that makes padding neutral."""
        return f"{self.stem}_m"

    def check(self) -> None:
        """Raise PassFailed for layouts that differ."""
        same_layout(self.name, self.lines.value, self.network.value(self.step.input))

    def used(self) -> Mapping[Line, Used]:
        several = self.all.parts > 1
        return {self.lines.across: Used(multicast=several, chain=several)}

    def scratch(self) -> tuple[Scratch, ...]:
        own = (Scratch(f"{self.stem}_t", self.features * self.rows),)
        mask = (Scratch(self.mask, self.features, host=True),) if self.padded else ()
        return (*own, *mask)

    def role(self, x: int, y: int) -> Hashable:
        return self.all.role(x, y)

    def emit(self, code: Code, x: int, y: int) -> None:
        role = self.all.role(x, y)
        if role != "none":
            self.body(code, x, y, works=role != "listener")

    @abstractmethod
    def body(self, code: Code, x: int, y: int, *, works: bool) -> None:
        """The code of a PE that has a part, or that only hears."""

    def placements(self) -> tuple[Placement, ...]:
        if not self.padded:
            return ()
        value = self.lines.value
        # Every feature has the first number, padding the second one.
        part = by_part(self.network, value)
        lines = np.arange(value.part_features)
        return (Placement(self.mask, self.mask, np.where(part >= 0, 0, 1) + 0 * lines),)

    def constants_of_its_own(self) -> Mapping[str, NDArray[np.float32]]:
        return {self.mask: self.mask_values()} if self.padded else {}

    @abstractmethod
    def mask_values(self) -> NDArray[np.float32]:
        """The number of a feature and that of padding."""

    # Pieces of code.

    def fold(self, code: Code, x: int, y: int, op: str, source: str, *, works: bool) -> None:
        """The scratch buffer's first row <- op over all features of the source, on all PEs."""
        temporary = f"{self.stem}_t"
        if works:
            if source != temporary:
                code.op("mov", code.mem(temporary), code.mem(source))
            halve(code, op, temporary, self.features, self.rows)
        self.all.emit(code, x, y, op, temporary, self.rows)

    def by_row(self, code: Code, op: str, dest: str, source: str) -> None:
        """dest[f, :] <- source[f, :] op the scratch buffer's first row."""
        sizes = self.features, self.rows
        row = code.nest_of(f"{self.stem}_t", sizes, (0, 1))
        code.op(op, code.mem(dest), code.mem(source), row)

    def fold_cycles(self, m: Constants, lanes: int) -> float:
        """Cycles of `fold`."""
        copy = self.features * self.rows / lanes + m.loads(2)
        halves = halve_cycles(self.features, self.rows, m, lanes)
        return copy + halves + self.all.predicted(m, self.rows)

    def by_row_cycles(self, m: Constants, lanes: int) -> float:
        """Cycles of `by_row`: a difference as often as a product."""
        elements = self.features * self.rows
        both = m.pair(elements, lanes) + m.pair(elements, self.multiplied(m))
        return both / 2 + m.loads(3)

    def multiplied(self, m: Constants) -> int:
        """Elements a group of a product."""
        return m.lanes_16 if self.network.dtype == "f16" else m.lanes_multiply_32

    def lanes(self, m: Constants) -> int:
        """Elements a group."""
        return m.lanes_16 if self.network.dtype == "f16" else m.lanes_32


@dataclass(frozen=True)
class SoftmaxEmitter(RowEmitter):
    """Emits a `Softmax`."""

    def mask_values(self) -> NDArray[np.float32]:
        return np.array([0.0, -3e4 if self.network.dtype == "f16" else -1e30], np.float32)

    def body(self, code: Code, x: int, y: int, *, works: bool) -> None:
        assert isinstance(self.step, Softmax)
        source, out = buffer_of(self.step.input), buffer_of(self.step.output)
        temporary = f"{self.stem}_t"
        if works and self.padded:
            by_feature(code, "add", out, self.mask, self.features, self.rows, source=source)
            source = out
        self.fold(code, x, y, "max", source, works=works)
        if works:
            self.by_row(code, "sub", out, source)
            if self.step.log:
                code.op("mov", code.mem(temporary), code.mem(out))
                each(code, temporary, exp)
            else:
                each(code, out, exp)
        self.fold(code, x, y, "add", temporary if self.step.log else out, works=works)
        if works:
            each(code, temporary, logarithm if self.step.log else reciprocal, self.rows)
            self.by_row(code, "sub" if self.step.log else "mul", out, out)

    def predicted(self, machine: Constants) -> float:
        m, lanes = machine, self.lanes(machine)
        total = 2 * self.fold_cycles(m, lanes) + 2 * self.by_row_cycles(m, lanes)
        total += each_cycles(self.features * self.rows, exp, m, self.network.dtype)
        total += each_cycles(self.rows, reciprocal, m, self.network.dtype)
        if self.padded:
            total += by_feature_cycles(m, lanes, self.features, self.rows)
        return total


@dataclass(frozen=True)
class LayerNormEmitter(RowEmitter):
    """Emits a `LayerNorm`: the mean, then the mean of the squared differences."""

    def mask_values(self) -> NDArray[np.float32]:
        return np.array([1.0, 0.0], np.float32)

    def scratch(self) -> tuple[Scratch, ...]:
        assert isinstance(self.step, LayerNorm)
        found = [Scratch(f"{self.stem}_s", self.features, host=True)]
        if self.step.bias:
            found.append(Scratch(f"{self.stem}_b", self.features, host=True))
        return (*super().scratch(), *found)

    def placements(self) -> tuple[Placement, ...]:
        assert isinstance(self.step, LayerNorm)
        index = by_part(self.network, self.lines.value)
        found = [Placement(self.step.scale, f"{self.stem}_s", index)]
        if self.step.bias:
            found.append(Placement(self.step.bias, f"{self.stem}_b", index))
        return (*super().placements(), *found)

    def body(self, code: Code, x: int, y: int, *, works: bool) -> None:
        assert isinstance(self.step, LayerNorm)
        source, out = buffer_of(self.step.input), buffer_of(self.step.output)
        temporary, count = f"{self.stem}_t", self.lines.value.features
        if works and self.padded:
            by_feature(code, "mul", out, self.mask, self.features, self.rows, source=source)
            source = out
        self.fold(code, x, y, "add", source, works=works)
        if works:
            mean = code.mem(temporary, self.rows)
            code.op("mul", mean, mean, scalar=1 / count)
            self.by_row(code, "sub", out, source)
            if self.padded:
                by_feature(code, "mul", out, self.mask, self.features, self.rows)
            code.op("mul", code.mem(temporary), code.mem(out), code.mem(out))
        self.fold(code, x, y, "add", temporary, works=works)
        if not works:
            return
        mean = code.mem(temporary, self.rows)
        code.op("mul", mean, mean, scalar=1 / count)
        code.op("add", mean, mean, scalar=self.step.epsilon)
        each(
            code, temporary, lambda tile, v: tile.alu("div", 1.0, tile.alu("sqrt", v)), self.rows
        )  # fmt: skip
        self.by_row(code, "mul", out, out)
        by_feature(code, "mul", out, f"{self.stem}_s", self.features, self.rows)
        if self.step.bias:
            by_feature(code, "add", out, f"{self.stem}_b", self.features, self.rows)

    def predicted(self, machine: Constants) -> float:
        assert isinstance(self.step, LayerNorm)
        m, lanes = machine, self.lanes(machine)
        rows = self.rows / lanes + m.loads(2)
        elements = self.features * self.rows
        total = 2 * self.fold_cycles(m, lanes) + 2 * self.by_row_cycles(m, lanes) + 3 * rows
        total += m.pair(elements, self.multiplied(m), clash=True) + m.loads(3)
        total += each_cycles(self.rows, FUNCTIONS["sqrt"], m, self.network.dtype)
        total += 2 * self.rows * m.float_latency
        scalings = 1 + bool(self.step.bias) + 2 * self.padded
        return total + scalings * by_feature_cycles(m, lanes, self.features, self.rows)
