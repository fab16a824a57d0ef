"""Reshaping cut into segments: runs of dimensions of both sides that hold the same elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyflame_rt.dialects.pfrt.base import Shape
from pyflame_rt.dialects.pfrt.parameters import known_ints
from pyflame_rt.dialects.pfrt.shape import FlattenOp, ReshapeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of


class Segment(NamedTuple):
    """Dimensions of the operand and of the result that hold the same elements in the same order."""

    given: tuple[int, ...]
    made: tuple[int, ...]


def segments(given: Shape, made: Shape, copied: int = 0) -> Iterator[Segment]:
    """Cut a reshape, from both ends up to where sizes are not known; `copied` dimensions from the
    left on are the same whatever they are."""
    first = copied
    yield from (Segment((index,), (index,)) for index in range(copied))
    last = (len(given), len(made))
    while (found := _segment(given, made, *last, first)) is not None:
        yield Segment(tuple(range(found[0], last[0])), tuple(range(found[1], last[1])))
        last = found
    ends, firsts = last, (first, first)
    while (found := _segment_from_left(given, made, firsts, ends)) is not None:
        yield Segment(tuple(range(firsts[0], found[0])), tuple(range(firsts[1], found[1])))
        firsts = found


def _segment(given: Shape, made: Shape, i: int, j: int, stop: int) -> tuple[int, int] | None:
    """Where the shortest segment starts that ends at dimensions i and j."""
    if i <= stop or j <= stop or DYNAMIC in (given[i - 1], made[j - 1]):
        return None
    i, j = i - 1, j - 1
    left, right = given[i], made[j]
    while left != right:
        shape, at = (given, i - 1) if left < right else (made, j - 1)
        if at < stop or shape[at] == DYNAMIC or 0 in (left, right):
            return None
        if left < right:
            i, left = at, left * shape[at]
        else:
            j, right = at, right * shape[at]
    return i, j


def _segment_from_left(
    given: Shape, made: Shape, firsts: tuple[int, int], ends: tuple[int, int]
) -> tuple[int, int] | None:
    """Where the shortest segment ends that starts at the dimensions `firsts`."""
    rest, other = given[firsts[0] : ends[0]], made[firsts[1] : ends[1]]
    found = _segment(rest[::-1], other[::-1], len(rest), len(other), 0)
    if found is None:
        return None
    return ends[0] - found[0], ends[1] - found[1]


def reshape_segments(op: ReshapeOp | FlattenOp) -> tuple[Segment, ...] | None:
    """The segments of an op; None where its shape is not known."""
    given, made = shape_of(op.operand), shape_of(op.result)
    if given is None or made is None or 0 in (*given, *made):
        return None
    copied = 0
    if isinstance(op, ReshapeOp):
        wanted = known_ints(op, "shape")
        if wanted is None:
            return None
        if not op.allowzero.value.data:
            copied = next((i for i, dim in enumerate(wanted) if dim != 0), len(wanted))
    return tuple(segments(given, made, copied))
