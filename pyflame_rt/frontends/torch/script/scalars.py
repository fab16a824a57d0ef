"""Operators on numbers, texts and other values that are no tensors.

Values known at import are computed now. Integers known at run time are `Size`s; floats and bools
known at run time are wrapped tensors, and so is what is computed with them.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from pyflame_rt.dtypes import STRING, strings
from pyflame_rt.frontends.torch.aten import sizes
from pyflame_rt.frontends.torch.aten.sizes import Int, Size
from pyflame_rt.frontends.torch.aten.values import TensorValue
from pyflame_rt.frontends.torch.script.machine import Machine
from pyflame_rt.frontends.torch.script.values import (
    Device,
    DictObject,
    EnumItem,
    Known,
    ListObject,
    Record,
    VagueText,
)

Operator: TypeAlias = Callable[[Machine, Sequence[Known]], Known]
_INT64 = np.dtype(np.int64)
_FLOAT64 = np.dtype(np.float64)
_SIMPLE = (bool, int, float, complex, str, type(None), EnumItem, Device)
_MOST_BITS = 1 << 14


def is_scalar(value: Known) -> bool:
    """Whether a value is no tensor, list or object."""
    if isinstance(value, TensorValue):
        return value.wrapped
    return isinstance(value, (*_SIMPLE, Size))


def is_int(value: Known) -> bool:
    """Whether a value is an integer, known or not."""
    return isinstance(value, int | Size) and not isinstance(value, bool)


def checked(m: Machine, value: Known) -> Known:
    """A computed number; whole ones must fit 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        raise m.error("an integer does not fit 64 bits")
    return value


def tensor_of(m: Machine, value: Known) -> TensorValue:
    """A number as a tensor without dimensions: i64, f64 or a bool."""
    b = m.b
    match value:
        case TensorValue():
            return value
        case bool():
            return b.constant(np.array(value))
        case int() | Size():
            return b.number(value)
        case float():
            return b.constant(np.array(value, np.float64))
        case _:
            raise m.unsupported("a number known at run time meets a value of another kind")


def _wrapped(value: TensorValue) -> TensorValue:
    return TensorValue(value.ssa, wrapped=True)


def _number(m: Machine, value: TensorValue) -> Known:
    """A computed number in its form: an integer is a size."""
    array = m.b.known(value)
    if array is not None:
        return array.reshape(-1)[0].item()
    return Size.of_item(value.ssa) if value.dtype == _INT64 else _wrapped(value)


def _common(m: Machine, values: Sequence[Known], *, real: bool = False) -> list[TensorValue]:
    """Numbers as tensors of one type."""
    b = m.b
    tensors = [tensor_of(m, value) for value in values]
    all_bool = all(t.dtype.kind == "b" for t in tensors)
    whole = all(t.dtype.kind in "iu" or t.dtype.kind == "b" for t in tensors)
    if all_bool and not real:
        return tensors
    wanted = _INT64 if whole and not real else _FLOAT64
    return [b.cast(t, wanted) for t in tensors]


def _all_known(values: Sequence[Known]) -> bool:
    return all(isinstance(value, _SIMPLE) for value in values)


def _all_int(values: Sequence[Known]) -> bool:
    return all(map(is_int, values))


def _arithmetic(
    known: Callable[..., Any],
    op: str,
    exact: Callable[..., Int] | None = None,
    *,
    real: bool = False,
) -> Operator:
    """An operator: on known numbers, on sizes if they stay exact, and on numbers at run time."""

    def compute(m: Machine, values: Sequence[Known]) -> Known:
        if _all_known(values):
            return checked(m, known(*values))
        if exact is not None and _all_int(values):
            return exact(*values)
        return _number(m, m.b.one(op, _common(m, values, real=real)))

    return compute


def _comparison(
    known: Callable[..., bool],
    op: str,
    exact: Callable[[Int, Int], bool | None] | None,
    *,
    negate: bool = False,
) -> Operator:
    def compute(m: Machine, values: Sequence[Known]) -> Known:
        if _all_known(values):
            return known(*values)
        if any(isinstance(v, _SIMPLE) and not isinstance(v, bool | int | float) for v in values):
            # None, a text or an item is no number, whatever that is.
            return negate
        if exact is not None and _all_int(values):
            said = exact(cast(Int, values[0]), cast(Int, values[1]))
            if said is not None:
                return said
        if op == "equal" and all(_is_bool(v) for v in values):
            return _same_bools(m, values, negate)
        a, b = _common(m, values)
        return m.compare(op, a, b, negate=negate)

    return compute


