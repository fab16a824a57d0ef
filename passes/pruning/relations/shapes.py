"""Ops that give the same elements another shape.

Where a reshape merges or splits dimensions, one of them loses positions and the others stay: the
outermost first (channels before height and width, heads before the elements of a head).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import Shape, constant_of
from pyflame_rt.dialects.pfrt.data import ShapeOp
from pyflame_rt.dialects.pfrt.parameters import is_given, known_ints
from pyflame_rt.dialects.pfrt.pieces import GatherOp
from pyflame_rt.dialects.pfrt.shape import (
    ExpandOp,
    FlattenOp,
    IdentityOp,
    ReshapeOp,
    SqueezeOp,
    TransposeOp,
    UnsqueezeOp,
)
from pyflame_rt.dialects.pfrt.types import is_tensor, shape_of, to_property
from pyflame_rt.passes.pruning.relations.kept import Kept, set_ints
from pyflame_rt.passes.pruning.relations.links import Links, Rule
from pyflame_rt.passes.pruning.relations.segments import Segment, reshape_segments


def _reshape(op: ReshapeOp | FlattenOp, links: Links) -> None:
    given, made = shape_of(op.operand) or (), shape_of(op.result) or ()
    found = reshape_segments(op)
    if found is None:
        links.reason = f"the shape that {op.name} makes is known only at run time"
        return
    for segment in found:
        _relate_segment(op, links, segment, given, made)


def _relate_segment(
    op: ReshapeOp | FlattenOp, links: Links, segment: Segment, given: Shape, made: Shape
) -> None:
    x = [index for index in segment.given if given[index] != 1]
    y = [index for index in segment.made if made[index] != 1]
    if len(x) == len(y) == 1:
        links.same(op.operand, x[0], op.result, y[0])
    elif len(x) == 1:
        _merge(links, (op.operand, x[0]), op.result, y, made)
    elif len(y) == 1:
        _merge(links, (op.result, y[0]), op.operand, x, given)
    elif x and y:
        _outermost(op, links, x, y, given, made)


def _merge(
    links: Links, merged: tuple[SSAValue, int], value: SSAValue, parts: Sequence[int], shape: Shape
) -> None:
    """Dimensions of a value that are one of another: one of them loses positions."""
    sizes = [shape[index] for index in parts]
    choice = links.choose(len(parts), merged)
    where = np.arange(math.prod(sizes))
    inner = math.prod(sizes[choice + 1 :])
    for place, index in enumerate(parts):
        if place == choice:
            links.tie(*merged, where, value, index, where // inner % sizes[choice])
        else:
            links.fix(value, index, f"{links.op.name} makes one axis of it and of others")


def _outermost(
    op: ReshapeOp | FlattenOp,
    links: Links,
    x: Sequence[int],
    y: Sequence[int],
    given: Shape,
    made: Shape,
) -> None:
    """Several dimensions that become several others: blocks of the outermost ones."""
    inner = math.prod(given[i] for i in x[1:]), math.prod(made[j] for j in y[1:])
    size = math.lcm(*inner)
    starts = np.arange(0, given[x[0]] * inner[0], size)
    links.blocks(op.operand, x[0], size // inner[0])
    links.blocks(op.result, y[0], size // inner[1])
    links.tie(op.operand, x[0], starts // inner[0], op.result, y[0], starts // inner[1])


def _new_shape(op: ReshapeOp, kept: Kept) -> None:
    wanted = list(known_ints(op, "shape") or ())
    for index, dim in enumerate(wanted):
        if dim > 0:
            wanted[index] = kept.count(op.result, index)
    set_ints(op, "shape", wanted)


def _transpose(op: TransposeOp, links: Links) -> None:
    for index, source in enumerate(op.permutation() or ()):
        links.same(op.operand, source, op.result, index)


def _identity(op: IdentityOp, links: Links) -> None:
    if is_tensor(op.operand.type):
        links.broadcast(op.operand, op.result)


def _without_ones(op: SqueezeOp | UnsqueezeOp, links: Links) -> None:
    """Both have the same dimensions above 1, in the same order."""
    given, made = shape_of(op.operand), shape_of(op.result)
    if given is None or made is None:
        return
    x = [index for index, dim in enumerate(given) if dim != 1]
    y = [index for index, dim in enumerate(made) if dim != 1]
    if len(x) == len(y):
        for i, j in zip(x, y, strict=True):
            links.same(op.operand, i, op.result, j)


def _named_axes(op: SqueezeOp, kept: Kept) -> None:
    """The dimensions that go are named, so that none goes that becomes 1."""
    if not is_given(op, "axes"):
        shape = shape_of(op.operand) or ()
        ones = tuple(index for index, dim in enumerate(shape) if dim == 1)
        op.properties["axes"] = to_property(ones)


def _expand(op: ExpandOp, links: Links) -> None:
    if known_ints(op, "shape") is None:
        return
    links.broadcast(op.operand, op.result)
    for index in range(len(shape_of(op.result) or ())):
        links.free(op.result, index)


def _new_sizes(op: ExpandOp, kept: Kept) -> None:
    wanted = list(known_ints(op, "shape") or ())
    for back in range(1, len(wanted) + 1):
        if wanted[-back] != 1:
            wanted[-back] = kept.count(op.result, len(shape_of(op.result) or ()) - back)
    set_ints(op, "shape", wanted)


def _shape(op: ShapeOp, links: Links) -> None:
    """Only the dimensions that anybody reads have to stay."""
    rank = len(shape_of(op.operand) or ())
    end = None if op.end is None else op.end.value.data
    said = list(range(rank))[op.start.value.data : end]
    read = {said[place] for place in _entries_read(op, len(said))}
    for index in range(rank):
        if index in read:
            links.fix(op.operand, index, f"{op.name} asks for its size")
        else:
            links.free(op.operand, index)


def _entries_read(op: ShapeOp, count: int) -> set[int]:
    """The entries of the result that constant gathers take, all if anything else reads it."""
    read: set[int] = set()
    for use in op.result.uses:
        user = use.operation
        indices = constant_of(user.indices) if isinstance(user, GatherOp) else None
        if indices is None or use.index != 0:
            return set(range(count))
        read |= {int(index) % count for index in indices.reshape(-1)}
    return read


RULES: dict[type, Rule] = {
    ReshapeOp: Rule(_reshape, _new_shape),
    FlattenOp: Rule(_reshape),
    TransposeOp: Rule(_transpose),
    IdentityOp: Rule(_identity),
    SqueezeOp: Rule(_without_ones, _named_axes),
    UnsqueezeOp: Rule(_without_ones),
    ExpandOp: Rule(_expand, _new_sizes),
    ShapeOp: Rule(_shape),
}
