"""Ops that keep the places of elements: elementwise ones, pooling, reductions, normalizations."""

from __future__ import annotations

from xdsl.ir import Operation

from pyflame_rt.dialects.pfrt.activation import SwigluOp
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.elementwise import AddOp, MulOp, SubOp, SumOp
from pyflame_rt.dialects.pfrt.normalization import (
    BatchNormalizationOp,
    GroupNormalizationOp,
    InstanceNormalizationOp,
    LayerNormalizationOp,
    LrnOp,
    MeanVarianceNormalizationOp,
    RmsNormalizationOp,
    SoftmaxLikeOp,
)
from pyflame_rt.dialects.pfrt.pooling import GlobalPoolOp, PoolOp
from pyflame_rt.dialects.pfrt.reduction import ArgOp, ReduceOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of, to_property
from pyflame_rt.kernels.reduction import reduced_axes
from pyflame_rt.passes.pruning.relations.kept import Kept
from pyflame_rt.passes.pruning.relations.links import Links, Rule
from pyflame_rt.passes.pruning.relations.products import channel_axis, data_layout

_LINEAR = (AddOp, SubOp, MulOp, SumOp)


def elementwise(op: PfrtOp, links: Links) -> None:
    """Corresponding elements of operands that broadcast."""
    for operand in op.operands:
        if is_tensor(operand.type):
            links.broadcast(operand, op.results[0])
    if isinstance(op, _LINEAR):
        links.vanishing(*op.operands)
    _whatever_comes(op, links)


def _whatever_comes(op: Operation, links: Links) -> None:
    """An axis that no operand has, or only one of size 1, may lose what it likes."""
    for index in range(len(shape_of(op.results[0]) or ())):
        links.free(op.results[0], index)


def _pool(op: PoolOp | GlobalPoolOp, links: Links) -> None:
    axis = channel_axis(op.operand, data_layout(op))
    for result in op.results:
        if axis is not None:
            links.same(op.operand, 0, result, 0)
            links.same(op.operand, axis, result, axis)


def _reduction(op: ReduceOp, links: Links) -> None:
    shape, axes = shape_of(op.operand), op.known_axes()
    if shape is None or axes is None:
        return
    reduced = reduced_axes(len(shape), axes, bool(op.noop_with_empty_axes.value.data))
    _reducing(op, links, reduced, bool(op.keepdims.value.data))


def _extreme(op: ArgOp, links: Links) -> None:
    shape = shape_of(op.operand)
    if shape is not None:
        axis = op.axis.value.data % len(shape)
        _reducing(op, links, (axis,), bool(op.keepdims.value.data))


def _reducing(op: ReduceOp | ArgOp, links: Links, reduced: tuple[int, ...], keepdims: bool) -> None:
    place = 0
    for index in range(len(shape_of(op.operand) or ())):
        if index in reduced:
            links.fix(op.operand, index, f"{op.name} reduces it")
            place += keepdims
        else:
            links.same(op.operand, index, op.result, place)
            place += 1


def _batch_normalization(op: BatchNormalizationOp, links: Links) -> None:
    axis = channel_axis(op.operand, op.data_layout)
    if axis is None:
        return
    links.broadcast(op.operand, op.result)
    for value in (op.scale, op.bias, op.mean, op.var):
        links.same(value, 0, op.result, axis)
    links.vanishing(op.scale, op.bias)


def _instance_normalization(
    op: InstanceNormalizationOp | GroupNormalizationOp, links: Links
) -> None:
    axis = channel_axis(op.operand, op.data_layout)
    if axis is None:
        return
    links.same(op.operand, 0, op.result, 0)
    links.same(op.operand, axis, op.result, axis)
    for value in (op.scale, op.bias):
        links.same(value, 0, op.result, axis)
    links.vanishing(op.scale, op.bias)


def _group_normalization(op: GroupNormalizationOp, links: Links) -> None:
    """Whole groups only: what remained of one would have other statistics."""
    axis = channel_axis(op.operand, op.data_layout)
    channels = None if axis is None else (shape_of(op.operand) or ())[axis]
    if axis is None or channels in (None, DYNAMIC):
        return
    _instance_normalization(op, links)
    links.blocks(op.operand, axis, channels // op.num_groups.value.data)


def _fewer_groups(op: GroupNormalizationOp, kept: Kept) -> None:
    axis = channel_axis(op.operand, op.data_layout)
    channels = (shape_of(op.operand) or ())[axis or 0]
    size = channels // op.num_groups.value.data
    op.properties["num_groups"] = to_property(kept.count(op.operand, axis or 0) // size)


def _from_axis(op: LayerNormalizationOp | RmsNormalizationOp, links: Links) -> None:
    shape = shape_of(op.operand)
    if shape is None:
        return
    first = op.axis.value.data % len(shape)
    _normalizing(op, links, tuple(range(first, len(shape))))
    for value in op.operands[1:]:
        links.broadcast(value, op.result)


def _along(op: SoftmaxLikeOp, links: Links) -> None:
    shape = shape_of(op.operand)
    if shape is not None:
        axis = op.axis.value.data % len(shape)
        _normalizing(op, links, (axis,))


def _over(op: MeanVarianceNormalizationOp, links: Links) -> None:
    shape = shape_of(op.operand)
    if shape is not None:
        _normalizing(op, links, tuple(axis % len(shape) for axis in ints(op.axes)))


def _across_channels(op: LrnOp, links: Links) -> None:
    _normalizing(op, links, (1,))


def _normalizing(op: PfrtOp, links: Links, axes: tuple[int, ...]) -> None:
    links.broadcast(op.operands[0], op.results[0])
    for axis in axes:
        links.fix(op.operands[0], axis, f"{op.name} normalizes over it")


RULES: dict[type, Rule] = {
    SwigluOp: Rule(elementwise),
    PoolOp: Rule(_pool),
    GlobalPoolOp: Rule(_pool),
    ReduceOp: Rule(_reduction),
    ArgOp: Rule(_extreme),
    BatchNormalizationOp: Rule(_batch_normalization),
    InstanceNormalizationOp: Rule(_instance_normalization),
    GroupNormalizationOp: Rule(_group_normalization, _fewer_groups),
    LayerNormalizationOp: Rule(_from_axis),
    RmsNormalizationOp: Rule(_from_axis),
    MeanVarianceNormalizationOp: Rule(_over),
    LrnOp: Rule(_across_channels),
    SoftmaxLikeOp: Rule(_along),
}
