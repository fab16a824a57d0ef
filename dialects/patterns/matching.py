"""Matching of patterns: which ops and values of a program a term stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import permutations
from typing import Any, TypeAlias, cast

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, i64
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import OptOperandDef

from pyflame_rt.dialects.patterns.text import (
    Call,
    Either,
    Let,
    Literal,
    Number,
    PropertyName,
    Term,
    Variable,
)
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.broadcasting import NUMBERS
from pyflame_rt.dialects.pfrt.types import (
    DYNAMIC,
    Array,
    PropertyValue,
    dtype_of,
    from_property,
    shape_of,
    to_property,
)

Bindable: TypeAlias = SSAValue | Attribute | PropertyValue

ABSENT = "none"
"""The variable that stands for an optional operand that is not there."""

COMMUTATIVE = frozenset(
    f"pfrt.{name}"
    for name in (
        "add", "and", "bitwise_and", "bitwise_or", "bitwise_xor", "equal", "max", "mean", "min",
        "mul", "or", "sum", "xor",
    )
)  # fmt: skip
"""Ops of two operands that may be matched in either order."""

HIDDEN = frozenset({"names", "operandSegmentSizes", "resultSegmentSizes"})
"""Properties that are none of an op's own."""

_AXES = frozenset({"axes", "axis"})
_ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 1e-6}
"""How far a constant of a type may be off a number that it stands for, relatively."""


@dataclass(frozen=True)
class Found:
    """What a term was found to stand for: the values and properties of its variables, its ops."""

    root: PfrtOp
    values: Mapping[str, SSAValue] = field(default_factory=dict[str, SSAValue])
    properties: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])
    rests: Mapping[str, Mapping[str, Attribute]] = field(
        default_factory=dict[str, Mapping[str, Attribute]]
    )
    ops: tuple[PfrtOp, ...] = ()

    def with_value(self, name: str, value: SSAValue) -> Found:
        """The same, and a variable's value."""
        return replace(self, values={**self.values, name: value})

    def with_property(self, name: str, attr: Attribute) -> Found:
        """The same, and a property variable's value."""
        return replace(self, properties={**self.properties, name: attr})


def matches(term: Term, root: PfrtOp) -> Iterator[Found]:
    """Every way in which a term stands for what an op computes."""
    return _op(term, root, Found(root))


def _value(term: Term, value: SSAValue | None, user: PfrtOp, found: Found) -> Iterator[Found]:
    """Ways in which a term stands for an operand of an op."""
    if value is None:
        if isinstance(term, Variable) and term.name == ABSENT:
            yield found
        return
    match term:
        case Variable(name=name, kind=kind):
            if name in found.values:
                if found.values[name] is value:
                    yield found
            elif name != ABSENT and _is_kind(kind, value, user):
                yield found.with_value(name, value)
        case Number():
            if _is_number(term, value) and _is_absorbed(value, user):
                yield found
        case Either(forms=forms):
            for form in forms:
                yield from _value(form, value, user, found)
        case Let(name=name, term=inner):
            if name not in found.values:
                for inside in _value(inner, value, user, found):
                    yield inside.with_value(name, value)
            elif found.values[name] is value:
                yield found
        case Call():
            owner = value.owner
            if isinstance(owner, PfrtOp) and owner.parent is found.root.parent:
                yield from _op(term, owner, found)


def _op(term: Term, op: PfrtOp, found: Found) -> Iterator[Found]:
    """Ways in which a term stands for the one result of an op."""
    match term:
        case Either(forms=forms):
            for form in forms:
                yield from _op(form, op, found)
        case Let(name=name, term=inner):
            for inside in _op(inner, op, found):
                yield inside.with_value(name, op.results[0])
        case Call(op=name, operands=terms):
            if op.name != f"pfrt.{name}" or len(op.results) != 1 or op.regions:
                return
            orders = [order for order in _orders(op, len(terms)) if _may_match(terms, order)]
            inside = _properties(term, op, found) if orders else None
            if inside is None:
                return
            inside = replace(inside, ops=(*inside.ops, op))
            for order in orders:
                yield from _all(terms, order, op, inside)
        case _:
            return


