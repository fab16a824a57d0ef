"""Slices, splits and concatenations of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, i64
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from pyflame_rt.dialects.pfrt.base import normalize_axis
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, SliceOp, SplitOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.kernels.shape import slice_range
from pyflame_rt.passes.simplification.driver import forward

_END = 2**63 - 1

_MOST_OPERANDS = 256


@dataclass(frozen=True)
class _Cut:
    """What a slice takes along one axis: the bounds count from the front, the step is positive."""

    start: int
    end: int
    step: int = 1


def _cuts(op: SliceOp) -> dict[int, _Cut] | None:
    """The cuts of a slice by axis; None when one is not known or not of that form."""
    shape = shape_of(op.operand)
    if shape is None or op.starts is None or op.ends is None:
        return None
    if op.axes_value is not None or op.steps_value is not None:
        return None
    starts, ends = ints(op.starts), ints(op.ends)
    axes = range(len(starts)) if op.axes is None else ints(op.axes)
    steps = (1,) * len(starts) if op.steps is None else ints(op.steps)
    cuts: dict[int, _Cut] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        dim = shape[axis]
        if step < 1:
            return None
        if dim != DYNAMIC:
            taken = slice_range(start, end, step, dim)
            cuts[axis % len(shape)] = _Cut(taken.start, max(taken.start, taken.stop), step)
        elif start >= 0 and end >= 0:
            cuts[axis % len(shape)] = _Cut(start, max(start, end), step)
        else:
            return None
    return cuts


def _slice(
    rewriter: PatternRewriter, op: SliceOp, operand: SSAValue, cuts: dict[int, _Cut]
) -> None:
    rows = sorted(cuts.items())
    lists = {
        "starts": [cut.start for _, cut in rows],
        "ends": [cut.end for _, cut in rows],
        "axes": [axis for axis, _ in rows],
        "steps": [cut.step for _, cut in rows],
    }
    new = SliceOp.build(
        operands=[operand, [], [], [], []],
        properties={name: DenseArrayBase.from_list(i64, lists[name]) for name in lists},
        result_types=[op.result.type],
    )
    replace(rewriter, op, new)


class SliceOfSlice(RewritePattern):
    """slice(slice(x) {a : b}) {c : d} -> slice(x) {a + c : min(b, a + d)}

    Along each axis, if one of the steps is 1 and the bounds count from the front or the sizes are
    known.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SliceOp, rewriter: PatternRewriter, /) -> None:
        inner = op.operand.owner
        if not isinstance(inner, SliceOp):
            return
        first, second = _cuts(inner), _cuts(op)
        if first is None or second is None:
            return
        cuts = dict(first)
        for axis, cut in second.items():
            before = cuts.get(axis, _Cut(0, _END))
            end = min(before.end, before.start + cut.end * before.step)
            cuts[axis] = _Cut(before.start + cut.start * before.step, end, before.step * cut.step)
        if any(max(cut.start, cut.step) > _END for cut in cuts.values()):
            return
        cuts = {a: _Cut(c.start, max(c.start, c.end), c.step) for a, c in cuts.items()}
        _slice(rewriter, op, inner.operand, cuts)


class SliceOfConcat(RewritePattern):
    """slice(concat(x, y)) -> slice(y), if it takes nothing of x; so for any operand."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SliceOp, rewriter: PatternRewriter, /) -> None:
        concat = op.operand.owner
        cuts = _cuts(op)
        if not isinstance(concat, ConcatOp) or cuts is None:
            return
        shape = shape_of(concat.result)
        along = None if shape is None else normalize_axis(concat.axis.value.data, len(shape))
        if along is None or along not in cuts:
            return
        start, cut = 0, cuts[along]
        for part in concat.operands:
            dims = shape_of(part)
            if dims is None or dims[along] == DYNAMIC:
                return
            size = dims[along]
            if start <= cut.start and cut.end <= start + size and cut.start < cut.end:
                inside = _Cut(cut.start - start, cut.end - start, cut.step)
                _slice(rewriter, op, part, {**cuts, along: inside})
                return
            start += size


class ConcatOfConcat(RewritePattern):
    """concat(concat(x, y), z) -> concat(x, y, z), if nothing else uses the inner one."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConcatOp, rewriter: PatternRewriter, /) -> None:
        operands: list[SSAValue] = []
        for operand in op.operands:
            inner = operand.owner
            flat = isinstance(inner, ConcatOp) and inner.axis == op.axis
            alone = flat and operand.has_one_use()
            operands += cast(ConcatOp, inner).operands if alone else (operand,)
        # Without a limit a chain of concatenations takes the square of its length.
        if len(op.operands) < len(operands) <= _MOST_OPERANDS:
            _concat(rewriter, op, operands)


