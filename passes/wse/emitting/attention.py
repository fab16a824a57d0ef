"""Attention: heads are split over parts, so a PE has whole heads of its slot's rows.

All rows of the keys and values are multicast along the lines of slots; what follows is local. For each head and
row: the scores as sums of vectors of keys, a mask, softmax (all rows at once), then sums of the values' vectors, which
lie row by row for that. The scale is applied to the query, the sums' reciprocal to the result.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.elementwise import same_layout
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.functions import each, each_cycles, exp, reciprocal
from pyflame_rt.passes.wse.emitting.halving import halve_cycles, halve_inner
from pyflame_rt.passes.wse.emitting.interface import Attention, Placement
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.multicast import Multicast
from pyflame_rt.passes.wse.emitting.product import products, products_cycles
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


@dataclass(frozen=True)
class AttentionEmitter(Emitter):
    """Emits an `Attention`."""

    step: Attention

    @property
    def name(self) -> str:
        return self.step.name

    @cached_property
    def lines(self) -> Lines:
        """How the values lie."""
        value = self.network.value(self.step.query)
        return Lines(value, self.network.columns, self.network.rows)

    @property
    def size(self) -> int:
        """Features of a head."""
        return self.lines.value.features // self.step.heads

    @property
    def heads(self) -> int:
        """Heads of a part."""
        return self.lines.value.part_features // self.size

    @property
    def rows(self) -> int:
        """Rows of a slot."""
        return self.lines.value.slot_rows

    @property
    def pitch(self) -> int:
        """Elements from one row of scores to the next: a multiple of the banks' turn."""
        return -(-self.lines.value.padded_rows // 4) * 4

    def _name(self, letter: str) -> str:
        return f"{stem_of(self.name)}_{letter}"

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        step, value = self.step, self.lines.value
        names = (step.query, step.key, step.value, step.output)
        if value.features % step.heads or value.part_features % self.size:
            raise PassFailed(
                f"a part of {value.part_features} features has no whole heads of {self.size}",
                where=f"step {self.name!r}", hint="give the values that grain",
            )  # fmt: skip
        others = [self.network.value(name) for name in names]
        same_layout(self.name, *others)

    @cached_property
    def keys(self) -> Multicast:
        """The keys, feature by feature."""
        value = self.network.value(self.step.key)
        lines = Lines(value, self.network.columns, self.network.rows)
        return Multicast(
            lines, self._name("k"), value.slots, (value.part_features, self.rows),
            (self.pitch, 1), 0, self.rows,
        )  # fmt: skip

    @cached_property
    def values(self) -> Multicast:
        """The values, head by head and row by row."""
        value = self.network.value(self.step.value)
        lines = Lines(value, self.network.columns, self.network.rows)
        return Multicast(
            lines, self._name("v"), value.slots, (self.heads, self.size, self.rows),
            (self.pitch * self.size, 1, self.size), 0, self.rows * self.size,
        )  # fmt: skip

    @property
    def _mask_heads(self) -> int:
        """Masks of a PE: one for each of its heads, or one for all."""
        return self.heads if self.step.mask_heads > 1 else 1

    def scratch(self) -> tuple[Scratch, ...]:
        features = self.lines.value.part_features
        mask: tuple[Scratch, ...] = ()
        if self.step.mask is not None:
            size = self._mask_heads * self.rows * self.pitch
            mask = (Scratch(self._name("m"), size, odd=True, host=True),)
        return (
            *mask,
            Scratch(self._name("k"), features * self.pitch, odd=True),
            Scratch(self._name("v"), features * self.pitch, odd=True),
            Scratch(self._name("q"), features * self.rows, odd=True),
            Scratch(self._name("s"), self.rows * self.pitch),
            Scratch(self._name("t"), self.rows * self.pitch, odd=True),
            Scratch(self._name("o"), features * self.rows),
        )

    def used(self) -> Mapping[Line, Used]:
        return {self.lines.along: Used(multicast=True, turns=self.lines.value.slots > 1)}

    def role(self, x: int, y: int) -> Hashable:
        if self.lines.part(x, y) >= self.lines.value.parts:
            return None
        return self.keys.role(x, y), self.lines.slot(x, y) < self.lines.value.slots

    def emit(self, code: Code, x: int, y: int) -> None:
        if self.role(x, y) is None:
            return
        self.keys.emit(code, x, y)
        self.values.emit(code, x, y)
        if self.lines.slot(x, y) >= self.lines.value.slots:
            return
        query, scaled = code.mem(buffer_of(self.step.query)), code.mem(self._name("q"))
        code.op("mul", scaled, query, scalar=self.step.scale)
        for head in range(self.heads):
            self._head(code, head)
        # Row by row here, so that vectors begin in one class of banks.
        features = self.lines.value.part_features
        result = code.nest_of(self._name("o"), (features, self.rows), (1, features))
        code.op("mov", code.mem(buffer_of(self.step.output)), result)

    def _head(self, code: Code, head: int) -> None:
        rows, pitch, size = self.rows, self.pitch, self.size
        length = self.lines.value.rows
        first, features = head * size, self.lines.value.part_features
        scores, other, out = self._name("s"), self._name("t"), self._name("o")
        products(
            code, rows, code.mem_moving(scores, pitch), (0, pitch),
            code.mem_moving(self._name("q"), size, stride=rows, offset=first * rows),
            (first * rows, 1), code.mem(self._name("k"), pitch, offset=first * pitch),
        )  # fmt: skip
        whole, copy = code.mem(scores), code.mem(other)
        if self.step.mask is not None:
            count = rows * pitch
            at = head * count if self.step.mask_heads > 1 else 0
            code.op("add", whole, whole, code.mem(self._name("m"), count, offset=at))
        code.op("mov", copy, whole)
        halve_inner(code, "max", other, rows, length, pitch)
        code.op("sub", whole, whole, code.nest_of(other, (rows, pitch), (pitch, 0)))
        each(code, scores, exp)
        code.op("mov", copy, whole)
        halve_inner(code, "add", other, rows, length, pitch)
        sums = code.mem(other, rows, stride=pitch)
        with code.map(sums) as element:
            value = reciprocal(code.tile, code.tile.convert(element, "f32"))
            code.tile.yield_(code.tile.convert(value, code.dtype))
        products(
            code, rows, code.mem_moving(out, size, offset=first), (first, features), code.mem_moving(scores, length), (0, pitch),
            code.mem(self._name("v"), size, offset=first * pitch),
        )  # fmt: skip
        result = code.nest_of(out, (rows, size), (features, 1), offset=first)
        code.op("mul", result, result, code.nest_of(other, (rows, size), (pitch, 0)))

    def predicted(self, machine: Constants) -> float:
        m, dtype = machine, self.network.dtype
        lanes = m.lanes_16 if dtype == "f16" else m.lanes_32
        length, elements = self.lines.value.rows, self.rows * self.pitch
        one = products_cycles(self.rows, self.size, self.pitch, m, dtype)
        one += products_cycles(self.rows, length, self.size, m, dtype)
        if self.step.mask is not None:
            one += 2 * elements / lanes + m.loads(3)
        one += 2 * halve_cycles(length, self.rows, m, lanes) + 3 * (elements / lanes + m.loads(2))
        one += each_cycles(elements, exp, m, dtype)
        one += each_cycles(self.rows, reciprocal, m, dtype)
        one += self.size * self.rows / m.lanes_multiply_32 + m.loads(3)
        features = self.lines.value.part_features * self.rows
        once = features * (1 / m.lanes_multiply_32 + 1 / lanes) + 2 * m.loads(2)
        both = self.keys.predicted(m, dtype) + self.values.predicted(m, dtype)
        return both + once + self.heads * one

    def placements(self) -> tuple[Placement, ...]:
        if self.step.mask is None:
            return ()
        value = self.lines.value
        y, x = np.indices((self.network.rows, self.network.columns))
        part, slot = (x, y) if value.axis == "columns" else (y, x)
        heads = np.arange(self._mask_heads)
        if self.step.mask_heads > 1:
            heads = part[..., None] * self.heads + heads
        heads = np.broadcast_to(heads, (*part.shape, self._mask_heads))[..., None, None]
        row = (slot[..., None] * self.rows + np.arange(self.rows))[..., None, :, None]
        key = np.arange(self.pitch)
        index = (heads * value.rows + row) * value.rows + key
        here = (part < value.parts)[..., None, None, None] & (row < value.rows)
        inside = here & (heads < self.step.mask_heads) & (key < value.rows)
        index = np.where(inside, index, -1).reshape(*part.shape, -1)
        return (Placement(self.step.mask, self._name("m"), index),)
