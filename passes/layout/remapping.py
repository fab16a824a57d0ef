"""How ops follow a layout: which operands they then read, and what their properties become.

With T the conversion of a value and p the axes' permutation:

* op {layout = source}(x, …) = T⁻¹(op {layout = target}(T(x), …)) for ops that have a layout;
* conv(x, w) = T⁻¹(conv {layout = target, x_layout = source}(x, w));
* f(a, b, …) = T⁻¹(f(T(a), T(b), …)) for elementwise ops; what broadcasts gets its rank first;
* f(x), s, z = (T⁻¹(f(T(x))), s, z) for what x is measured for as a whole, and quantized by;
* op(x) {axis = i} = T⁻¹(op(T(x)) {axis = p⁻¹(i)}) for ops along axes, which only a permutation
  can follow; without the T⁻¹ for a reduction whose remaining axes keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from xdsl.dialects.builtin import IntegerAttr, StringAttr
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, Shape, constant_of
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.integer_products import QuantizedConvOp
from pyflame_rt.dialects.pfrt.integer_sums import QlinearAddOp, QlinearConvAddOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.normalization import SoftmaxLikeOp
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, PadOp, SliceOp, SplitOp
from pyflame_rt.dialects.pfrt.pooling import MaxPoolWithIndicesOp
from pyflame_rt.dialects.pfrt.quantization import DynamicQuantizeLinearOp, ScaledOp
from pyflame_rt.dialects.pfrt.reduction import ArgOp, ReduceOp
from pyflame_rt.dialects.pfrt.resizing import ResizeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of, to_property
from pyflame_rt.kernels.reduction import reduced_axes
from pyflame_rt.passes.layout.directions import Direction

_NOTHING: Mapping[str, Attribute | None] = MappingProxyType({})
_RESIDUAL = 8
"""Which operand of a quantized convolution is a residual."""


@dataclass(frozen=True)
class Following:
    """An op in the target layout: operands and results by position that have the target form, and
    the properties that change (None: it goes)."""

    operands: frozenset[int]
    results: frozenset[int]
    properties: Mapping[str, Attribute | None] = field(default_factory=lambda: _NOTHING)
    changes_layout: bool = False
    """Whether the op itself makes the target layout of data in the source layout."""


def following(op: PfrtOp, direction: Direction) -> Following | None:
    """The op in the target layout; None if it cannot follow."""
    if isinstance(op, DynamicQuantizeLinearOp):
        return _measured(op, direction)
    ranks = {len(shape) for v in op.results if (shape := shape_of(v)) is not None}
    if len(ranks) != 1 or any(shape_of(value) is None for value in op.operands):
        return None
    if isinstance(op, LayoutOp):
        return _with_layout(op, direction)
    if op.ELEMENTWISE:
        return _elementwise(op, direction)
    if not direction.permutes:
        return None
    for kinds, rule in _RULES:
        if isinstance(op, kinds):
            return rule(op, direction)
    return None


def _with_layout(op: LayoutOp, direction: Direction) -> Following | None:
    rank = len(shape_of(op.operands[0]) or ())
    if op.data_layout != direction.source or rank < 3:
        return None
    data = {0}
    if isinstance(op, ConvIntegerToFloatOp | ConvOp) and op.residual is not None:
        data.add(len(op.operands) - 1)
    if isinstance(op, QlinearConvAddOp):
        data.add(_RESIDUAL)
    if not direction.permutes:
        channels = {(shape_of(v) or (0, DYNAMIC))[1] for v in (op.operands[0], *op.results)}
        if DYNAMIC in channels or isinstance(op, MaxPoolWithIndicesOp | QuantizedConvOp):
            return None
    layout = None if direction.target == "nchw" else StringAttr(direction.target)
    properties: dict[str, Attribute | None] = {"layout": layout}
    if isinstance(op, ConvOp) and op.x_layout is not None:
        data.remove(0)
        properties["x_layout"] = None
    everything = frozenset(range(len(op.results)))
    return Following(frozenset(data), everything, properties)


def reading_source(follows: Following, direction: Direction) -> Following:
    """A convolution in the target layout that reads its first operand in the source layout."""
    properties = {**follows.properties, "x_layout": StringAttr(direction.source)}
    return Following(follows.operands - {0}, follows.results, properties, changes_layout=True)


def _elementwise(op: PfrtOp, direction: Direction) -> Following | None:
    shape = shape_of(op.results[0]) or ()
    properties = op.get_irdl_definition().properties
    if len(shape) < 3 or "axis" in properties or "axes" in properties:
        return None
    converted: set[int] = set()
    for index, operand in enumerate(op.operands):
        given = shape_of(operand) or ()
        if all(dim == 1 for dim in given):
            continue
        lower = len(given) < len(shape)
        if lower and constant_of(operand) is None:
            return None
        # A single channel would fill one of four lanes, and not broadcast to the others.
        whole = (1,) * (len(shape) - len(given)) + given
        if not direction.permutes and (DYNAMIC in (whole[1], shape[1]) or whole[1] != shape[1]):
            return None
        converted.add(index)
    if not converted:
        return None
    return Following(frozenset(converted), frozenset(range(len(op.results))))


def _along_one_axis(op: PfrtOp, direction: Direction) -> Following | None:
    """concat, split, softmax, …: all data in the target form, `axis` where it then is."""
    if (rank := _rank(op.operands[0])) is None:
        return None
    data = range(len(op.operands)) if isinstance(op, ConcatOp) else range(1)
    axis = cast("IntegerAttr[Any]", op.properties["axis"]).value.data
    moved: dict[str, Attribute | None] = {"axis": IntegerAttr(direction.axis(axis, rank), 64)}
    return Following(frozenset(data), frozenset(range(len(op.results))), moved)


def _along_some_axes(op: PfrtOp, direction: Direction) -> Following | None:
    """slice, pad, resize: every axis where it then is, in the order of the other lists."""
    op = cast("SliceOp | PadOp | ResizeOp", op)
    if (rank := _rank(op.operand)) is None or getattr(op, "axes_value", None) is not None:
        return None
    count = rank
    if isinstance(op, SliceOp):
        if op.starts is None:
            return None
        count = len(ints(op.starts))
    axes = range(count) if op.axes is None else ints(op.axes)
    moved = to_property(tuple(direction.axis(axis, rank) for axis in axes))
    return Following(frozenset((0,)), frozenset((0,)), {"axes": moved})


def _reduction(op: PfrtOp, direction: Direction) -> Following | None:
    op = cast(ReduceOp, op)
    rank, axes = _rank(op.operand), op.known_axes()
    if rank is None or axes is None or op.axes_value is not None:
        return None
    reduced = reduced_axes(rank, axes, bool(op.noop_with_empty_axes))
    properties: dict[str, Attribute | None] = {}
    if op.axes is not None and axes:
        properties["axes"] = to_property(
            tuple(sorted(direction.axis(axis, rank) for axis in reduced))
        )
    return _reducing(reduced, bool(op.keepdims), rank, direction, properties)


def _extreme(op: PfrtOp, direction: Direction) -> Following | None:
    op = cast(ArgOp, op)
    if (rank := _rank(op.operand)) is None:
        return None
    axis = op.axis.value.data % rank
    moved: dict[str, Attribute | None] = {"axis": IntegerAttr(direction.axis(axis, rank), 64)}
    return _reducing((axis,), bool(op.keepdims), rank, direction, moved)


def _reducing(
    reduced: Sequence[int],
    keepdims: bool,
    rank: int,
    direction: Direction,
    properties: Mapping[str, Attribute | None],
) -> Following | None:
    if keepdims:
        return Following(frozenset((0,)), frozenset((0,)), properties)
    remaining = [axis for axis in direction.permutation(rank) if axis not in reduced]
    if remaining != sorted(remaining):
        return None
    return Following(frozenset((0,)), frozenset(), properties)


def _rank(value: SSAValue) -> int | None:
    shape: Shape | None = shape_of(value)
    return None if shape is None or len(shape) < 3 else len(shape)


def _scaled(op: PfrtOp, direction: Direction) -> Following | None:
    """quantize and dequantize: the axis along which there are scales where it then is."""
    op = cast(ScaledOp, op)
    if (rank := _rank(op.x)) is None or op.block_size.value.data:
        return None
    axis = op.axis.value.data
    if not -rank <= axis < rank:
        # It means nothing where there is one scale.
        return Following(frozenset((0,)), frozenset((0,)))
    moved: dict[str, Attribute | None] = {"axis": IntegerAttr(direction.axis(axis, rank), 64)}
    return Following(frozenset((0,)), frozenset((0,)), moved)


def _measured(op: DynamicQuantizeLinearOp, direction: Direction) -> Following | None:
    """The integers in the target form; their scale and zero point are what they were."""
    if _rank(op.x) is None or not direction.permutes:
        return None
    return Following(frozenset((0,)), frozenset((0,)))


def _sum(op: PfrtOp, direction: Direction) -> Following | None:
    """The sum of two quantized tensors of one shape, whose scales are single."""
    op = cast(QlinearAddOp, op)
    return None if _rank(op.a) is None else Following(frozenset((0, 3)), frozenset((0,)))


_RULES: tuple[tuple[tuple[type, ...], Callable[[PfrtOp, Direction], Following | None]], ...] = (
    ((ConcatOp, SplitOp, SoftmaxLikeOp), _along_one_axis),
    ((SliceOp, PadOp, ResizeOp), _along_some_axes),
    ((ReduceOp,), _reduction),
    ((ArgOp,), _extreme),
    ((ScaledOp,), _scaled),
    ((QlinearAddOp,), _sum),
)
