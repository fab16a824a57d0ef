"""Heads side by side: what shows that (batch, heads, length, size) was (batch, length, heads * size)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.patterns.matching import number_of
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.parameters import known_ints
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, GatherOp, SliceOp, SplitOp
from pyflame_rt.dialects.pfrt.shape import ReshapeOp, SqueezeOp, TransposeOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.passes.fusion.attention_scores import Turned
from pyflame_rt.passes.symbolic.facts import Facts

_HEADS_FIRST = (0, 2, 1, 3)
"""Between (batch, length, heads, size) and (batch, heads, length, size)."""

_STACKED = (2, 0, 3, 1, 4)
"""From (batch, length, which, heads, size) to (which, batch, heads, length, size)."""


@dataclass(frozen=True)
class Packed:
    """A value of shape (batch, length, heads * size), or one of `count` equal parts of it."""

    value: SSAValue
    heads: int
    part: int = 0
    count: int = 1


@dataclass(frozen=True)
class Continued:
    """Keys or values that go on from those of the past."""

    past: SSAValue
    new: SSAValue
    concat: ConcatOp


def unpacked(turned: Turned, facts: Facts) -> Packed | None:
    """What (batch, heads, length, size) was made of by taking heads apart; None for anything else."""
    value = turned.value
    if turned.perm is None:
        op = value.owner
        if not isinstance(op, TransposeOp) or op.permutation() != _HEADS_FIRST:
            return _of_stack(value, facts)
        value = op.operand
    elif turned.perm != _HEADS_FIRST:
        return None
    op = value.owner
    if not isinstance(op, ReshapeOp):
        return None
    before, after = facts.shape(op.operand), facts.shape(value)
    if before is None or after is None or len(before) != 3 or len(after) != 4:
        return None
    heads, size = after[2:]
    if not isinstance(heads, int) or not isinstance(size, int) or heads < 1:
        return None
    return Packed(op.operand, heads) if before == (*after[:2], heads * size) else None


def _of_stack(value: SSAValue, facts: Facts) -> Packed | None:
    """One of the queries, keys and values that were made together."""
    chosen = _chosen(value, facts)
    if chosen is None:
        return None
    stack, index = chosen
    turn = stack.owner
    if not isinstance(turn, TransposeOp) or turn.permutation() != _STACKED:
        return None
    op = turn.operand.owner
    if not isinstance(op, ReshapeOp):
        return None
    before, after = facts.shape(op.operand), facts.shape(op.result)
    if before is None or after is None or len(before) != 3 or len(after) != 5:
        return None
    count, heads, size = after[2:]
    if not (isinstance(count, int) and isinstance(heads, int) and isinstance(size, int)):
        return None
    if before != (*after[:2], count * heads * size) or heads < 1 or not 0 <= index < count:
        return None
    return Packed(op.operand, heads, index, count)


def _chosen(value: SSAValue, facts: Facts) -> tuple[SSAValue, int] | None:
    """Of which value, and at which index of its first dimension, a value is the element."""
    op = value.owner
    if isinstance(op, GatherOp):
        index = number_of(op.indices)
        is_one = shape_of(op.indices) == () and op.axis.value.data == 0
        return (op.operand, int(index)) if is_one and index is not None else None
    if not isinstance(op, SqueezeOp | ReshapeOp):
        return None
    before, after = facts.shape(op.operand), facts.shape(value)
    if not before or before[0] != 1 or after != before[1:]:
        return None
    part = op.operand.owner
    if isinstance(part, SplitOp) and part.axis.value.data == 0:
        shape = shape_of(part.operand)
        is_each_one = shape is not None and shape[0] == len(part.results)
        index = next(i for i, result in enumerate(part.results) if result is op.operand)
        return (part.operand, index) if is_each_one else None
    if not isinstance(part, SliceOp):
        return None
    starts, ends, axes = (known_ints(part, name) for name in ("starts", "ends", "axes"))
    steps = (1,) if part.steps is None and part.steps_value is None else known_ints(part, "steps")
    if starts is None or ends is None or axes != (0,) or steps != (1,):
        return None
    return (part.operand, starts[0]) if ends[0] == starts[0] + 1 and starts[0] >= 0 else None


def continued(turned: Turned) -> Continued | None:
    """The past and the new part of keys or values that are the two of them in a row."""
    op = turned.value.owner
    if turned.perm is not None or not isinstance(op, ConcatOp) or len(op.operands) != 2:
        return None
    shape = shape_of(turned.value)
    if shape is None or len(shape) != 4 or op.axis.value.data not in (2, -2):
        return None
    return Continued(op.operands[0], op.operands[1], op)


def joined(root: PfrtOp, facts: Facts) -> tuple[PfrtOp, PfrtOp] | None:
    """The ops that put the heads of an attention's result side by side, the last one first."""
    turn = _only_user(root.results[0])
    if not isinstance(turn, TransposeOp) or turn.permutation() != _HEADS_FIRST:
        return None
    reshape = _only_user(turn.result)
    if not isinstance(reshape, ReshapeOp) or reshape.operand is not turn.result:
        return None
    before, after = facts.shape(turn.result), facts.shape(reshape.result)
    if before is None or after is None or reshape.parent is not root.parent:
        return None
    heads, size = before[2:]
    if not isinstance(heads, int) or not isinstance(size, int):
        return None
    return (reshape, turn) if after == (*before[:2], heads * size) else None


def _only_user(value: SSAValue) -> Operation | None:
    return next(iter(value.uses)).operation if value.has_one_use() else None


def makers(value: SSAValue, *, block: object) -> Iterator[PfrtOp]:
    """Movements that lead to a value, the last one first: of no use if the value is not used."""
    op = value.owner
    kinds = (TransposeOp, ReshapeOp, SqueezeOp, SliceOp, SplitOp, GatherOp)
    while isinstance(op, kinds) and op.parent is block:
        yield op
        op = op.operands[0].owner
