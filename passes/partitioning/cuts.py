"""How the devices of a group share a value, and which ops can work on shares of their operands.

A value of a group is whole on each device, or cut along an axis, a slice for each. A rule says for
an op whose operands lie in some way how it wants them, and how its results lie then. A result can
also be a sum: each device has a part to add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, is_tensor, shape_of


@dataclass(frozen=True)
class Cut:
    """Along `axis`, in slices of `sizes`."""

    axis: int
    sizes: tuple[int, ...]

    def scaled(self, axis: int, times: int, parts: int) -> Cut | None:
        """The cut along another axis, of `times / parts` elements for each of these."""
        if any(size * times % parts for size in self.sizes):
            return None
        return Cut(axis, tuple(size * times // parts for size in self.sizes))


Layout: TypeAlias = Cut | None
"""None: whole on each device."""

Slots: TypeAlias = Sequence[SSAValue | None]


@dataclass(frozen=True)
class Sharing:
    """How an op wants its operands, by slot, and how its results lie.

    `sums`: the results are parts to add. `first_only`: slots of operands that only the first device
    has, so that they are added once. `patches`: properties that depend on the share, as a function
    of the rank.
    """

    operands: tuple[Layout, ...]
    results: tuple[Layout, ...]
    sums: bool = False
    first_only: tuple[int, ...] = ()
    patches: Callable[[int], dict[str, Any]] | None = None


def shapes_of(slots: Slots) -> list[tuple[int, ...] | None]:
    """The shapes of operands; None for those that are absent, unranked or no tensors."""
    return [None if slot is None or not is_tensor(slot.type) else shape_of(slot) for slot in slots]


def same(op: PfrtOp, slots: Slots, cut: Cut, axis: int | None = None) -> Sharing:
    """The first operand is cut and so are the results, along `axis`; the other operands are not."""
    found = cut if axis is None else Cut(axis, cut.sizes)
    return Sharing((cut, *[None] * (len(slots) - 1)), (found,) * len(op.results))


def broadcasting(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """op(x, y, …) elementwise: what is as large as the result along the axis is cut with it."""
    result = shape_of(op.results[0])
    shapes = shapes_of(slots)
    if result is None or any(
        s is None for v, s in zip(slots, shapes, strict=True) if v is not None
    ):
        return None
    rank = len(result)
    best: Cut | None = None
    weight = -1
    for shape, layout in zip(shapes, layouts, strict=True):
        if layout is None or shape is None:
            continue
        axis = layout.axis + rank - len(shape)
        size = math.prod(abs(d) for d in shape)
        if shape[layout.axis] == result[axis] and size > weight:
            best, weight = Cut(axis, layout.sizes), size
    if best is None:
        return None
    return Sharing(
        tuple(_aligned(shape, best, rank, result[best.axis]) for shape in shapes),
        (best,) * len(op.results),
    )


def _aligned(shape: tuple[int, ...] | None, cut: Cut, rank: int, dim: int) -> Layout:
    """The cut of an operand that broadcasts into a result that is cut."""
    if shape is None:
        return None
    axis = cut.axis - (rank - len(shape))
    return Cut(axis, cut.sizes) if axis >= 0 and shape[axis] == dim else None


def reshaped_cut(before: Sequence[int], after: Sequence[int], cut: Cut) -> Cut | None:
    """The cut of a reshaped value: slices of rows stay slices of rows, or there is none."""
    if DYNAMIC in before or DYNAMIC in after:
        return None
    outer, inner = math.prod(before[: cut.axis]), math.prod(before[cut.axis + 1 :])
    for axis, dim in enumerate(after):
        if math.prod(after[:axis]) == outer and dim > 1:
            return cut.scaled(axis, inner, math.prod(after[axis + 1 :]))
    return None


def reshape(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Any op that gives the same elements in order another shape."""
    cut, before, after = layouts[0], shapes_of(slots[:1])[0], shape_of(op.results[0])
    if cut is None or before is None or after is None:
        return None
    found = reshaped_cut(before, after, cut)
    if found is None:
        return None

    def patches(rank: int) -> dict[str, Any]:
        sizes = list(after)
        sizes[found.axis] = found.sizes[rank]
        return {"shape": tuple(sizes), "allowzero": False} if op.name == "pfrt.reshape" else {}

    return Sharing((cut, *[None] * (len(slots) - 1)), (found,), patches=patches)


