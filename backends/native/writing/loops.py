"""Loops over memory: several strided axes outside, vectors with a masked rest inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing.builder import POINTER, Builder, Values

Pointers = tuple[SSAValue, ...]


def fields(b: Builder, record: SSAValue, names: Sequence[str]) -> dict[str, SSAValue]:
    """The numbers of a record by name; those that begin with "@" are addresses, and named without it."""
    return {
        name.removeprefix("@"): b.load(
            b.at(record, 8 * index), POINTER if name.startswith("@") else i64, 8
        )
        for index, name in enumerate(names)
    }


def over(
    b: Builder,
    count: SSAValue,
    pointers: Sequence[SSAValue],
    steps: Sequence[SSAValue | int],
    body: Callable[[Pointers], object],
) -> None:
    """`body` of the pointers, `count` times, each of them so many bytes further on every time."""

    def turn(values: Pointers) -> Values:
        body(values)
        return [b.at(p, step) for p, step in zip(values, steps, strict=True)]

    b.loop(count, list(pointers), turn)


def vectors(
    b: Builder,
    count: SSAValue,
    lanes: int,
    pointers: Sequence[SSAValue],
    body: Callable[[Pointers, SSAValue | None, Values], Values],
    carried: Values = (),
    *,
    has_rest: bool = True,
) -> Values:
    """`body` of the pointers, a mask, and what it returned before, for each vector of `count` elements.

    The mask is None but for the rest of less than a vector, which `has_rest` leaves out. A pointer goes on by a vector each time.
    """
    pointers, size = list(pointers), len(pointers)

    def turn(values: Pointers) -> Values:
        found = body(values[:size], None, values[size:])
        return [*(b.at(p, 4 * lanes) for p in values[:size]), *found]

    bits = lanes.bit_length() - 1
    found = b.loop(b.shifted(count, bits), [*pointers, *carried], turn)
    places, before = found[:size], found[size:]
    if not has_rest:
        return before
    rest = b.masked(count, lanes - 1)
    return b.when(
        b.compare("sgt", rest, 0),
        lambda: body(places, b.lanes_below(rest, lanes), before),
        before,
    )
