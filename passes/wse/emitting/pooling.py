"""Pools over images.

A window that stays inside of the slots is taken where the value lies, tap by tap. Otherwise every PE of the line gets
all lines of the image, with borders, and takes the windows of its own slot. A pool over the whole image folds the
pixels of each slot by halves and adds the slots up along a chain.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from pyflame_rt.errors import PassFailed
from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.fabric import Line, Used
from pyflame_rt.passes.wse.emitting.geometry import Geometry, bordered
from pyflame_rt.passes.wse.emitting.halving import halve_cycles, halve_inner
from pyflame_rt.passes.wse.emitting.interface import Placement, Pool, Value, Window
from pyflame_rt.passes.wse.emitting.machine import Constants
from pyflame_rt.passes.wse.emitting.multicast import Multicast
from pyflame_rt.passes.wse.emitting.reduction import Reduction
from pyflame_rt.passes.wse.emitting.step import Emitter, Lines, Scratch, buffer_of, stem_of


@dataclass(frozen=True)
class PoolEmitter(Emitter):
    """What the pools have in common."""

    step: Pool

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def stem(self) -> str:
        """What its buffers' names begin with."""
        return stem_of(self.name)

    @cached_property
    def source(self) -> Lines:
        """How the input lies."""
        value = self.network.value(self.step.input)
        return Lines(value, self.network.columns, self.network.rows)

    @property
    def result(self) -> Value:
        """The output."""
        return self.network.value(self.step.output)

    @property
    def op(self) -> str:
        """How two numbers become one."""
        return "max" if self.step.kind == "max" else "add"

    @property
    def image(self) -> tuple[int, int]:
        """The input's image. Raises PassFailed."""
        image = self.source.value.image
        if image is None:
            self.fail("the input is no image")
        return image

    def fail(self, why: str) -> NoReturn:
        """Raise PassFailed."""
        raise PassFailed(why, where=f"step {self.name!r}")

    def lanes(self, m: Constants) -> int:
        """Elements a group."""
        return m.lanes_16 if self.network.dtype == "f16" else m.lanes_32

    def check_axis(self) -> None:
        """Raise PassFailed unless the output has the input's features where they were."""
        x, y = self.source.value, self.result
        if (x.axis, x.parts, x.part_features) != (y.axis, y.parts, y.part_features):
            self.fail("the output's features lie elsewhere than the input's")


