"""Ops that take tensors apart and put them together: channels go where their elements go."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import Shape, constant_of
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.image import DepthToSpaceOp, SpaceToDepthOp
from pyflame_rt.dialects.pfrt.parameters import is_given, known_ints
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, GatherOp, PadOp, SliceOp, SplitOp, TileOp
from pyflame_rt.dialects.pfrt.resizing import ResizeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, constant_array, shape_of, to_property
from pyflame_rt.kernels.shape import slice_range
from pyflame_rt.passes.pruning.relations.kept import Kept, replace_operand, set_ints
from pyflame_rt.passes.pruning.relations.links import Links, Rule


def _others(links: Links, a: SSAValue, b: SSAValue, *axes: int) -> None:
    """All axes but these, position by position, of two values of one rank."""
    for index in range(len(shape_of(a) or ())):
        if index not in axes:
            links.same(a, index, b, index)


def _concat(op: ConcatOp, links: Links) -> None:
    result = shape_of(op.result)
    if result is None or any(shape_of(part) is None for part in op.inputs):
        return
    axis = op.axis.value.data % len(result)
    _one_after_another(links, op.inputs, op.result, axis)


def _split(op: SplitOp, links: Links) -> None:
    shape = shape_of(op.operand)
    if shape is None or any(shape_of(part) is None for part in op.parts):
        return
    known = known_ints(op, "split") is not None or op.num_outputs is not None
    axis = op.axis.value.data % len(shape)
    if known:
        _one_after_another(links, op.parts, op.operand, axis)


def _one_after_another(links: Links, parts: Any, whole: SSAValue, axis: int) -> None:
    """Values that are the parts of another along an axis."""
    sizes = [(shape_of(part) or ())[axis] for part in parts]
    start = 0
    for part, size in zip(parts, sizes, strict=True):
        _others(links, part, whole, axis)
        if DYNAMIC in sizes:
            continue
        links.tie(part, axis, np.arange(size), whole, axis, np.arange(start, start + size))
        start += size


def _new_parts(op: SplitOp, kept: Kept) -> None:
    axis = op.axis.value.data % len(shape_of(op.operand) or ())
    sizes = [kept.count(part, axis) for part in op.parts]
    if op.num_outputs is not None:
        del op.properties["num_outputs"]
        op.properties["split"] = to_property(tuple(sizes))
    else:
        set_ints(op, "split", sizes)


def _ranges(op: SliceOp) -> dict[int, range] | None:
    """The positions that a slice takes along each of its axes of a known size; None: not known."""
    shape = shape_of(op.operand)
    starts, ends = known_ints(op, "starts"), known_ints(op, "ends")
    if shape is None or starts is None or ends is None:
        return None
    axes = known_ints(op, "axes") if is_given(op, "axes") else tuple(range(len(starts)))
    steps = known_ints(op, "steps") if is_given(op, "steps") else (1,) * len(starts)
    if axes is None or steps is None:
        return None
    found: dict[int, range] = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        size = shape[axis]
        unknown = size == DYNAMIC
        found[axis % len(shape)] = range(0) if unknown else slice_range(start, end, step, size)
    return found


def _slice(op: SliceOp, links: Links) -> None:
    ranges = _ranges(op)
    if ranges is None:
        return
    _others(links, op.operand, op.result, *ranges)
    for axis, taken in ranges.items():
        size = (shape_of(op.operand) or ())[axis]
        if taken == range(size):
            links.same(op.operand, axis, op.result, axis)
        elif taken.step == 1 and len(taken):
            links.tie(op.operand, axis, np.asarray(taken), op.result, axis, np.arange(len(taken)))


def _new_bounds(op: SliceOp, kept: Kept) -> None:
    ranges = _ranges(op) or {}
    starts, ends = list(known_ints(op, "starts") or ()), list(known_ints(op, "ends") or ())
    for place, (axis, taken) in enumerate(ranges.items()):
        mask = kept.mask(op.operand, axis)
        if mask is not None:
            starts[place] = int(mask[: taken.start].sum())
            ends[place] = starts[place] + int(mask[taken.start : taken.stop].sum())
    set_ints(op, "starts", starts)
    set_ints(op, "ends", ends)


def _amounts(op: PadOp) -> dict[int, tuple[int, int]] | None:
    """What is added before and after along each axis; None: not known."""
    shape, pads = shape_of(op.operand), known_ints(op, "pads")
    axes = known_ints(op, "axes") if is_given(op, "axes") else tuple(range(len(shape or ())))
    if shape is None or pads is None or axes is None:
        return None
    pairs = zip(pads[: len(axes)], pads[len(axes) :], strict=True)
    return {axis % len(shape): pair for axis, pair in zip(axes, pairs, strict=True)}


def _pad(op: PadOp, links: Links) -> None:
    amounts = _amounts(op)
    if amounts is None:
        return
    padded = [axis for axis, pair in amounts.items() if any(pair)]
    _others(links, op.operand, op.result, *padded)
    for axis in padded:
        low, high = amounts[axis]
        size = (shape_of(op.operand) or ())[axis]
        if op.mode.data == "constant" and min(low, high) >= 0 and size != DYNAMIC:
            where = np.arange(size)
            links.tie(op.operand, axis, where, op.result, axis, where + low)


def _new_pads(op: PadOp, kept: Kept) -> None:
    amounts = dict(_amounts(op) or {})
    for axis, (low, high) in amounts.items():
        mask = kept.mask(op.result, axis)
        if mask is not None and (low or high):
            amounts[axis] = int(mask[:low].sum()), int(mask[len(mask) - high :].sum())
    pairs = amounts.values()
    set_ints(op, "pads", [low for low, _ in pairs] + [high for _, high in pairs])


def _gather(op: GatherOp, links: Links) -> None:
    shape, indices = shape_of(op.operand), shape_of(op.indices)
    if shape is None or indices is None:
        return
    axis, more = op.axis.value.data % len(shape), len(indices) - 1
    for index in range(len(shape)):
        if index != axis:
            links.same(op.operand, index, op.result, index if index < axis else index + more)
            links.feature(op.operand, index)
    links.vanishing(op.operand)
    known = constant_of(op.indices)
    if known is not None and len(indices) == 1 and shape[axis] > 1:
        taken = known.astype(np.int64) % shape[axis]
        links.tie(op.operand, axis, taken, op.result, axis, np.arange(len(taken)))
        links.fix(op.indices, 0, "indices change, and go, with what they take")
        return
    for index in range(len(indices)):
        links.same(op.indices, index, op.result, axis + index)
    links.fix(op.operand, axis, f"{op.name} takes entries of it by number")


def _new_indices(op: GatherOp, kept: Kept) -> None:
    shape, known = shape_of(op.operand) or (), constant_of(op.indices)
    axis = op.axis.value.data % len(shape)
    stays, read = kept.mask(op.operand, axis), kept.mask(op.result, axis)
    if known is None or known.ndim != 1 or (stays is None and read is None):
        return
    places = np.arange(shape[axis]) if stays is None else np.cumsum(stays) - 1
    taken = places[known.astype(np.int64) % shape[axis]]
    replace_operand(op, op.indices, (taken if read is None else taken[read]).astype(known.dtype))


def _tile(op: TileOp, links: Links) -> None:
    shape, made = shape_of(op.operand), shape_of(op.result)
    if shape is None or made is None or known_ints(op, "repeats") is None:
        return
    for axis, (size, total) in enumerate(zip(shape, made, strict=True)):
        if size == 1:
            links.free(op.result, axis)
        elif DYNAMIC not in (size, total) and 0 not in (size, total):
            where = np.arange(total)
            links.tie(op.operand, axis, where % size, op.result, axis, where)


def _new_repeats(op: TileOp, kept: Kept) -> None:
    shape, repeats = shape_of(op.operand) or (), known_ints(op, "repeats") or ()
    counts = [
        kept.count(op.result, axis) if size == 1 and times > 1 else times
        for axis, (size, times) in enumerate(zip(shape, repeats, strict=True))
    ]
    set_ints(op, "repeats", counts)


def _untouched(op: ResizeOp) -> Shape | None:
    """The axes that a resize leaves as they are; None: not known."""
    shape, made = shape_of(op.operand), shape_of(op.result)
    if shape is None or made is None or is_given(op, "roi"):
        return None
    resized = tuple(range(len(shape))) if op.axes is None else ints(op.axes)
    resized = tuple(axis % len(shape) for axis in resized)
    scales = None if op.scales is None else constant_array(cast(Any, op.scales))
    if op.scales_value is not None:
        scales = constant_of(op.scales_value)
    if is_given(op, "scales") and scales is None:
        return None
    same = [axis for axis in range(len(shape)) if axis not in resized]
    for place, axis in enumerate(resized):
        alike = shape[axis] == made[axis] if scales is None else float(scales[place]) == 1.0
        if alike and shape[axis] != DYNAMIC:
            same.append(axis)
    return tuple(same)


def _resize(op: ResizeOp, links: Links) -> None:
    for axis in _untouched(op) or ():
        links.same(op.operand, axis, op.result, axis)


def _new_sizes(op: ResizeOp, kept: Kept) -> None:
    sizes = known_ints(op, "sizes")
    if sizes is None:
        return
    axes = range(len(sizes)) if op.axes is None else ints(op.axes)
    rank = len(shape_of(op.operand) or ())
    set_ints(op, "sizes", [kept.count(op.result, axis % rank) for axis in axes])


def _blocks(op: DepthToSpaceOp | SpaceToDepthOp, links: Links) -> None:
    """A channel of the shallow side is as many of the deep side as a block has places."""
    deep, flat = op.operand, op.result
    if isinstance(op, SpaceToDepthOp):
        deep, flat = flat, deep
    shape = shape_of(deep)
    places = op.blocksize.value.data**2
    links.same(op.operand, 0, op.result, 0)
    if shape is None or shape[1] == DYNAMIC:
        return
    where, channels = np.arange(shape[1]), shape[1] // places
    by_column = op.mode.data == "CRD"
    links.tie(deep, 1, where, flat, 1, where // places if by_column else where % channels)


RULES: dict[type, Rule] = {
    ConcatOp: Rule(_concat),
    SplitOp: Rule(_split, _new_parts),
    SliceOp: Rule(_slice, _new_bounds),
    PadOp: Rule(_pad, _new_pads),
    GatherOp: Rule(_gather, _new_indices),
    TileOp: Rule(_tile, _new_repeats),
    ResizeOp: Rule(_resize, _new_sizes),
    DepthToSpaceOp: Rule(_blocks),
    SpaceToDepthOp: Rule(_blocks),
}