def _is_bool(value: Known) -> bool:
    return isinstance(value, bool) or (isinstance(value, TensorValue) and value.dtype.kind == "b")


def _same_bools(m: Machine, values: Sequence[Known], negate: bool) -> Known:
    a, b = values
    if isinstance(a, bool):
        a, b = b, a
    if isinstance(b, bool):
        return a if b != negate else m.negated(cast(TensorValue, a))
    return m.compare("equal", a, b, negate=negate)


def _not(m: Machine, values: Sequence[Known]) -> Known:
    said = m.truth(values[0])
    return m.negated(said)


def _logical(op: str, known: Callable[[Any, Any], Any], neutral: bool) -> Operator:
    def compute(m: Machine, values: Sequence[Known]) -> Known:
        if _all_known(values):
            return known(*values)
        a, b = values
        if isinstance(b, bool):
            a, b = b, a
        if isinstance(a, bool):
            return b if a == neutral else a
        if not (_is_bool(a) and _is_bool(b)):
            return _number(m, m.b.one(f"bitwise_{op}", _common(m, values)))
        found = _wrapped(m.b.one(op, [a, b]))
        if op == "and":
            m.consequences[found.ssa, True] = [(a.ssa, True), (b.ssa, True)]
        if op == "or":
            m.consequences[found.ssa, False] = [(a.ssa, False), (b.ssa, False)]
        return found

    return compute


def _divide(m: Machine, values: Sequence[Known]) -> Known:
    """Division of numbers, which gives a float."""
    if _all_known(values):
        return values[0] / values[1]
    a, b = _common(m, values, real=True)
    return _number(m, m.b.one("div", [a, b]))


def _truncated_quotient(a: Any, b: Any) -> Any:
    quotient = a / b if isinstance(a, float) or isinstance(b, float) else None
    if quotient is not None:
        return float(math.trunc(quotient))
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _power(m: Machine, values: Sequence[Known]) -> Known:
    a, b = values
    if _all_known(values):
        if is_int(a) and is_int(b) and b >= 0 and abs(a) > 1 and b * a.bit_length() > _MOST_BITS:
            raise m.error("an integer does not fit 64 bits")
        # The power of integers is a float.
        return complex(a**b) if isinstance(a**b, complex) else float(a**b)
    return _number(m, m.b.one("pow", _common(m, values, real=True)))


def _shift_left(m: Machine, values: Sequence[Known]) -> Known:
    a, b = values
    if not isinstance(b, int) or not 0 <= b < 64:
        raise m.unsupported("a shift by a number known only at run time, or outside 0 to 63")
    return checked(m, sizes.multiply(a, 1 << b))


def _shift_right(m: Machine, values: Sequence[Known]) -> Known:
    a, b = values
    if not isinstance(b, int) or not 0 <= b < 64:
        raise m.unsupported("a shift by a number known only at run time, or outside 0 to 63")
    return sizes.floor_divide(a, 1 << b)


def _multiply(m: Machine, values: Sequence[Known]) -> Known:
    a, b = values
    if isinstance(a, str) and isinstance(b, int):
        m.require_length(len(a) * max(b, 0))
    return _product(m, values)


def _add(m: Machine, values: Sequence[Known]) -> Known:
    a, b, *alpha = values
    if _is_text(a) and _is_text(b):
        return concatenated(m, [a, b])
    if alpha and alpha[0] != 1:
        b = _product(m, [b, alpha[0]])
    return _sum(m, [a, b])


def _is_text(value: Known) -> bool:
    return isinstance(value, str) or (isinstance(value, TensorValue) and value.dtype == STRING)


def concatenated(m: Machine, parts: Sequence[Known]) -> Known:
    """Texts joined, of which integers and texts known only at run time may be parts."""
    if all(isinstance(part, str) for part in parts):
        m.require_length(sum(map(len, parts)))
        return "".join(parts)
    total: TensorValue | None = None
    b = m.b
    for part in parts:
        match part:
            case str():
                value = b.constant(strings([part], ()))
            case Size():
                value = b.cast(b.number(part), STRING)
            case TensorValue() if part.dtype == STRING:
                value = part
            case _:
                raise m.unsupported("a text is made of a number known only at run time")
        total = value if total is None else b.one("string_concat", [total, value])
    assert total is not None
    return _wrapped(total)


