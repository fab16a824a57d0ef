"""Python's operators on the numbers of a program, which may be known only at run time."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.promotion import BOOL, FLOAT64, INT64
from pyflame_rt.frontends.torch.aten.sizes import Int, Size
from pyflame_rt.frontends.torch.aten.values import Scalar, TensorValue

Compute: TypeAlias = Callable[[AtenBuilder, Sequence[Scalar]], Scalar]
_LARGEST = 2**63
_POWER = 8


def _arithmetic(
    known: Callable[[float, float], float], size: Callable[[Int, Int], Int], op: str
) -> Compute:
    def compute(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
        x, y = values
        if isinstance(x, int | float) and isinstance(y, int | float):
            return known(x, y)
        if isinstance(x, int | Size) and isinstance(y, int | Size):
            return size(x, y)
        return _number(b, op, (b.tensor(v, FLOAT64) for v in (x, y)))

    return compute


def _number(b: AtenBuilder, op: str, operands: Sequence[TensorValue] | object) -> TensorValue:
    values = list(cast("Sequence[TensorValue]", operands))
    if op in ("max", "min"):
        return TensorValue(b.one(op, [values]).ssa, wrapped=True)
    return TensorValue(b.one(op, values).ssa, wrapped=True)


def _comparison(known: Callable[[float, float], bool], op: str, negated: bool = False) -> Compute:
    def compute(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
        x, y = values
        if isinstance(x, int | float) and isinstance(y, int | float):
            return known(x, y)
        if isinstance(x, int | Size) and isinstance(y, int | Size):
            found = _decided(known, x, y)
            if found is not None:
                return found
        integers = isinstance(x, int | Size) and isinstance(y, int | Size)
        dtype = INT64 if integers else FLOAT64
        made = _number(b, op, [b.tensor(v, dtype) for v in (x, y)])
        return _number(b, "not", [made]) if negated else made

    return compute


def _decided(known: Callable[[float, float], bool], x: Int, y: Int) -> bool | None:
    """A comparison of sizes that is the same whatever they are."""
    equal, less, more = sizes.equal(x, y), sizes.less(x, y), sizes.less(y, x)
    orders = [
        known(a, c)
        for a, c, possible in ((0, 0, equal), (0, 1, less), (1, 0, more))
        if possible is not False
    ]
    return orders[0] if all(found == orders[0] for found in orders) else None


def _true_division(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    x, y = values
    if isinstance(x, int | float) and isinstance(y, int | float):
        return x / y
    return _number(b, "div", [b.tensor(v, FLOAT64) for v in (x, y)])


def _power(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    x, y = values
    if isinstance(x, int | float) and isinstance(y, int | float):
        if abs(x) > 1 and abs(y) > 1024:
            raise b.error("the power is too large")
        return cast(float, x**y)
    if isinstance(x, Size) and isinstance(y, int) and 0 <= y <= _POWER:
        return sizes.product([x] * y)
    return _number(b, "pow", [b.tensor(v, FLOAT64) for v in (x, y)])


def _negation(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    (x,) = values
    if isinstance(x, int | float):
        return -x
    if isinstance(x, Size):
        return sizes.multiply(x, -1)
    return _number(b, "neg", [b.tensor(x)])


def _not(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    (x,) = values
    return (not x) if isinstance(x, bool | int) else _number(b, "not", [b.tensor(x, BOOL)])


def _logical(op: str) -> Compute:
    def compute(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
        x, y = values
        if isinstance(x, bool) and isinstance(y, bool):
            return (x and y) if op == "and" else (x or y)
        return _number(b, op, [b.tensor(v, BOOL) for v in (x, y)])

    return compute


def _rounding(known: Callable[[float], int], op: str) -> Compute:
    def compute(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
        (x,) = values
        if isinstance(x, Size):
            return x
        if isinstance(x, int | float):
            return known(x)
        return b.item(b.cast(b.one(op, [b.tensor(x, FLOAT64)]), INT64))

    return compute


def _to_float(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    (x,) = values
    if isinstance(x, int | float):
        return float(x)
    return TensorValue(b.tensor(x, FLOAT64).ssa, wrapped=True)


def _to_int(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    (x,) = values
    if isinstance(x, int | float):
        return int(x)
    return x if isinstance(x, Size) else b.item(b.cast(b.tensor(x), INT64))


def _root(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    (x,) = values
    if isinstance(x, int | float):
        return math.sqrt(x)
    return _number(b, "sqrt", [b.tensor(x, FLOAT64)])


def _sum(b: AtenBuilder, values: Sequence[Scalar]) -> Scalar:
    total: Int = 0
    for value in values:
        if not isinstance(value, int | Size):
            raise b.unsupported("a sum of numbers that are not integers is not supported")
        total = sizes.add(total, value)
    return total


_max = _arithmetic(max, sizes.larger, "max")
_min = _arithmetic(min, sizes.smaller, "min")

FUNCTIONS: Mapping[str, Compute] = {
    "_operator.add": _arithmetic(operator.add, sizes.add, "add"),
    "_operator.sub": _arithmetic(operator.sub, sizes.subtract, "sub"),
    "_operator.mul": _arithmetic(operator.mul, sizes.multiply, "mul"),
    "_operator.floordiv": _arithmetic(lambda a, b: a // b, sizes.floor_divide, "div"),
    "_operator.mod": _arithmetic(operator.mod, sizes.modulo, "mod"),
    "_operator.truediv": _true_division,
    "_operator.pow": _power,
    "_operator.neg": _negation,
    "_operator.eq": _comparison(operator.eq, "equal"),
    "_operator.ne": _comparison(operator.ne, "equal", negated=True),
    "_operator.lt": _comparison(operator.lt, "less"),
    "_operator.le": _comparison(operator.le, "less_or_equal"),
    "_operator.gt": _comparison(operator.gt, "greater"),
    "_operator.ge": _comparison(operator.ge, "greater_or_equal"),
    "_operator.and_": _logical("and"),
    "_operator.or_": _logical("or"),
    "math.ceil": _rounding(math.ceil, "ceil"),
    "math.floor": _rounding(math.floor, "floor"),
    "math.trunc": _to_int,
    "torch.sym_float": _to_float,
    "torch.sym_int": _to_int,
    "torch.sym_max": _max,
    "torch.sym_min": _min,
    "torch.sym_not": _not,
    "torch.sym_sum": _sum,
    "torch._sym_sqrt": _root,
    "math.sqrt": _root,
}
"""Operators of Python and of torch on numbers, by their names in programs."""


def compute(b: AtenBuilder, target: str, values: Sequence[Scalar]) -> Scalar:
    """The result of one of `FUNCTIONS`. Raises InvalidModelError when it has none."""
    try:
        found = FUNCTIONS[target](b, values)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise b.error(f"{target} does not take these numbers") from error
    if isinstance(found, int) and abs(found) > _LARGEST:
        raise b.error(f"{target} gives a number of more than 64 bits")
    return found
