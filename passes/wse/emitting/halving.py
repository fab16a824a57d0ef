"""Sums and maxima within a PE: the second half of a vector is added to the first one, until one is left."""

from __future__ import annotations

from pyflame_rt.passes.wse.emitting.code import Code
from pyflame_rt.passes.wse.emitting.machine import Constants


def halve(code: Code, op: str, buffer: str, count: int, length: int) -> None:
    """buffer[0, :] <- op over the `count` vectors of `length` elements that follow each other."""
    while count > 1:
        half = count // 2
        rest = count - half
        first = code.mem(buffer, half * length)
        code.op(op, first, first, code.mem(buffer, half * length, offset=rest * length))
        count = rest


def halve_cycles(count: int, length: int, machine: Constants, lanes: int) -> float:
    """Cycles of `halve`; half of the reads collide."""
    total = 0.0
    while count > 1:
        half = count // 2
        clash = machine.in_one_class((count - half) * length, lanes)
        total += machine.pair(half * length, lanes, clash=clash) + machine.loads(3)
        count -= half
    return total


def halve_inner(code: Code, op: str, buffer: str, outer: int, count: int, pitch: int) -> int:
    """buffer[o, 0] <- op over the `count` elements of each of `outer` rows `pitch` apart."""
    while count > 1:
        half = count // 2
        rest = count - half
        first = code.nest(buffer, (outer, half), (pitch, 1))
        code.op(op, first, first, code.nest(buffer, (outer, half), (pitch, 1), offset=rest))
        count = rest
    return count