class ConcatOfEmpty(RewritePattern):
    """concat(x, y, z) -> concat(x, z), concat(x, y) -> x, if y has no elements along the axis."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConcatOp, rewriter: PatternRewriter, /) -> None:
        axis = op.axis.value.data
        kept = [v for v in op.operands if (shape := shape_of(v)) is None or shape[axis] != 0]
        if len(kept) == 1:
            forward(rewriter, op, kept[0])
        elif kept and len(kept) < len(op.operands):
            _concat(rewriter, op, kept)


class ConcatOfPieces(RewritePattern):
    """concat(split(x)) -> x; concat(slice(x) {a : b}, slice(x) {b : c}) -> slice(x) {a : c}"""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConcatOp, rewriter: PatternRewriter, /) -> None:
        shape = shape_of(op.result)
        if shape is None:
            return
        along = normalize_axis(op.axis.value.data, len(shape))
        first = op.operands[0].owner
        if isinstance(first, SplitOp):
            whole = list(first.results) == list(op.operands)
            if whole and normalize_axis(first.axis.value.data, len(shape)) == along:
                forward(rewriter, op, first.operand)
            return
        if len(op.operands) < 2:
            return
        operands: list[SSAValue] = [op.operands[0]]
        for operand in op.operands[1:]:
            joined = _joined(rewriter, operands[-1], operand, along)
            if joined is None:
                operands.append(operand)
            else:
                operands[-1] = joined
        if len(operands) < len(op.operands):
            _concat(rewriter, op, operands)


def _joined(
    rewriter: PatternRewriter, left: SSAValue, right: SSAValue, along: int
) -> SSAValue | None:
    """One slice in the place of two adjacent ones of the same value that only the concat uses."""
    a, b = left.owner, right.owner
    if not isinstance(a, SliceOp) or not isinstance(b, SliceOp) or a.operand is not b.operand:
        return None
    shape = shape_of(a.operand)
    if shape is None or shape[along] == DYNAMIC or len(list(left.uses)) > 1:
        return None
    first, second = _cuts(a), _cuts(b)
    if first is None or second is None or along not in first or along not in second:
        return None
    head, tail = first[along], second[along]
    others = {axis: cut for axis, cut in first.items() if axis != along}
    same = others == {axis: cut for axis, cut in second.items() if axis != along}
    if not same or head.step != 1 or tail.step != 1 or head.end != tail.start:
        return None
    rows = sorted({**others, along: _Cut(head.start, tail.end)}.items())
    new = SliceOp.create_op(
        [a.operand, None, None, None, None],
        {
            "starts": tuple(cut.start for _, cut in rows),
            "ends": tuple(cut.end for _, cut in rows),
            "axes": tuple(axis for axis, _ in rows),
            "steps": tuple(cut.step for _, cut in rows),
        },
        location=b.location,
    )
    rewriter.insert(new)
    return new.result


class SplitOfConcat(RewritePattern):
    """split(concat(x, y)) -> x, y, if the parts have the sizes of the operands."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SplitOp, rewriter: PatternRewriter, /) -> None:
        concat, shape = op.operand.owner, shape_of(op.operand)
        if not isinstance(concat, ConcatOp) or shape is None:
            return
        along = normalize_axis(op.axis.value.data, len(shape))
        if normalize_axis(concat.axis.value.data, len(shape)) != along:
            return
        sizes = [_size(value, along) for value in concat.operands]
        if sizes != [_size(part, along) for part in op.results] or DYNAMIC in sizes:
            return
        if all(a.type == b.type for a, b in zip(concat.operands, op.results, strict=True)):
            replace(rewriter, op, [], list(concat.operands))


def _size(value: SSAValue, axis: int) -> int:
    shape = shape_of(value)
    return DYNAMIC if shape is None else shape[axis]


def _concat(rewriter: PatternRewriter, op: ConcatOp, operands: Sequence[SSAValue]) -> None:
    new = ConcatOp.build(
        operands=[operands],
        properties={"axis": IntegerAttr(op.axis.value.data, 64)},
        result_types=[op.result.type],
    )
    replace(rewriter, op, new)


PATTERNS: tuple[RewritePattern, ...] = (
    SliceOfSlice(),
    SliceOfConcat(),
    ConcatOfConcat(),
    ConcatOfEmpty(),
    ConcatOfPieces(),
    SplitOfConcat(),
)
"""All of them."""