def _subtract(m: Machine, values: Sequence[Known]) -> Known:
    a, b, *alpha = values
    if alpha and alpha[0] != 1:
        b = _product(m, [b, alpha[0]])
    return _difference(m, [a, b])


def _rounded(known: Callable[[Any], Any], op: str, *, whole: bool) -> Operator:
    """floor and ceil give an integer of a float, others a float."""

    def compute(m: Machine, values: Sequence[Known]) -> Known:
        value = values[0]
        if is_int(value):
            return value
        if _all_known(values):
            return checked(m, known(value))
        found = m.b.one(op, [tensor_of(m, value)])
        return _number(m, m.b.cast(found, _INT64) if whole else found)

    return compute


def _function(known: Callable[[Any], Any], op: str) -> Operator:
    def compute(m: Machine, values: Sequence[Known]) -> Known:
        if _all_known(values):
            return known(values[0])
        return _number(m, m.b.one(op, _common(m, values, real=True)))

    return compute


def _log(m: Machine, values: Sequence[Known]) -> Known:
    if _all_known(values):
        return math.log(*values)
    if len(values) != 1:
        raise m.unsupported("a logarithm to a base of a number known at run time")
    return _number(m, m.b.one("log", _common(m, values, real=True)))


def _is(m: Machine, values: Sequence[Known]) -> Known:
    a, b = values
    if a is None or b is None:
        return a is b
    return a is b or (isinstance(a, _SIMPLE) and isinstance(b, _SIMPLE) and a == b)


def _is_not(m: Machine, values: Sequence[Known]) -> Known:
    return not _is(m, values)


def _divmod(m: Machine, values: Sequence[Known]) -> Known:
    return (_floor_divide(m, values), _modulo(m, values))


def to_int(m: Machine, value: Known) -> Known:
    """int(value)"""
    if isinstance(value, Size):
        return value
    if isinstance(value, TensorValue):
        if not value.wrapped and m.b.known(value) is not None:
            return m.b.item(value)
        return _number(m, m.b.cast(value, _INT64))
    if isinstance(value, str) and len(value) > 32:
        raise m.error("a text is no integer")
    return checked(m, int(value))


def to_float(m: Machine, value: Known) -> Known:
    """float(value)"""
    if isinstance(value, Size | TensorValue):
        return _number(m, m.b.cast(tensor_of(m, value), _FLOAT64))
    return float(value)


def to_bool(m: Machine, value: Known) -> Known:
    """bool(value)"""
    if isinstance(value, TensorValue) and value.dtype.kind != "b":
        return m.known_truth(_wrapped(m.b.cast(value, np.dtype(np.bool_))))
    if isinstance(value, TensorValue):
        return m.known_truth(_wrapped(value))
    return m.truth(value)


_sum = _arithmetic(operator.add, "add", sizes.add)
_difference = _arithmetic(operator.sub, "sub", sizes.subtract)
_product = _arithmetic(operator.mul, "mul", sizes.multiply)


def _exactly_divided(m: Machine, values: Sequence[Known]) -> Known:
    if _all_int(values):
        return sizes.floor_divide(*values)
    if _all_known(values):
        return values[0] // values[1]
    a, b = _common(m, values, real=True)
    return _number(m, m.b.one("floor", [m.b.one("div", [a, b])]))


def _modulo(m: Machine, values: Sequence[Known]) -> Known:
    if _all_int(values):
        return sizes.modulo(*values)
    if _all_known(values):
        return values[0] % values[1]
    return _number(m, m.b.one("mod", _common(m, values, real=True), {"fmod": False}))


_floor_divide = _exactly_divided


def _negated(a: Int) -> Int:
    return sizes.multiply(a, -1)


def _and(a: Any, b: Any) -> Any:
    return a & b


def _or(a: Any, b: Any) -> Any:
    return a | b


def _xor(a: Any, b: Any) -> Any:
    return a ^ b


