"""A PE's share of a contraction: sums over its input features, for its output features.

Two forms. *outputs*: y <- y + w[k] * x[k], a vector of output features for each input element, which is the
scalar: for few rows. *rows*: y[n] <- y[n] + x[k] * w[k, n], a vector of rows or pixels for each weight, which is the
scalar. In both, operands are in DSRs and what the inner op reads lies in different classes of banks. A tap
whose reads begin in the other class than the first one's comes after the sums have been moved on by a unit.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from xdsl.ir import Operation, SSAValue

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.geometry import Geometry
from pyflame_rt.passes.wse.emitting.machine import Constants

Form: TypeAlias = Literal["outputs", "rows"]


@dataclass(frozen=True)
class Product:
    """Buffers and sizes; `features` input features, `outputs` output features."""

    geometry: Geometry
    features: int
    outputs: int
    # Rows that count, of those that the vectors have.
    rows: int
    form: Form
    work: str
    weights: str
    sums: str
    # Bias for the sums to begin with, form "outputs".
    bias: str | None = None

    @property
    def elements(self) -> int:
        """Elements of the buffer of sums: by row in form "outputs", else by output feature."""
        if self.form == "outputs":
            return self.rows * self.outputs
        return self.outputs * self.geometry.sum_pitch + self.shift

    def columns(self) -> list[list[int]]:
        """Columns of taps by the class of banks of their reads."""
        groups: list[list[int]] = [[], []]
        for column in range(self.geometry.taps[1]):
            groups[self.geometry.tap_class(column)].append(column)
        return groups

    @property
    def windowed(self) -> bool:
        """Whether a feature's vector is not simply all of the feature."""
        g = self.geometry
        return g.taps != (1, 1) or g.step_right > 1 or g.step_down != g.sum_line

    @property
    def shift(self) -> int:
        """Where the sums begin at the end, in elements of their buffer."""
        return self.geometry.turn // 2 if self.form == "rows" and self.columns()[1] else 0

    def emit(self, code: Code, first: SSAValue | None = None) -> None:
        """The sums of the work buffer and the weights; in form "rows" from element `first` on."""
        if self.form == "outputs":
            self._outputs(code)
        else:
            self._rows(code, first)

    def _outputs(self, code: Code) -> None:
        g = self.geometry
        sums = code.mem_moving(self.sums, self.outputs)
        elements = code.mem_moving(self.work, self.features, stride=g.feature_pitch)
        weights = code.mem(self.weights, self.outputs)
        bias = None if self.bias is None else code.mem(self.bias)
        products(code, self.rows, sums, (0, self.outputs), elements, (0, 1), weights, bias)

    def _rows(self, code: Code, start: SSAValue | None) -> None:
        g, tile = self.geometry, code.tile
        x = code.nest(
            self.work, (g.out_lines, g.sum_line), (g.step_down, g.step_right)
        ) if self.windowed else code.mem_moving(
            self.work, g.sum_pitch
        )  # fmt: skip
        weights = code.mem_moving(self.weights, self.outputs)
        whole = self.outputs * g.sum_pitch
        tile.set_dsd_offset(weights, 0)
        if g.taps == (1, 1):
            self._put(code, x, g.first_tap, start)
            self.tap(code, x, weights, "mul", 0)
            with times(code, self.features - 1):
                tile.increment_dsd_offset(x, g.feature_pitch)
                tile.increment_dsd_offset(weights, self.outputs)
                self.tap(code, x, weights, "fmac", 0)
            return
        code.op("fill", code.mem(self.sums, whole), scalar=0.0)
        for group, columns in enumerate(self.columns()):
            shift = group * (g.turn // 2)
            if group and columns:
                # From the end on, for the two overlap.
                end = whole - 1
                code.op(
                    "mov", code.mem(self.sums, whole, stride=-1, offset=end + shift),
                    code.mem(self.sums, whole, stride=-1, offset=end),
                )  # fmt: skip
            for column in columns:
                self._put(code, x, g.first_tap + column * g.tap_right, start)
                with times(code, self.features):
                    with times(code, g.taps[0]):
                        self.tap(code, x, weights, "fmac", shift)
                        tile.increment_dsd_offset(weights, self.outputs)
                        tile.increment_dsd_offset(x, g.tap_down)
                    tile.increment_dsd_offset(x, g.feature_pitch - g.taps[0] * g.tap_down)

    def _put(self, code: Code, x: Operation, offset: int, start: SSAValue | None) -> None:
        tile = code.tile
        tile.set_dsd_offset(x, offset if start is None else tile.alu("add", start, offset))

    def tap(self, code: Code, x: Operation, weights: Operation, op: str, shift: int) -> None:
        """One vector of the work buffer, into all output features."""
        tile = code.tile
        dest, first, second = code.dsr("dest"), code.dsr("src0"), code.dsr("src1")
        sums = code.mem(self.sums, self.geometry.sum_pitch, offset=shift)
        tile.load_dsr(dest, sums, save_address=True)
        if op == "mul":
            source = code.dsr("src0")
            tile.load_dsr(source, x)
            with code.map(weights) as weight:
                code.op("mul", dest, source, scalar=weight)
            return
        tile.load_dsr(first, sums, save_address=True)
        tile.load_dsr(second, x)
        with code.map(weights) as weight:
            code.op("fmac", dest, first, second, scalar=weight)

    def predicted(self, machine: Constants, dtype: str) -> float:
        """Cycles of the sums."""
        m, g = machine, self.geometry
        three = m.loads(3)
        lanes = m.lanes_16 if dtype == "f16" else m.lanes_32
        start = m.map_begin + m.loads(1)
        each = m.vector_issue + m.map_next
        rate = m.rate(dtype)
        if self.form == "outputs":
            return products_cycles(self.rows, self.features, self.outputs, machine, dtype)
        vector = groups_cycles(g.sum_pitch, rate) + each
        taps = self.features * g.taps[0] * g.taps[1]
        around = three + start + 4 * m.scalar + m.branch_taken
        total = taps * (self.outputs * vector + around)
        if g.taps != (1, 1):
            whole = self.outputs * g.sum_pitch / lanes
            total += whole * (2 if self.shift else 1) + m.loads(2) + m.loads(1)
        return total


def products(
    code: Code, rows: int, sums: Operation, sums_at: tuple[int, int], elements: Operation,
    elements_at: tuple[int, int], weights: Operation, bias: Operation | None = None,
) -> None:  # fmt: skip
    """For each row: sums <- bias + elements x weights, one vector of the weights an element.

    `sums` and `elements` begin at the first number of what says where they are and move on by the second.
    """
    tile = code.tile
    dest, first, second = code.dsr("dest"), code.dsr("src0"), code.dsr("src1")
    if rows > 1:
        tile.set_dsd_offset(sums, sums_at[0])
        tile.set_dsd_offset(elements, elements_at[0])
    with times(code, rows):
        if bias is None:
            code.op("fill", sums, scalar=0.0)
        else:
            code.op("mov", sums, bias)
        tile.load_dsr(dest, sums)
        tile.load_dsr(first, sums)
        tile.load_dsr(second, weights, save_address=True)
        with code.map(elements) as element:
            code.op("fmac", dest, first, second, scalar=element)
        if rows > 1:
            tile.increment_dsd_offset(sums, sums_at[1])
            tile.increment_dsd_offset(elements, elements_at[1])


def products_cycles(
    rows: int, features: int, outputs: int, machine: Constants, dtype: str
) -> float:
    """Cycles of `products`."""
    m = machine
    lanes = m.lanes_16 if dtype == "f16" else m.lanes_32
    vector = groups_cycles(outputs, m.rate(dtype)) + m.vector_issue + m.map_next
    around = m.loads(3) + m.loads(1) + m.map_begin + outputs / lanes + m.loads(2)
    if rows > 1:
        around += 4 * m.scalar + m.branch_taken
    return rows * (features * vector + around)


def groups_cycles(elements: int, rate: float) -> float:
    """Cycles of a vector op."""
    whole = max(rate, 1.0)
    return -(-elements // whole) * whole / rate


@contextmanager
def times(code: Code, count: int) -> Generator[None]:
    """A loop that runs `count` times; none around code that runs once."""
    if count == 1:
        yield
    else:
        with code.tile.for_(0, count, kind="i32"):
            yield


@contextmanager
def times_by_index(code: Code, count: int) -> Generator[SSAValue | None]:
    """A loop that counts; None in place of the number around code that runs once."""
    if count == 1:
        yield None
    else:
        with code.tile.for_(0, count, kind="i32") as index:
            yield index