def _orders(op: PfrtOp, count: int) -> Iterable[tuple[SSAValue | None, ...]]:
    """The first operands of an op, if it has no others, in each order that means the same."""
    slots: tuple[SSAValue | None, ...]
    if _is_plain(type(op)):
        slots = tuple(op.operands)
        if len(slots) != count:
            return ()
    else:
        slots = op.operand_slots()
        if len(slots) < count or any(value is not None for value in slots[count:]):
            return ()
        slots = slots[:count]
    return permutations(slots) if count == 2 and op.name in COMMUTATIVE else (slots,)


def _may_match(terms: tuple[Term, ...], values: tuple[SSAValue | None, ...]) -> bool:
    """Whether the ops that define some values are those that terms can stand for."""
    for term, value in zip(terms, values, strict=True):
        heads = term.heads
        # What a block defines has no name.
        if heads is not None and getattr(value and value.owner, "name", None) not in heads:
            return False
    return True


@cache
def _is_plain(kind: type[PfrtOp]) -> bool:
    """Whether each operand of an op is always there."""
    operands = kind.get_irdl_definition().operands
    return not any(isinstance(row, OptOperandDef) for _, row in operands)


def _all(
    terms: tuple[Term, ...], values: tuple[SSAValue | None, ...], op: PfrtOp, found: Found
) -> Iterator[Found]:
    if not terms:
        yield found
        return
    for inside in _value(terms[0], values[0], op, found):
        yield from _all(terms[1:], values[1:], op, inside)


def _properties(term: Call, op: PfrtOp, found: Found) -> Found | None:
    """With the property variables of a term; None if the op's properties are not those it names.

    A property that the term does not name has its default.
    """
    defaults = _defaults(type(op))
    if not defaults and term.rest is None:
        return found
    wanted = dict(term.properties)
    rest: dict[str, Attribute] = {}
    for name, default in defaults.items():
        attr = cast("Attribute | None", getattr(op, name))
        if name not in wanted:
            if term.rest is not None:
                rest |= {} if attr is None else {name: attr}
            elif attr != default:
                return None
            continue
        expected = wanted[name]
        if attr is None:
            return None
        attr = normalized(op, name, attr)
        if isinstance(expected, PropertyName):
            if found.properties.get(expected.name, attr) != attr:
                return None
            found = found.with_property(expected.name, attr)
        elif not _is_literal(expected, op, name, attr):
            return None
    if term.rest is None:
        return found
    return replace(found, rests={**found.rests, term.rest: rest})


@cache
def _defaults(kind: type[PfrtOp]) -> dict[str, Attribute | None]:
    """The default of each of an op's own properties, None for one that has none."""
    properties = kind.get_irdl_definition().properties.items()
    return {name: row.default_value for name, row in properties if name not in HIDDEN}


def normalized(op: PfrtOp, name: str, attr: Attribute) -> Attribute:
    """A property; of axes, the ones that are counted from the end as counted from the start, and
    in order, if the number of dimensions is known."""
    shape = shape_of(op.operands[0]) if name in _AXES and op.operands else None
    if not shape:
        return attr
    if isinstance(attr, IntegerAttr):
        integer = cast("IntegerAttr[Any]", attr)
        return IntegerAttr(integer.value.data % len(shape), integer.type)
    if isinstance(attr, DenseArrayBase):
        axes = cast("tuple[int, ...]", from_property(cast(Attribute, attr)))
        return DenseArrayBase.from_list(i64, sorted(axis % len(shape) for axis in axes))
    return attr


def _is_literal(expected: Literal, op: PfrtOp, name: str, attr: Attribute) -> bool:
    given = from_property(normalized(op, name, to_property(expected)))
    value = from_property(attr)
    if isinstance(given, str | bool | tuple) or isinstance(value, str | bool | tuple):
        return type(given) is type(value) and given == value
    if not isinstance(given, int | float) or not isinstance(value, int | float):
        return False
    return abs(value - given) <= 1e-6 * abs(given)


def _is_kind(kind: str, value: SSAValue, user: PfrtOp) -> bool:
    if kind == "const":
        return constant_of(value) is not None
    return kind == "any" or (number_of(value) is not None and _is_absorbed(value, user))


