"""Integers known only at run time, as polynomials over the dimensions of values: `2*N + 3`.

A `Size` is never a constant: the functions here return a plain int where the unknowns cancel. It
has no op of its own; `AtenBuilder.number` makes one where a value is needed. A size that takes too
many terms or steps is an UnsupportedOperatorError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.errors import UnsupportedOperatorError

_MOST_TERMS = 64
_MOST_FACTORS = 16
_DEEPEST = 32
_HEAVIEST = 256
_BITS = 63


@dataclass(frozen=True, slots=True)
class Dim:
    """The size of a dimension of a tensor; never negative."""

    value: SSAValue
    axis: int


@dataclass(frozen=True, slots=True)
class Item:
    """The integer that a tensor of one element holds."""

    value: SSAValue


Function: TypeAlias = Literal["floordiv", "mod", "max", "min"]


@dataclass(frozen=True, slots=True)
class Call:
    """A function of two sizes that is no polynomial."""

    function: Function
    lhs: Int
    rhs: Int
    depth: int = field(compare=False)
    """How many functions are inside each other."""
    weight: int = field(compare=False)
    """How many functions there are, however often they are repeated."""


Atom: TypeAlias = Dim | Item | Call
Monomial: TypeAlias = tuple[Atom, ...]
Bag: TypeAlias = frozenset[tuple[Atom, int]]
"""The factors of a monomial, and how often each is there."""
Key: TypeAlias = frozenset[tuple[Bag, int]]


@dataclass(frozen=True, eq=False, slots=True)
class Size:
    """A sum of integer multiples of products of unknowns; never a constant.

    Sizes are equal when they are the same polynomial.
    """

    terms: tuple[tuple[Monomial, int], ...]
    key: Key = field(init=False, repr=False)
    """What the polynomial is, whatever the order of terms and factors."""

    def __post_init__(self) -> None:
        # Made once: sizes are inside each other, and a frozenset keeps its hash.
        key = frozenset((_bag(monomial), factor) for monomial, factor in self.terms)
        object.__setattr__(self, "key", key)

    @staticmethod
    def of_dim(value: SSAValue, axis: int) -> Int:
        """A dimension of a tensor of known rank."""
        shape = shape_of(value)
        if shape is not None and shape[axis] != DYNAMIC:
            return shape[axis]
        return Size((((Dim(value, axis),), 1),))

    @staticmethod
    def of_item(value: SSAValue) -> Size:
        """The element of an integer tensor that has one."""
        return Size((((Item(value),), 1),))

    @property
    def atom(self) -> Atom | None:
        """The one unknown that the size is; None when it is anything else."""
        ((monomial, factor), *rest) = self.terms
        return monomial[0] if not rest and factor == 1 and len(monomial) == 1 else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


Int: TypeAlias = int | Size
"""An integer, known at import or not."""


def add(a: Int, b: Int) -> Int:
    """a + b"""
    return a + b if isinstance(a, int) and isinstance(b, int) else _sum([*_terms(a), *_terms(b)])


def subtract(a: Int, b: Int) -> Int:
    """a - b"""
    return add(a, multiply(b, -1))


def multiply(a: Int, b: Int) -> Int:
    """a * b"""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return _sum(((*m, *n), f * g) for m, f in _terms(a) for n, g in _terms(b))


def product(sizes: Iterable[Int]) -> Int:
    """The product of all."""
    result: Int = 1
    for size in sizes:
        result = multiply(result, size)
    return result


def exact_quotient(a: Int, b: Int) -> Int | None:
    """a / b where b is one term that divides every term of a, or a multiple of it; else None."""
    divisor = _terms(b)
    if len(divisor) != 1:
        return 1 if a == b and divisor else None
    ((unknowns, factor),) = divisor
    terms: list[tuple[Monomial, int]] = []
    for monomial, multiple in _terms(a):
        rest = list(monomial)
        for unknown in unknowns:
            if unknown not in rest:
                return None
            rest.remove(unknown)
        if multiple % factor:
            return None
        terms.append((tuple(rest), multiple // factor))
    return _sum(terms)


def floor_divide(a: Int, b: Int) -> Int:
    """a // b, rounded towards minus infinity. Raises ZeroDivisionError when b is 0."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if b == 0:
        raise ZeroDivisionError
    exact = exact_quotient(a, b)
    return _call("floordiv", a, b) if exact is None else exact


def modulo(a: Int, b: Int) -> Int:
    """a - a // b * b, of b's sign. Raises ZeroDivisionError when b is 0."""
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if b == 0:
        raise ZeroDivisionError
    return 0 if exact_quotient(a, b) is not None else _call("mod", a, b)


def larger(a: Int, b: Int) -> Int:
    """max(a, b)"""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    if is_at_least(a, b):
        return a
    return b if is_at_least(b, a) else _call("max", a, b)


def smaller(a: Int, b: Int) -> Int:
    """min(a, b)"""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    if is_at_least(a, b):
        return b
    return a if is_at_least(b, a) else _call("min", a, b)


def equal(a: Int, b: Int) -> bool | None:
    """Whether a == b; None when that depends on the unknowns."""
    if a == b:
        return True
    difference = subtract(a, b)
    if isinstance(difference, int):
        return difference == 0
    return False if is_at_least(difference, 1) or is_at_least(-1, difference) else None


def less(a: Int, b: Int) -> bool | None:
    """Whether a < b; None when that depends on the unknowns."""
    if is_at_least(b, add(a, 1)):
        return True
    return False if is_at_least(a, b) else None


def is_at_least(a: Int, b: Int) -> bool:
    """Whether a >= b whatever the unknowns are; dimensions are not negative."""
    constant = 0
    for monomial, factor in _terms(subtract(a, b)):
        if not monomial:
            constant = factor
        elif factor < 0 or not all(isinstance(atom, Dim) for atom in monomial):
            return False
    return constant >= 0


def atoms(size: Int) -> Iterable[Atom]:
    """The unknowns of a size, repeated where they are used again."""
    return (atom for monomial, _ in _terms(size) for atom in monomial)


def _too_complex() -> UnsupportedOperatorError:
    return UnsupportedOperatorError("computes a size in too many steps from those of the inputs")


def _call(function: Function, a: Int, b: Int) -> Size:
    calls = [atom for size in (a, b) for atom in atoms(size) if isinstance(atom, Call)]
    depth = 1 + max((call.depth for call in calls), default=0)
    weight = 1 + sum(call.weight for call in calls)
    if depth > _DEEPEST or weight > _HEAVIEST:
        raise _too_complex()
    return Size((((Call(function, a, b, depth, weight),), 1),))


def _terms(size: Int) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(size, Size):
        return size.terms
    return (((), size),) if size else ()


def _bag(monomial: Monomial) -> Bag:
    return frozenset(Counter(monomial).items())


def _sum(terms: Iterable[tuple[Monomial, int]]) -> Int:
    merged: dict[Bag, tuple[Monomial, int]] = {}
    for monomial, factor in terms:
        key = _bag(monomial)
        _, before = merged.get(key, (monomial, 0))
        merged[key] = (monomial, before + factor)
    left = [(monomial, factor) for monomial, factor in merged.values() if factor]
    if len(left) > _MOST_TERMS or any(
        len(monomial) > _MOST_FACTORS or factor.bit_length() > _BITS for monomial, factor in left
    ):
        raise _too_complex()
    if not left:
        return 0
    if len(left) == 1 and not left[0][0]:
        return left[0][1]
    return Size(tuple(left))