def transpose(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """The axis goes where the permutation puts it."""
    cut, shape = layouts[0], shapes_of(slots[:1])[0]
    if cut is None or shape is None:
        return None
    attr = cast(Any, op).perm
    perm = list(attr.get_values()) if attr is not None else list(reversed(range(len(shape))))
    return same(op, slots, cut, perm.index(cut.axis))


def matmul(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Rows of the left, columns of the right, slices of a stack, or the contracted dimension."""
    left, right = shapes_of(slots[:2])
    result = shape_of(op.results[0])
    if left is None or right is None or result is None or min(len(left), len(right)) < 2:
        return None
    plain = all(slot is None for slot in slots[2:]) and cast(Any, op).activation is None
    a, b = layouts[:2]
    rank = len(result)
    rest = [_of_result(v, rank) for v in slots[2:]]
    if (a is not None and a.axis == len(left) - 1) or (b is not None and b.axis == len(right) - 2):
        cut = a if a is not None and a.axis == len(left) - 1 else b
        assert cut is not None
        if not plain:
            return None
        wanted = (Cut(len(left) - 1, cut.sizes), Cut(len(right) - 2, cut.sizes))
        return Sharing((*wanted, *[None] * len(rest)), (None,), sums=True)
    if b is not None and b.axis == len(right) - 1:
        found = Cut(rank - 1, b.sizes)
        return Sharing(
            (None, b, *[_rest(f, found, slots[2 + i]) for i, f in enumerate(rest)]), (found,)
        )
    if a is not None and a.axis == len(left) - 2:
        found = Cut(rank - 2, a.sizes)
        return Sharing(
            (a, None, *[_rest(f, found, slots[2 + i]) for i, f in enumerate(rest)]), (found,)
        )
    for layout, shape in ((a, left), (b, right)):
        if layout is None:
            continue
        axis = layout.axis + rank - len(shape)
        if shape[layout.axis] != result[axis]:
            continue
        found = Cut(axis, layout.sizes)
        both = [_aligned(s, found, rank, result[axis]) for s in (left, right)]
        more = [_rest(f, found, slots[2 + i]) for i, f in enumerate(rest)]
        return Sharing((*both, *more), (found,))
    return None


def _of_result(value: SSAValue | None, rank: int) -> int | None:
    """How many dimensions an operand lacks of the result's; None for an absent one."""
    shape = None if value is None else shape_of(value)
    return None if shape is None else rank - len(shape)


def _rest(missing: int | None, cut: Cut, value: SSAValue | None) -> Layout:
    """The cut of a bias or residual beside that of the result."""
    shape = None if value is None else shape_of(value)
    if missing is None or shape is None or cut.axis < missing:
        return None
    axis = cut.axis - missing
    return None if shape[axis] == 1 else Cut(axis, cut.sizes)


def gemm(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Rows of the left, columns of the right, or the contracted dimension, where c is added once."""
    traits = cast(Any, op)
    a, b = layouts[:2]
    row, depth = (1, 0) if traits.trans_a.value.data else (0, 1)
    inner = 1 if traits.trans_b.value.data else 0
    rest = [_of_result(v, 2) for v in slots[2:]]
    if (a is not None and a.axis == depth) or (b is not None and b.axis == inner):
        cut = a if a is not None and a.axis == depth else b
        assert cut is not None
        if slots[3] is not None or traits.activation is not None:
            return None
        wanted = (Cut(depth, cut.sizes), Cut(inner, cut.sizes), None, None)
        return Sharing(wanted, (None,), sums=True, first_only=(2,))
    if b is not None:
        found = Cut(1, b.sizes)
        wanted = (None, b, *[_rest(f, found, slots[2 + i]) for i, f in enumerate(rest)])
        return Sharing(wanted, (found,))
    if a is None or a.axis != row:
        return None
    found = Cut(0, a.sizes)
    return Sharing(
        (a, None, *[_rest(f, found, slots[2 + i]) for i, f in enumerate(rest)]), (found,)
    )


def conv(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Images, output channels (where the weights are cut), input channels of a plain convolution
    as sums, groups of a grouped one."""
    traits = cast(Any, op)
    x, weights = layouts[:2]
    shapes = shapes_of(slots)
    if shapes[0] is None or shapes[1] is None or _is_odd(op):
        return None
    group, channels, filters = traits.group.value.data, shapes[0][1], shapes[1][0]
    plain = slots[3] is None and traits.activation is None
    if x is not None and x.axis == 0:
        return Sharing((x, None, None, x if slots[3] is not None else None), (x,))
    if x is not None and x.axis == 1 and group == 1:
        if not plain:
            return None
        wanted = (x, Cut(1, x.sizes), None, None)
        return Sharing(wanted, (None,), sums=True, first_only=(2,))
    if x is not None and x.axis == 1:
        found = x.scaled(1, filters, channels)
        groups = x.scaled(0, group, channels)
        if found is None or groups is None:
            return None
        plus = found if slots[3] is not None else None
        bias = Cut(0, found.sizes) if slots[2] is not None else None
        return Sharing(
            (x, Cut(0, found.sizes), bias, plus),
            (found,),
            patches=lambda r: {"group": groups.sizes[r]},
        )
    if weights is not None and weights.axis == 0 and group == 1 and x is None:
        found = Cut(1, weights.sizes)
        plus = found if slots[3] is not None else None
        return Sharing((None, weights, Cut(0, weights.sizes), plus), (found,))
    return None


def _is_odd(op: PfrtOp) -> bool:
    """Whether an op's data lies otherwise than as images of channels of rows."""
    found = [cast(Any, getattr(op, name, None)) for name in ("layout", "x_layout")]
    return any(attr is not None and attr.data != "nchw" for attr in found)


def batch_normalization(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Images, or channels with their statistics."""
    cut = layouts[0]
    if cut is None or _is_odd(op):
        return None
    rest = Cut(0, cut.sizes) if cut.axis == 1 else None
    return Sharing((cut, rest, rest, rest, rest), (cut,))


def pooling(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Images, or channels."""
    cut = layouts[0]
    if cut is None or cut.axis > 1 or _is_odd(op):
        return None
    return same(op, slots, cut)


def reduction(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Along other axes than the cut one."""
    cut, shape = layouts[0], shapes_of(slots[:1])[0]
    attr = cast(Any, op).axes
    if cut is None or shape is None or attr is None or slots[1] is not None:
        return None
    axes = {axis % len(shape) for axis in attr.get_values()}
    if cut.axis in axes or not axes:
        return None
    kept = bool(cast(Any, op).keepdims.value.data)
    return same(op, slots, cut, cut.axis - (0 if kept else sum(a < cut.axis for a in axes)))


def along_axis(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """softmax and split: along another axis than the cut one."""
    cut, shape = layouts[0], shapes_of(slots[:1])[0]
    if cut is None or shape is None or cast(Any, op).axis.value.data % len(shape) == cut.axis:
        return None
    return same(op, slots, cut)


def layer_normalization(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Along axes behind the cut one."""
    cut, shape = layouts[0], shapes_of(slots[:1])[0]
    if cut is None or shape is None or cut.axis >= cast(Any, op).axis.value.data % len(shape):
        return None
    return same(op, slots, cut)


def concat(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """All operands cut alike, along another axis."""
    cut = next((layout for layout in layouts if layout is not None), None)
    result = shape_of(op.results[0])
    if cut is None or result is None or cast(Any, op).axis.value.data % len(result) == cut.axis:
        return None
    return Sharing((cut,) * len(slots), (cut,))


def slice_(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Along other axes than the cut one."""
    cut, shape = layouts[0], shapes_of(slots[:1])[0]
    attr = cast(Any, op).axes
    if cut is None or shape is None or attr is None or any(slot is not None for slot in slots[1:]):
        return None
    if cut.axis in {axis % len(shape) for axis in attr.get_values()}:
        return None
    return same(op, slots, cut)


def gather(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """Indices cut, or data cut along another axis."""
    data, indices = layouts
    shapes = shapes_of(slots)
    if shapes[0] is None or shapes[1] is None:
        return None
    axis = cast(Any, op).axis.value.data % len(shapes[0])
    if indices is not None:
        return Sharing((None, indices), (Cut(axis + indices.axis, indices.sizes),))
    if data is None or data.axis == axis:
        return None
    moved = data.axis if data.axis < axis else data.axis + len(shapes[1]) - 1
    return Sharing((data, None), (Cut(moved, data.sizes),))


def expand(op: PfrtOp, slots: Slots, layouts: Sequence[Layout]) -> Sharing | None:
    """The axis that is cut is not the one that grows."""
    cut, shape, result = layouts[0], shapes_of(slots[:1])[0], shape_of(op.results[0])
    if cut is None or shape is None or result is None or DYNAMIC in result or slots[1] is not None:
        return None
    axis = cut.axis + len(result) - len(shape)
    if shape[cut.axis] != result[axis]:
        return None

    def patches(rank: int) -> dict[str, Any]:
        sizes = list(result)
        sizes[axis] = cut.sizes[rank]
        return {"shape": tuple(sizes)}

    return Sharing((cut, None), (Cut(axis, cut.sizes),), patches=patches)


Rule: TypeAlias = Callable[[PfrtOp, Slots, Sequence[Layout]], Sharing | None]

RULES: dict[str, Rule] = {
    "pfrt.average_pool": pooling,
    "pfrt.batch_normalization": batch_normalization,
    "pfrt.concat": concat,
    "pfrt.conv": conv,
    "pfrt.expand": expand,
    "pfrt.flatten": reshape,
    "pfrt.gather": gather,
    "pfrt.gemm": gemm,
    "pfrt.global_average_pool": pooling,
    "pfrt.global_max_pool": pooling,
    "pfrt.identity": broadcasting,
    "pfrt.layer_normalization": layer_normalization,
    "pfrt.log_softmax": along_axis,
    "pfrt.matmul": matmul,
    "pfrt.max_pool": pooling,
    "pfrt.reduce_max": reduction,
    "pfrt.reduce_mean": reduction,
    "pfrt.reduce_min": reduction,
    "pfrt.reduce_prod": reduction,
    "pfrt.reduce_sum": reduction,
    "pfrt.reshape": reshape,
    "pfrt.slice": slice_,
    "pfrt.softmax": along_axis,
    "pfrt.split": along_axis,
    "pfrt.squeeze": reshape,
    "pfrt.transpose": transpose,
    "pfrt.unsqueeze": reshape,
}


def sharing(op: PfrtOp, layouts: Sequence[Layout]) -> Sharing | None:
    """How an op works on operands that lie so; None: it needs them whole."""
    if not any(layouts):
        return None
    rule = RULES.get(op.name) or (broadcasting if type(op).ELEMENTWISE else None)
    return None if rule is None else rule(op, op.operand_slots(), layouts)


def column_sharing(op: PfrtOp, cut: Cut, layouts: Sequence[Layout]) -> Sharing | None:
    """How an op with weights computes a slice of its result on each device, from whole operands."""
    slots = op.operand_slots()
    rest: list[Layout] = [None] * len(slots)
    if op.name == "pfrt.conv":
        rest[1] = Cut(0, cut.sizes)
    elif op.name == "pfrt.gemm":
        rest[1] = Cut(0 if cast(Any, op).trans_b.value.data else 1, cut.sizes)
    elif op.name == "pfrt.matmul":
        shape = shapes_of(slots)[1]
        if shape is None:
            return None
        rest[1] = Cut(len(shape) - 1, cut.sizes)
    else:
        return None
    return sharing(op, rest)