def _is_number(number: Number, value: SSAValue) -> bool:
    array = constant_of(value)
    if array is None or not _is_close(number, array):
        return False
    return number_of(value) is not None


def _is_close(number: Number, array: Array) -> bool:
    """Whether the first element of a constant is a number, as it is rounded to the type."""
    if array.size == 0 or array.dtype.name not in NUMBERS:
        return False
    if number.digits == 1:
        # 1 is not the next number after 1, which counts beside the exponential of -20.
        return float(array.flat[0]) == float(np.asarray(number.value, array.dtype))
    # What is written with few digits is exact; of others the last digit may be rounded.
    written = 10.0 ** (1 - number.digits) if number.digits > 6 else 2.0**-52
    tolerance = _ROUNDING.get(array.dtype.name, min(written, 1e-6))
    return abs(float(array.flat[0]) - number.value) <= tolerance * abs(number.value)


def number_of(value: SSAValue) -> float | None:
    """The number that all elements of a constant are; None of any other value."""
    array = constant_of(value)
    if array is None or array.size == 0 or array.dtype.name not in NUMBERS:
        return None
    first = array.flat[0]
    if not any(array.strides) or array.size == 1:
        return float(first)
    # Large weights are mapped from their file: two elements mostly tell.
    is_uniform = array.flat[array.size - 1] == first and bool(np.all(array == first))
    return float(first) if is_uniform else None


def _is_absorbed(value: SSAValue, user: PfrtOp) -> bool:
    """Whether a constant operand of an elementwise op leaves its shape to the other operands."""
    if not user.ELEMENTWISE:
        return True
    others = [operand for operand in user.operands if operand is not value]
    return any(broadcasts_into(value, other) for other in others)


def broadcasts_into(value: SSAValue, other: SSAValue) -> bool:
    """Whether broadcasting a value with another one surely gives the other's shape."""
    shape, target = shape_of(value), shape_of(other)
    if shape == ():
        return True
    if shape is None or target is None or len(shape) > len(target):
        return False
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return all(dim == 1 or (dim == into != DYNAMIC) for dim, into in pairs)


@dataclass
class Match:
    """A place where a pattern's source was found; conditions ask it, and may add to it."""

    found: Found
    extra: dict[str, Bindable] = field(default_factory=dict[str, Bindable])

    @property
    def root(self) -> PfrtOp:
        """The op whose result is to be replaced."""
        return self.found.root

    @property
    def inner(self) -> tuple[Operation, ...]:
        """The ops of the source but the root, each once."""
        return tuple(dict.fromkeys(op for op in self.found.ops if op is not self.root))

    def value(self, name: str) -> SSAValue:
        """The value of a variable or of a named part."""
        value = self.extra.get(name, self.found.values.get(name))
        if not isinstance(value, SSAValue):
            raise KeyError(f'no value is called "{name}"')
        return value

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a variable, `DYNAMIC` for each `?`; None when the rank is unknown."""
        return shape_of(self.value(name))

    def rank(self, name: str) -> int | None:
        """The number of a variable's dimensions, if known."""
        shape = self.shape(name)
        return None if shape is None else len(shape)

    def dtype(self, name: str) -> str:
        """NumPy's name of a variable's element type, `float32`."""
        return dtype_of(self.value(name)).name

    def constant(self, name: str) -> Array:
        """The array of a variable that is a `const` or a `scalar`."""
        array = constant_of(self.value(name))
        if array is None:
            raise KeyError(f'"{name}" is no constant')
        return array

    def number(self, name: str) -> float:
        """The number that a `scalar` variable is."""
        number = number_of(self.value(name))
        if number is None:
            raise KeyError(f'"{name}" is no scalar')
        return number

    def property(self, name: str) -> PropertyValue:
        """The value of a property variable."""
        return from_property(self.found.properties[name])

    def broadcasts_into(self, name: str, other: str) -> bool:
        """Whether broadcasting one variable with another surely gives the other's shape."""
        return broadcasts_into(self.value(name), self.value(other))

    def let(self, name: str, value: Bindable) -> None:
        """Give the target another variable: of a value, or of a property."""
        self.extra[name] = value