_OPERATORS: Mapping[str, Operator] = {
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
    "div": _divide,
    "true_divide": _divide,
    "floordiv": _floor_divide,
    "floor_divide": _floor_divide,
    "__round_to_zero_floordiv": _arithmetic(_truncated_quotient, "div"),
    "remainder": _modulo,
    "fmod": _arithmetic(math.fmod, "mod", real=True),
    "pow": _power,
    "neg": _arithmetic(operator.neg, "neg", _negated),
    "eq": _comparison(operator.eq, "equal", sizes.equal),
    "ne": _comparison(
        operator.ne,
        "equal",
        lambda a, b: None if (said := sizes.equal(a, b)) is None else not said,
        negate=True,
    ),
    "lt": _comparison(operator.lt, "less", sizes.less),
    "gt": _comparison(operator.gt, "greater", lambda a, b: sizes.less(b, a)),
    "le": _comparison(
        operator.le,
        "less_or_equal",
        lambda a, b: None if (said := sizes.less(b, a)) is None else not said,
    ),
    "ge": _comparison(
        operator.ge,
        "greater_or_equal",
        lambda a, b: None if (said := sizes.less(a, b)) is None else not said,
    ),
    "__not__": _not,
    "__and__": _logical("and", _and, True),
    "__or__": _logical("or", _or, False),
    "__xor__": _arithmetic(_xor, "xor"),
    "__lshift__": _shift_left,
    "__rshift__": _shift_right,
    "__is__": _is,
    "__isnot__": _is_not,
    "abs": _arithmetic(abs, "abs"),
    "max": _arithmetic(max, "max", sizes.larger),
    "min": _arithmetic(min, "min", sizes.smaller),
    "divmod": _divmod,
    "floor": _rounded(math.floor, "floor", whole=True),
    "ceil": _rounded(math.ceil, "ceil", whole=True),
    "round": _rounded(lambda value: float(round(value)), "round", whole=False),
    "sqrt": _function(math.sqrt, "sqrt"),
    "exp": _function(math.exp, "exp"),
    "sin": _function(math.sin, "sin"),
    "cos": _function(math.cos, "cos"),
    "tan": _function(math.tan, "tan"),
    "tanh": _function(math.tanh, "tanh"),
    "atan": _function(math.atan, "atan"),
    "log": _log,
    "log2": lambda m, values: math.log2(*values),
    "log10": lambda m, values: math.log10(*values),
    "log1p": lambda m, values: math.log1p(*values),
    "gcd": lambda m, values: math.gcd(*values),
    "isinf": lambda m, values: math.isinf(*values),
    "isnan": lambda m, values: math.isnan(*values),
    "isfinite": lambda m, values: math.isfinite(*values),
    "Int": lambda m, values: to_int(m, values[0]),
    "Float": lambda m, values: to_float(m, values[0]),
    "Bool": lambda m, values: to_bool(m, values[0]),
    "IntImplicit": lambda m, values: to_int(m, values[0]),
    "FloatImplicit": lambda m, values: to_float(m, values[0]),
    "ScalarImplicit": lambda m, values: values[0],
}


def compute(m: Machine, name: str, values: Sequence[Known]) -> Known:
    """The result of an operator on values that are no tensors; NotImplemented if there is none."""
    found = _OPERATORS.get(name)
    if found is None or not all(map(is_scalar, values)):
        return NotImplemented
    try:
        return found(m, values)
    except ZeroDivisionError as error:
        raise m.error("divides by zero") from error
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise m.error(f"{name} cannot be computed: {error}") from error


def knows(name: str) -> bool:
    """Whether there is an operator of that name on numbers."""
    return name in _OPERATORS


def text_of(value: Known) -> str:
    """`str(value)` for a message; what is known only at run time is a question mark."""
    match value:
        case ListObject():
            return f"[{', '.join(map(text_of, value.items[:20]))}]"
        case DictObject():
            return f"{{{len(value.items)} items}}"
        case tuple():
            return f"({', '.join(map(text_of, cast('tuple[Known, ...]', value)[:20]))})"
        case str() | bool() | int() | float() | complex() | None:
            return str(value)
        case EnumItem():
            return f"{value.class_name.rpartition('.')[2]}.{value.name}"
        case Record():
            return value.info.syntax.name
        case Device():
            return value.name
        case VagueText():
            return value.text
        case _:
            return "?"
