"""Sizes as polynomials over what is not known: `2*N + 3`, and `7` as a plain int."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xdsl.ir import Block, Operation

_MOST_TERMS = 8
"""A longer sum is not worth its time: the value stays an unknown of its own."""


Place: TypeAlias = tuple[Operation | Block, int]
"""A value by what defines it and its index there: it outlives a change of the value's type."""


@dataclass(frozen=True, eq=False, slots=True)
class Symbol:
    """An integer not known at compile time.

    `source` and `axis` are the value and its dimension that a size is read from; an integer that is
    no dimension has none. Sizes are never negative. `index` orders the symbols of an analysis.
    """

    index: int
    source: Place | None
    axis: int
    is_size: bool


Monomial: TypeAlias = tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Polynomial:
    """A sum of integer multiples of products of symbols, in a canonical order; never a constant."""

    terms: tuple[tuple[Monomial, int], ...]


Size: TypeAlias = int | Polynomial


def of_symbol(symbol: Symbol) -> Polynomial:
    """The symbol as a size."""
    return Polynomial((((symbol,), 1),))


def symbol_of(size: Size) -> Symbol | None:
    """The symbol that a size is; None when it is anything else."""
    if isinstance(size, int) or len(size.terms) != 1:
        return None
    ((monomial, factor),) = size.terms
    return monomial[0] if factor == 1 and len(monomial) == 1 else None


def add(a: Size, b: Size) -> Size | None:
    """a + b; None when that is too long."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return _sum([*_terms(a), *_terms(b)])


def subtract(a: Size, b: Size) -> Size | None:
    """a - b; None when that is too long."""
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return _sum([*_terms(a), *((monomial, -factor) for monomial, factor in _terms(b))])


def multiply(a: Size, b: Size) -> Size | None:
    """a * b; None when that is too long."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    return _sum(
        (tuple(sorted((*m, *n), key=lambda s: s.index)), f * g)
        for m, f in _terms(a)
        for n, g in _terms(b)
    )


def product(sizes: Iterable[Size]) -> Size | None:
    """The product of all; None when that is too long."""
    result: Size | None = 1
    for size in sizes:
        result = None if result is None else multiply(result, size)
    return result


def total(sizes: Iterable[Size]) -> Size | None:
    """The sum of all; None when that is too long."""
    result: Size | None = 0
    for size in sizes:
        result = None if result is None else add(result, size)
    return result


def divide(a: Size, b: Size) -> Size | None:
    """a / b where b is one term that divides every term of a without remainder; else None."""
    divisor = _terms(b)
    if len(divisor) != 1:
        return 1 if a == b else None
    ((symbols, factor),) = divisor
    if factor == 0:
        return None
    terms: list[tuple[Monomial, int]] = []
    for monomial, multiple in _terms(a):
        rest = list(monomial)
        for symbol in symbols:
            if symbol not in rest:
                return None
            rest.remove(symbol)
        if multiple % factor:
            return None
        terms.append((tuple(rest), multiple // factor))
    return _sum(terms)


def is_never_negative(size: Size) -> bool:
    """Whether a size is known to be at least 0."""
    return all(
        factor >= 0 and all(symbol.is_size for symbol in monomial)
        for monomial, factor in _terms(size)
    )


def is_positive(size: Size) -> bool:
    """Whether a size is known to be at least 1."""
    return is_never_negative(size) and any(not monomial for monomial, _ in _terms(size))


def order(a: Size, b: Size) -> int | None:
    """-1, 0 or 1 as a is less than, equal to or greater than b, whatever the symbols; else None."""
    if a == b:
        return 0
    if not (_is_bounded(a) and _is_bounded(b)):
        return None
    ahead, behind = subtract(a, b), subtract(b, a)
    if ahead is not None and is_positive(ahead):
        return 1
    return -1 if behind is not None and is_positive(behind) else None


def smaller(a: Size, b: Size) -> Size | None:
    """min(a, b) where it is known which one that is."""
    if not (_is_bounded(a) and _is_bounded(b)):
        return a if a == b else None
    for x, y in ((a, b), (b, a)):
        difference = subtract(y, x)
        if difference is not None and is_never_negative(difference):
            return x
    return None


def larger(a: Size, b: Size) -> Size | None:
    """max(a, b) where it is known which one that is."""
    least = smaller(a, b)
    return None if least is None else b if least == a else a


def _is_bounded(size: Size) -> bool:
    """Whether arithmetic cannot have wrapped: sizes are small, other integers may be any."""
    return all(symbol.is_size for monomial, _ in _terms(size) for symbol in monomial)


def _terms(size: Size) -> Sequence[tuple[Monomial, int]]:
    if isinstance(size, int):
        return (((), size),) if size else ()
    return size.terms


def _sum(terms: Iterable[tuple[Monomial, int]]) -> Size | None:
    merged: dict[Monomial, int] = {}
    for monomial, factor in terms:
        merged[monomial] = merged.get(monomial, 0) + factor
    left = [(monomial, factor) for monomial, factor in merged.items() if factor]
    if len(left) > _MOST_TERMS:
        return None
    if not left:
        return 0
    if len(left) == 1 and not left[0][0]:
        return left[0][1]
    return Polynomial(tuple(sorted(left, key=lambda t: tuple(s.index for s in t[0]))))
