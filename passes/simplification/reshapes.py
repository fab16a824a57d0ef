"""Reshapes, squeezes and unsqueezes of each other; transposes and expansions that need not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from xdsl.dialects.builtin import DenseArrayBase, i64
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from pyflame_rt.dialects.pfrt.base import PfrtOp, broadcast
from pyflame_rt.dialects.pfrt.broadcasting import ElementwiseOp
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.shape import (
    ExpandOp,
    FlattenOp,
    ReshapeOp,
    SqueezeOp,
    TransposeOp,
    UnsqueezeOp,
)
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, static_shape_of, tensor, type_of
from pyflame_rt.dialects.rewriting import replace
from pyflame_rt.passes.simplification.driver import forward

RESHAPES = (ReshapeOp, FlattenOp, SqueezeOp, UnsqueezeOp)
"""Ops that give the same elements in the same order another shape."""


def _as_shape(value: SSAValue) -> list[int] | None:
    """The `shape` property of a reshape to the type of a value; None when there is none.

    One dimension may be unknown, if the others are not 0.
    """
    shape = shape_of(value)
    if shape is None or shape.count(DYNAMIC) > 1 or 0 in shape:
        return None
    return _rest(shape)


def _reshape(rewriter: PatternRewriter, op: PfrtOp, operand: SSAValue, shape: list[int]) -> None:
    new = ReshapeOp.build(
        operands=[operand, []],
        properties={"shape": DenseArrayBase.from_list(i64, shape)},
        result_types=[op.results[0].type],
    )
    replace(rewriter, op, new)


class ReshapeToItself(RewritePattern):
    """reshape(x) -> x, if the shape stays; so for flatten.

    It does if the types are equal and at most one dimension is unknown.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp | FlattenOp, rewriter: PatternRewriter, /) -> None:
        if op.operand.type == op.result.type and _as_shape(op.result) is not None:
            forward(rewriter, op, op.operand)


class ReshapeOfReshape(RewritePattern):
    """reshape(unsqueeze(x)) -> reshape(x), squeeze(reshape(x)) -> reshape(x), …

    Any two of reshape, flatten, squeeze and unsqueeze, if the result has at most one unknown
    dimension.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(
        self,
        op: ReshapeOp | FlattenOp | SqueezeOp | UnsqueezeOp,
        rewriter: PatternRewriter,
        /,
    ) -> None:
        inner = op.operand.owner
        if not isinstance(inner, RESHAPES) or (shape := _as_shape(op.result)) is None:
            return
        operand = inner.operand
        # Its static type says that the operand has this shape: then nothing is left to do.
        if operand.type == op.result.type:
            forward(rewriter, op, operand)
        elif not isinstance(op, UnsqueezeOp) or not isinstance(inner, UnsqueezeOp):
            _reshape(rewriter, op, operand, shape)


class AxesTogether(RewritePattern):
    """squeeze(unsqueeze(x) {axes = a}) {axes = a} -> x, and the other way round;
    unsqueeze(unsqueeze(x)) -> unsqueeze(x), squeeze(squeeze(x)) -> squeeze(x)."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SqueezeOp | UnsqueezeOp, rewriter: PatternRewriter, /) -> None:
        inner = op.operand.owner
        if not isinstance(inner, SqueezeOp | UnsqueezeOp):
            return
        outer_axes, inner_axes = _axes(op), _axes(inner)
        if outer_axes is None or inner_axes is None:
            return
        if type(op) is not type(inner):
            if outer_axes == inner_axes:
                forward(rewriter, op, inner.operand)
            return
        before, after = shape_of(inner.operand), shape_of(op.result)
        if before is None or after is None:
            return
        if isinstance(op, UnsqueezeOp):
            kept = [axis for axis in range(len(after)) if axis not in outer_axes]
            axes = sorted({*outer_axes, *(kept[axis] for axis in inner_axes)})
        else:
            left = [axis for axis in range(len(before)) if axis not in inner_axes]
            axes = sorted({*inner_axes, *(left[axis] for axis in outer_axes)})
        new = type(op).build(
            operands=[inner.operand, []],
            properties={"axes": DenseArrayBase.from_list(i64, axes)},
            result_types=[op.result.type],
        )
        replace(rewriter, op, new)


