"""Values one after another, and parts of one, as blocks of matrices of features x rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, SliceOp
from pyflame_rt.dialects.pfrt.types import shape_of

Shape = tuple[int, ...]
Matrix = Callable[[Shape], tuple[int, int, tuple[int, int] | None]]


@dataclass(frozen=True)
class Block:
    """A block of an operand, and where it goes in the result: first feature and row, how many."""

    operand: SSAValue
    size: tuple[int, int]
    source: tuple[int, int] = (0, 0)
    target: tuple[int, int] = (0, 0)


def blocks_of(op: ConcatOp | SliceOp, matrix_of: Matrix) -> list[Block] | str:
    """What a result consists of; otherwise why it is not made of blocks."""
    if isinstance(op, ConcatOp):
        return _concatenated(op, matrix_of)
    return _sliced(op, matrix_of)


def _concatenated(op: ConcatOp, matrix_of: Matrix) -> list[Block] | str:
    shapes = [shape_of(value) or () for value in op.inputs]
    axis = op.axis.value.data % max(len(shapes[0]), 1)
    found: list[Block] = []
    at = 0
    for value, shape in zip(op.inputs, shapes, strict=True):
        place = _along(shape, axis, matrix_of)
        if isinstance(place, str):
            return place
        features, rows = matrix_of(shape)[:2]
        target = (at, 0) if place == 0 else (0, at)
        found.append(Block(value, (features, rows), target=target))
        at += (features, rows)[place]
    return found


def _sliced(op: SliceOp, matrix_of: Matrix) -> list[Block] | str:
    shape = shape_of(op.operand) or ()
    if op.starts is None or op.ends is None or len(op.operands) > 1:
        return "its bounds are no constants"
    starts, ends = ints(op.starts), ints(op.ends)
    axes = tuple(range(len(starts))) if op.axes is None else ints(op.axes)
    steps = (1,) * len(starts) if op.steps is None else ints(op.steps)
    first, size = [0, 0], list(matrix_of(shape)[:2])
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis %= len(shape)
        taken = range(*slice(start, end, step).indices(shape[axis]))
        if taken == range(shape[axis]):
            continue
        place = _along(shape, axis, matrix_of)
        if isinstance(place, str) or taken.step != 1:
            return place if isinstance(place, str) else "it skips elements"
        # An element of an axis of rows is as many rows as the axes behind it have.
        inner = size[place] // shape[axis]
        first[place], size[place] = taken.start * inner, len(taken) * inner
    return [Block(op.operand, (size[0], size[1]), (first[0], first[1]))]


def _along(shape: Sequence[int], axis: int, matrix_of: Matrix) -> int | str:
    """0 for an axis of features, 1 for one of consecutive rows; otherwise why it is neither."""
    if len(shape) == 4:
        return 0 if axis == 1 else "it is along the pixels of an image"
    if axis == len(shape) - 1:
        return 0
    return 1 if math.prod(shape[:axis]) == 1 else "it is along an inner dimension of rows"
