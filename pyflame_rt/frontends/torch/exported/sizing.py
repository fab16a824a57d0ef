"""What the symbols of a program stand for, and the values of its expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.sizes import Int
from pyflame_rt.frontends.torch.exported.expressions import Expression, Operation, Symbol

_POWER = 8


@dataclass
class Symbols:
    """The sizes that symbols stand for, as far as values have told them."""

    known: dict[str, Int] = field(default_factory=dict[str, Int])

    def value(self, expression: Expression) -> Int | None:
        """What an expression comes to; None when a symbol or function of it is not known."""
        match expression:
            case int():
                return expression
            case Symbol(name):
                return self.known.get(name)
            case Operation(function, operands):
                values = [self.value(operand) for operand in operands]
                known = [value for value in values if value is not None]
                return _apply(function, known) if len(known) == len(values) else None

    def tell(self, expression: Expression, size: Int) -> None:
        """Note that an expression has a value, which may tell a symbol in it."""
        if self.value(expression) is not None:
            return
        match expression:
            case Symbol(name):
                self.known[name] = size
            case Operation("Add", (int() as less, rest)) | Operation("Add", (rest, int() as less)):
                self.tell(rest, sizes.subtract(size, less))
            case Operation("Mul", (int() as factor, rest)) | Operation(
                "Mul", (rest, int() as factor)
            ) if factor > 0:
                self.tell(rest, sizes.floor_divide(size, factor))
            case _:
                return


def _apply(function: str, values: Sequence[Int]) -> Int | None:
    match function, values:
        case "Add", _:
            total: Int = 0
            for value in values:
                total = sizes.add(total, value)
            return total
        case "Mul", _:
            return sizes.product(values)
        case "Pow", (base, int() as exponent) if 0 <= exponent <= _POWER:
            return _apply("Mul", [base] * exponent)
        case (("FloorDiv" | "CleanDiv"), (a, b)) if b != 0:
            return sizes.floor_divide(a, b)
        case (("Mod" | "PythonMod"), (a, b)) if b != 0:
            return sizes.modulo(a, b)
        case "Max", (first, *rest):
            for value in rest:
                first = sizes.larger(first, value)
            return first
        case "Min", (first, *rest):
            for value in rest:
                first = sizes.smaller(first, value)
            return first
        case _:
            return None