def _axes(op: SqueezeOp | UnsqueezeOp) -> list[int] | None:
    """The axes that go or come, not negative; None when not known."""
    shape = shape_of(op.operand if isinstance(op, SqueezeOp) else op.result)
    if op.axes is None or shape is None:
        return None
    return sorted(axis % len(shape) for axis in ints(op.axes))


class TransposeOfOnes(RewritePattern):
    """transpose(x) -> reshape(x), where only dimensions of 1 change places among the others."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter, /) -> None:
        shape, perm, target = shape_of(op.operand), op.permutation(), _as_shape(op.result)
        if shape is None or perm is None or target is None:
            return
        order = [axis for axis in perm if shape[axis] != 1]
        if order == sorted(order) and list(perm) != sorted(perm):
            _reshape(rewriter, op, op.operand, target)


class TransposeBetweenReshapes(RewritePattern):
    """reshape(transpose(reshape(x))) -> transpose(x), if the inner reshape only merges neighbouring
    dimensions, and the outer one splits them again, wherever they are then.

    ```mlir
    %a = pfrt.reshape %x {shape = array<i64: -1, 5, 7>} : (tensor<?x3x5x7xf32>) -> tensor<?x5x7xf32>
    %b = pfrt.transpose %a {perm = array<i64: 0, 2, 1>} : tensor<?x5x7xf32> -> tensor<?x7x5xf32>
    %c = pfrt.reshape %b {shape = array<i64: 0, 3, 7, 5>} : (tensor<?x7x5xf32>) -> tensor<?x3x7x5xf32>
    ```
    is a transpose of x by 0, 1, 3, 2.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter, /) -> None:
        transpose = op.operand.owner
        if not isinstance(transpose, TransposeOp):
            return
        inner, perm = transpose.operand.owner, transpose.permutation()
        if not isinstance(inner, RESHAPES) or perm is None:
            return
        before, merged, after = map(shape_of, (inner.operand, inner.result, op.result))
        if before is None or merged is None or after is None:
            return
        # Dimensions of 1 may be anywhere: they take part on neither side.
        dims = tuple(dim for dim in before if dim != 1)
        groups = _groups(dims, [dim for dim in merged if dim != 1])
        places = [axis for axis, dim in enumerate(merged) if dim != 1]
        if groups is None or max(dims.count(DYNAMIC), after.count(DYNAMIC)) > 1 or 0 in after:
            return
        kept = [places.index(axis) for axis in perm if axis in places]
        order = [axis for index in kept for axis in groups[index]]
        # With one dimension unknown on both sides, it is what the others leave.
        moved = [dims[axis] for axis in order]
        if moved != [dim for dim in after if dim != 1]:
            return
        made = 1 + (dims != before) + (tuple(moved) != after)
        gone = 1 + op.operand.has_one_use()
        gone += gone == 2 and transpose.operand.has_one_use()
        if made < gone:
            _transpose_between(rewriter, op, inner.operand, dims, order)


def _transpose_between(
    rewriter: PatternRewriter, op: ReshapeOp, x: SSAValue, dims: Sequence[int], order: Sequence[int]
) -> None:
    """Replace a reshape by a transpose of x as `dims`, with a reshape before and behind if need be."""
    element = type_of(x).element_type
    if shape_of(x) != tuple(dims):
        before = ReshapeOp.build(
            operands=[x, []],
            properties={"shape": DenseArrayBase.from_list(i64, _rest(dims))},
            result_types=[tensor(element, dims)],
        )
        before.location = op.location
        x = rewriter.insert(before).result
    moved = [dims[axis] for axis in order]
    transpose = TransposeOp.build(
        operands=[x],
        properties={"perm": DenseArrayBase.from_list(i64, order)},
        result_types=[tensor(element, moved)],
    )
    target = cast("tuple[int, ...]", shape_of(op.result))
    if target == tuple(moved):
        replace(rewriter, op, transpose)
        return
    behind = ReshapeOp.build(
        operands=[transpose.result, []],
        properties={"shape": DenseArrayBase.from_list(i64, _rest(target))},
        result_types=[op.result.type],
    )
    replace(rewriter, op, [transpose, behind])