@dataclass(frozen=True)
class WindowPoolEmitter(PoolEmitter):
    """Emits a `Pool` with a window."""

    @property
    def window(self) -> Window:
        """The window."""
        assert self.step.window is not None
        return self.step.window

    @cached_property
    def local(self) -> bool:
        """Whether no window leaves its slot."""
        w, x, y = self.window, self.source.value, self.result
        if any(w.pads) or x.slots != y.slots or w.dilations != (1, 1):
            return False
        lines, out_lines = self.image[0] // x.slots, (y.image or (1, 1))[0] // y.slots
        return x.slots == 1 or (lines == w.strides[0] * out_lines and w.kernel[0] <= w.strides[0])

    @property
    def counted(self) -> bool:
        """Whether windows have different numbers of pixels."""
        return self.step.kind == "average" and any(self.window.pads) and (
            not self.step.count_include_pad
        )  # fmt: skip

    @cached_property
    def geometry(self) -> Geometry:
        """Of the buffer that the windows are taken from."""
        x = self.source.value
        if not self.local:
            return bordered(self.window, x, 2)
        height, width = self.image
        lines = height // x.slots
        down, right = self.window.strides
        return Geometry(
            2, lines, width, width, lines * width, 0, 1, 1, 1, 1, down * width, right,
            self.window.kernel, width, 1,
        )  # fmt: skip

    @property
    def work(self) -> str:
        """The buffer that the windows are taken from."""
        return buffer_of(self.source.value) if self.local else f"{self.stem}_x"

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        self.check_axis()
        x, y = self.source.value, self.result
        if y.image != self.window.output(self.image):
            self.fail(f"the output's image is not the window's of {self.image}")
        if self.image[0] % x.slots or (y.image or (1, 1))[0] % y.slots:
            self.fail("slots are whole lines of an image")

    @cached_property
    def multicast(self) -> Multicast:
        """All lines of the image to all PEs of the line."""
        return Multicast.bordered(self.source, self.geometry, self.work, self.source.value.slots)

    def scratch(self) -> tuple[Scratch, ...]:
        found: list[Scratch] = []
        if not self.local:
            size = self.source.value.part_features * self.geometry.feature_pitch
            found.append(Scratch(self.work, size))
        if self.counted:
            found.append(Scratch(f"{self.stem}_n", self.result.slot_rows, host=True))
        return tuple(found)

    def used(self) -> Mapping[Line, Used]:
        if self.local:
            return {}
        return {self.source.along: Used(multicast=True, turns=self.source.value.slots > 1)}

    def role(self, x: int, y: int) -> Hashable:
        if self.source.part(x, y) >= self.source.value.parts:
            return None
        works = self.source.slot(x, y) < self.result.slots
        return works, None if self.local else self.multicast.role(x, y)

    def emit(self, code: Code, x: int, y: int) -> None:
        if self.source.part(x, y) >= self.source.value.parts:
            return
        works = self.source.slot(x, y) < self.result.slots
        if not self.local:
            least = -6e4 if self.network.dtype == "f16" else -3e38
            neutral = least if self.step.kind == "max" else 0.0
            for offset, lines, width in self.geometry.borders:
                g = self.geometry
                border = code.nest(
                    self.work, (self.source.value.part_features, lines, width),
                    (g.feature_pitch, g.line_pitch, 1), offset=offset,
                )  # fmt: skip
                code.op("fill", border, scalar=neutral)
            self.multicast.emit(code, x, y)
        if works:
            self._windows(code)

    def _windows(self, code: Code) -> None:
        g, y, tile = self.geometry, self.result, code.tile
        out = code.mem(buffer_of(y))
        lines = (y.image or (1, 1))[0] // y.slots
        width = (y.image or (1, 1))[1]
        sizes = y.part_features, lines, width
        strides = g.feature_pitch, g.step_down, g.step_right
        moves = not self.local and y.slots > 1
        start = None
        if moves:
            place = code.place(self.source.slot_coordinate)
            start = tile.alu("mul", place, lines * g.step_down)
        for row in range(g.taps[0]):
            for column in range(g.taps[1]):
                offset = row * g.tap_down + column * g.tap_right
                tap = code.nest(self.work, sizes, strides, offset=offset)
                if start is not None:
                    tile.set_dsd_offset(tap, tile.alu("add", start, offset) if offset else start)
                if row == column == 0:
                    code.op("mov", out, tap)
                else:
                    code.op(self.op, out, out, tap)
        if self.step.kind == "max":
            return
        if self.counted:
            factors = code.nest_of(f"{self.stem}_n", (y.part_features, y.slot_rows), (0, 1))
            code.op("mul", out, out, factors)
        else:
            code.op("mul", out, out, scalar=1 / (g.taps[0] * g.taps[1]))

    def predicted(self, machine: Constants) -> float:
        y, g, m = self.result, self.geometry, machine
        elements, lanes = y.part_features * y.slot_rows, self.lanes(m)
        # Two scalars set where a tap begins, if it moves with the slot.
        moved = 2 * m.scalar if not self.local and y.slots > 1 else 0
        total = elements / lanes + m.loads(2)
        for tap in range(1, g.taps[0] * g.taps[1]):
            row, column = divmod(tap, g.taps[1])
            distance = row * g.tap_down + column * g.tap_right
            # The output begins in the second class, and so does a value that is read where it lies.
            unit = 2 if self.network.dtype == "f16" else 1
            clash = m.in_one_class(distance + unit * (not self.local), lanes)
            total += m.pair(elements, lanes, clash=clash) + m.loads(3) + moved
        if self.step.kind != "max":
            each = lanes if self.network.dtype == "f16" else m.lanes_multiply_32
            total += m.pair(elements, each) if self.counted else elements / each
            total += m.loads(3 if self.counted else 2)
        if not self.local:
            features = self.source.value.part_features
            filled = sum(features * height * width for _, height, width in g.borders)
            total += filled / lanes + len(g.borders) * (m.loads(1) + m.vector_issue)
            total += self.multicast.predicted(m, self.network.dtype)
        return total

    def placements(self) -> tuple[Placement, ...]:
        if not self.counted:
            return ()
        y, grid = self.result, (self.network.columns, self.network.rows)
        row = np.arange(y.slots)[:, None] * y.slot_rows + np.arange(y.slot_rows)
        index = np.full((grid[1], grid[0], y.slot_rows), -1, np.int64)
        if y.axis == "columns":
            index[: y.slots] = row[:, None]
        else:
            index[:, : y.slots] = row
        return (Placement(f"{self.stem}_n", f"{self.stem}_n", index),)

    def constants_of_its_own(self) -> Mapping[str, NDArray[np.float32]]:
        if not self.counted:
            return {}
        w, (height, width) = self.window, self.image
        counts: list[NDArray[np.float32]] = []
        for size, axis in ((height, 0), (width, 1)):
            out = w.output(self.image)[axis]
            start = np.arange(out) * w.strides[axis] - w.pads[axis]
            at = start[:, None] + np.arange(w.kernel[axis]) * w.dilations[axis]
            counts.append(((at >= 0) & (at < size)).sum(1).astype(np.float32))
        return {
            f"{self.stem}_n": np.float32(1)
            / np.maximum(np.outer(*counts), 1).reshape(-1).astype(np.float32)
        }


