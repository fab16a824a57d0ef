"""Products of few rows with matrices that nobody has packed: x @ w, and x @ w transposed.

What reads each element of w once, as a query does its keys and values, takes no longer than to read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.writing.loops import Pointers, fields, over, vectors

FIELDS = ("@x", "@w", "@y", "rows", "columns", "depth", "x_row", "w_row", "y_row")
"""Sizes of the product, and the ways from row to row; elements of a row lie side by side."""

_WIDE = 4
"""Registers of a vector: as many sums do not wait for each other."""


class Vectors(Protocol):
    """A kernel that says how wide its registers are."""

    @property
    def lanes(self) -> int:
        """f32 elements of a register."""
        ...


@dataclass(frozen=True)
class SmallProductKernel:
    """Code of a product; of the rows of x with the rows of w if it is `transposed`."""

    cpu: str
    lanes: int
    fused: bool
    transposed: bool

    entry = "small_product"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)

        def row(values: Pointers) -> None:
            (dots if self.transposed else mixture)(self, b, given, *values)

        ways = [given["x_row"], given["y_row"]]
        over(b, given["rows"], [given["x"], given["y"]], ways, row)
        return ModuleOp([b.finish()])


def dots(kernel: Vectors, b: Builder, given: dict[str, SSAValue], x: SSAValue, y: SSAValue) -> None:
    """An element of y for each row of w."""
    lanes = _WIDE * kernel.lanes

    def body(places: Pointers, mask: SSAValue | None, before: Values) -> Values:
        a, w = (b.load_vector(place, lanes, mask) for place in places)
        return [b.multiply_add(a, w, before[0])]

    def column(values: Pointers) -> None:
        w, y = values
        (found,) = vectors(b, given["depth"], lanes, [x, w], body, [b.splat(0.0, lanes)])
        b.store(b.total(found), y)

    over(b, given["columns"], [given["w"], y], [given["w_row"], 4], column)


def mixture(
    kernel: Vectors, b: Builder, given: dict[str, SSAValue], x: SSAValue, y: SSAValue
) -> None:
    """Rows of w times elements of x, added up for some columns at a time."""
    lanes = _WIDE * kernel.lanes

    def columns(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
        w, target = places

        def step(values: Pointers) -> Values:
            x, w, before = values
            product = b.multiply_add(b.broadcast(x, lanes), b.load_vector(w, lanes, mask), before)
            return [b.at(x, 4), b.at(w, given["w_row"]), product]

        *_, found = b.loop(given["depth"], [x, w, b.splat(0.0, lanes)], step)
        b.store(found, target, mask)
        return ()

    vectors(b, given["columns"], lanes, [given["w"], y], columns)
