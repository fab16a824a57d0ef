"""Functions of single elements, of one operand or two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.activations import activated
from pyflame_rt.backends.native.builder import POINTER, Builder, Values
from pyflame_rt.backends.native.loops import Pointers, fields, over, vectors

FIELDS = ("@y", "@a", "@b", "rows", "count", "y_row", "a_row", "b_row")
"""Rows of so many elements, and the ways from row to row; bytes."""

BINARY: Mapping[str, Callable[[Builder, SSAValue, SSAValue], SSAValue]] = MappingProxyType(
    {
        "add": Builder.add_floats,
        "div": Builder.divide,
        "max": Builder.larger,
        "min": Builder.smaller,
        "mul": Builder.multiply,
        "sub": Builder.subtract,
    }
)
"""Functions of two operands, by the names of their ops."""


@dataclass(frozen=True)
class ElementwiseKernel:
    """Code of a function. An operand is "vector", or "scalar" where a row has one element of it."""

    cpu: str
    lanes: int
    fused: bool
    name: str
    numbers: tuple[float, ...]
    operands: tuple[str, ...]

    entry = "elementwise"

    def emit(self) -> ModuleOp:
        """The module, in the `llvm` dialect."""
        b = Builder(self.entry, [POINTER], public=True, fused=self.fused)
        given = fields(b, b.arguments[0], FIELDS)
        names = ("a", "b")[: len(self.operands)]

        def row(values: Pointers) -> None:
            y, *operands = values
            self._row(b, given["count"], y, operands)

        places = [given["y"], *(given[name] for name in names)]
        ways = [given["y_row"], *(given[f"{name}_row"] for name in names)]
        over(b, given["rows"], places, ways, row)
        return ModuleOp([b.finish()])

    def _row(self, b: Builder, count: SSAValue, y: SSAValue, operands: list[SSAValue]) -> None:
        kinds = list(zip(self.operands, operands, strict=True))
        fixed = [b.broadcast(p, self.lanes) if kind == "scalar" else None for kind, p in kinds]
        moving = [p for kind, p in kinds if kind == "vector"]

        def body(places: Pointers, mask: SSAValue | None, _: Values) -> Values:
            target, *others = places
            rest = iter(others)
            values = [
                b.load_vector(next(rest), self.lanes, mask) if scalar is None else scalar
                for scalar in fixed
            ]
            b.store(self._of(b, values), target, mask)
            return ()

        vectors(b, count, self.lanes, [y, *moving], body)

    def _of(self, b: Builder, values: list[SSAValue]) -> SSAValue:
        if len(values) == 1:
            return activated(b, self.name, self.numbers, values[0])
        return BINARY[self.name](b, *values)