def _rest(dims: Sequence[int]) -> list[int]:
    return [-1 if dim == DYNAMIC else dim for dim in dims]


def _groups(shape: Sequence[int], merged: Sequence[int]) -> list[list[int]] | None:
    """For each dimension of `merged` the neighbouring dimensions of `shape` that it consists of;
    None unless that is certain."""
    if merged.count(DYNAMIC) > 1 or 0 in (*shape, *merged):
        return None
    known = merged.index(DYNAMIC) if DYNAMIC in merged else len(merged)
    head = _taken(list(range(len(shape))), shape, merged[:known])
    backward = list(reversed(range(len(shape))))
    tail = _taken(backward, shape, merged[:known:-1] if known < len(merged) else ())
    if head is None or tail is None:
        return None
    groups, rest = head, [[*reversed(group)] for group in reversed(tail)]
    used = {axis for group in (*groups, *rest) for axis in group}
    middle = [axis for axis in range(len(shape)) if axis not in used]
    if known < len(merged):
        if not middle or sum(map(len, groups)) + sum(map(len, rest)) != len(used):
            return None
        return [*groups, middle, *rest]
    return groups if not middle else None


def _taken(axes: list[int], shape: Sequence[int], sizes: Sequence[int]) -> list[list[int]] | None:
    """Runs of axes, taken from the front, whose dimensions multiply to the sizes."""
    groups: list[list[int]] = []
    left = iter(axes)
    for size in sizes:
        group: list[int] = []
        product = 1
        while product < size:
            axis = next(left, None)
            if axis is None or shape[axis] == DYNAMIC:
                return None
            group.append(axis)
            product *= shape[axis]
        if product != size:
            return None
        groups.append(group)
    return groups


class ExpandOfExpand(RewritePattern):
    """expand(expand(x)) -> expand(x), if the result's shape is static."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ExpandOp, rewriter: PatternRewriter, /) -> None:
        inner, shape = op.operand.owner, static_shape_of(op.result)
        if not isinstance(inner, ExpandOp) or shape is None:
            return
        new = ExpandOp.build(
            operands=[inner.operand, []],
            properties={"shape": DenseArrayBase.from_list(i64, shape)},
            result_types=[op.result.type],
        )
        replace(rewriter, op, new)


class ExpandedOperand(RewritePattern):
    """add(expand(x), y) -> add(x, y), if y has the result's shape anyway; so for all elementwise ops
    that broadcast."""

    def match_and_rewrite(self, op: Any, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ElementwiseOp) or len(op.operands) < 2:
            return
        result = static_shape_of(op.results[0])
        if result is None:
            return
        for index, operand in enumerate(op.operands):
            expand = operand.owner
            if not isinstance(expand, ExpandOp):
                continue
            others = [v for i, v in enumerate(op.operands) if i != index]
            shapes = [shape_of(value) for value in (expand.operand, *others)]
            if None not in shapes and broadcast(*cast("list[Any]", shapes)) == result:
                rewriter.notify_op_modified(op)
                op.operands[index] = expand.operand
                return


PATTERNS: tuple[RewritePattern, ...] = (
    ReshapeToItself(),
    AxesTogether(),
    ReshapeOfReshape(),
    TransposeOfOnes(),
    TransposeBetweenReshapes(),
    ExpandOfExpand(),
    ExpandedOperand(),
)
"""All of them."""