@dataclass(frozen=True)
class GlobalPoolEmitter(PoolEmitter):
    """Emits a `Pool` over the whole image."""

    def check(self) -> None:
        """Raise PassFailed for layouts that do not fit together."""
        self.check_axis()
        if self.result.rows != 1:
            self.fail("the output has more than one row")
        if self.source.value.rows % self.source.value.slots:
            self.fail("slots are whole lines of an image")

    @cached_property
    def reduction(self) -> Reduction:
        """The slots to place 0."""
        x = self.source.value
        return Reduction(
            line=self.source.along, coordinate=self.source.slot_coordinate,
            length=self.source.length_along, parts=x.slots, slots=1, sizes=(x.part_features,),
            strides=(x.slot_rows,), offset=0, step=0, sums=f"{self.stem}_t",
            result=buffer_of(self.result), count=1, op=self.op,
        )  # fmt: skip

    def scratch(self) -> tuple[Scratch, ...]:
        x = self.source.value
        return (Scratch(f"{self.stem}_t", x.part_features * x.slot_rows),)

    def used(self) -> Mapping[Line, Used]:
        return {self.source.along: Used(chain=self.source.value.slots > 1)}

    def role(self, x: int, y: int) -> Hashable:
        if self.source.part(x, y) >= self.source.value.parts:
            return None
        return self.reduction.role(self.source.slot(x, y))

    def emit(self, code: Code, x: int, y: int) -> None:
        role, source = self.role(x, y), self.source.value
        if role in (None, "none"):
            return
        temporary = f"{self.stem}_t"
        code.op("mov", code.mem(temporary), code.mem(buffer_of(source)))
        features, rows = source.part_features, source.slot_rows
        halve_inner(code, self.op, temporary, features, rows, rows)
        self.reduction.emit(code, self.source.slot(x, y))
        if self.step.kind == "average" and self.source.slot(x, y) == 0:
            out = code.mem(buffer_of(self.result))
            code.op("mul", out, out, scalar=1 / source.rows)

    def predicted(self, machine: Constants) -> float:
        x, m, lanes = self.source.value, machine, self.lanes(machine)
        total = x.part_features * x.slot_rows / lanes + m.loads(2)
        total += halve_cycles(x.slot_rows, x.part_features, m, lanes)
        total += self.reduction.predicted(m, lanes)
        if self.step.kind == "average":
            total += x.part_features / m.lanes_multiply_32 + m.loads(2)
        return total
