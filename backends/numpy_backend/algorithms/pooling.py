"""Pools: one axis after the other, one pass a tap of the window.

A pass covers the outputs whose tap meets the input, so that nothing is padded. A window of 3 x 3
takes 6 passes, not 9, and those of the first axis are over contiguous rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Call,
    Function,
    Implementation,
    Into,
    Run,
    bound,
    late,
)
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.numerics import lowest
from pyflame_rt.kernels.windows import WindowAxis, window_axes

_LAYOUTS = {1: "nhwc", 2: "nchw"}
"""The layout by the first spatial dimension."""

_SHORT_RUN, _MANY_RUNS = 512, 32

_ROOM = 6
"""The number of the room for copies."""


def max_pool(call: BoundCall, first: int = 2) -> Run | None:
    """The maximum of each window; `first` is the first spatial dimension."""
    if not call.computes("fiu") or not call.in_layout(_LAYOUTS[first]):
        return None
    return _pool(call, np.maximum, lowest(call.dtype), first)


def average_pool(call: BoundCall, first: int = 2) -> Run | None:
    """The mean of each window; `first` is the first spatial dimension."""
    if not call.computes() or not call.in_layout(_LAYOUTS[first]):
        return None
    x, axes = call.input(0), pool_axes(call)
    counts = np.ones((), call.dtype)
    with_padding = bool(call.params.get("count_include_pad", False))
    for axis, size in zip(axes, x.shape[first : first + len(axes)], strict=True):
        counts = np.multiply.outer(counts, axis.taps_inside(size, with_padding))
    divisor = counts.astype(call.dtype).reshape(*counts.shape, *(1,) * (2 - first))
    divide = partial(np.divide, call.output, divisor, call.output)
    return sequence([_pool(call, np.add, 0, first), divide])


def pool_axes(call: BoundCall) -> tuple[WindowAxis, ...]:
    """The axes of a pool's window, as the call's parameters have them."""
    params = call.params
    return window_axes(
        params["kernel_shape"],
        params.get("strides", ()),
        params.get("pads", ()),
        params.get("dilations", ()),
        params.get("auto_pad", "NOTSET"),
        params.get("ceil_mode", False),
    )


def _pool(call: BoundCall, ufunc: np.ufunc, empty: object, first: int) -> Run:
    """The windows' maximum or sum, one axis after the other; `empty` is that of no elements."""
    source, axes, sizes = call.input(0), pool_axes(call), call.output.shape
    steps: list[Run] = []
    for index, axis in enumerate(axes):
        dim = first + index
        last = index == len(axes) - 1
        shape = (*sizes[: dim + 1], *source.shape[dim + 1 :])
        target = call.output if last else call.scratch_of(index, shape, call.dtype)
        room = None
        if _has_short_runs(target, dim, axis):
            room = call.rooms.get(_ROOM, call.dtype, target.nbytes)
        steps += _along(ufunc, empty, source, target, dim, axis, room)
        source = target
    return sequence(steps)


def _along(
    ufunc: np.ufunc,
    empty: object,
    x: Array,
    out: Array,
    dim: int,
    axis: WindowAxis,
    room: Array | None,
) -> list[Run]:
    """out = ufunc of x at each tap along one dimension. Taps that every window has start it."""
    size, count = x.shape[dim], out.shape[dim]
    everywhere = slice(0, count)
    reaches = [_reach(axis, tap, size, count) for tap in range(axis.kernel)]
    # In any order, but for those that every window has.
    reaches.sort(key=lambda reach: reach[0] != everywhere)
    taps = [(outputs, x[_at(dim, inputs)]) for outputs, inputs in reaches]
    if room is not None:
        return _by_copies(ufunc, empty, taps, out, dim, room)
    whole = [view for outputs, view in taps if outputs == everywhere]
    others: list[Array] = []
    steps: list[Run] = []
    match whole:
        case [first, second, *others]:
            first, second, target = _in_one_run((first, second, out))
            steps.append(Into(ufunc).on(first, second, target))
        case [only]:
            steps.append(partial(np.copyto, out, only))
        case _:
            steps.append(partial(out.fill, empty))
    steps += [Into(ufunc).on(out, other, out) for other in others]
    for outputs, view in taps:
        target = out[_at(dim, outputs)]
        if target.size and outputs != everywhere:
            steps.append(Into(ufunc).on(target, view, target))
    return steps


def _by_copies(
    ufunc: np.ufunc,
    empty: object,
    taps: list[tuple[slice, Array]],
    out: Array,
    dim: int,
    room: Array,
) -> list[Run]:
    """As `_along`, on copies of what the taps meet.

    On short runs that lie apart a ufunc takes up to three times as long as copying them does.
    """
    flat, held, steps = out.reshape(-1), room[: out.size].reshape(out.shape), list[Run]()
    for index, (outputs, view) in enumerate(taps):
        target = held if index else out
        outside = (slice(0, outputs.start), slice(outputs.stop, None))
        parts = [target[_at(dim, part)] for part in outside]
        steps += [partial(part.fill, empty) for part in parts if part.size]
        steps.append(partial(np.copyto, target[_at(dim, outputs)], view))
        if index:
            steps.append(Into(ufunc).on(flat, held.reshape(-1), flat))
    return steps


def _in_one_run(arrays: Sequence[Array]) -> Sequence[Array]:
    """The arrays with one dimension if the elements of each lie equally far apart, which NumPy
    begins with soonest."""
    if any(
        above != stride * count
        for a in arrays
        for above, stride, count in zip(a.strides, a.strides[1:], a.shape[1:], strict=False)
    ):
        return arrays
    return [as_strided(a, (a.size,), a.strides[-1:]) for a in arrays]


def _has_short_runs(out: Array, dim: int, axis: WindowAxis) -> bool:
    """Whether what a tap meets along a dimension lies in many short runs."""
    together = math.prod(out.shape[dim + 1 :])
    run = together * out.shape[dim] if axis.stride == 1 else together
    return together > 1 and run <= _SHORT_RUN and out.size >= _MANY_RUNS * run


def _at(dim: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * dim, part)


def _reach(axis: WindowAxis, tap: int, size: int, count: int) -> tuple[slice, slice]:
    """The outputs for which a tap lies inside the axis, and the elements it then meets."""
    shift = tap * axis.dilation - axis.resolved_pads(size)[0]
    first = max(0, -(shift // axis.stride))
    stop = min(count, (size - 1 - shift) // axis.stride + 1)
    if stop <= first:
        return slice(0, 0), slice(0, 0)
    begin = first * axis.stride + shift
    end = begin + (stop - first - 1) * axis.stride + 1
    return slice(first, stop), slice(begin, end, axis.stride)


def global_average_pool(call: Call, first: int = 2) -> Function | None:
    """The mean over all spatial dimensions, of which `first` is the first."""
    if not call.computes() or not call.in_layout(_LAYOUTS[first]):
        return None
    axes = _spatial(call, first)
    count = np.array(math.prod(call.shape(0)[axis] for axis in axes), call.dtype)

    def run(x: Array, out: Array) -> None:
        np.add.reduce(x, axes, out=out, keepdims=True)
        np.divide(out, count, out)

    return run


def global_max_pool(call: Call, first: int = 2) -> Function | None:
    """The maximum over all spatial dimensions, of which `first` is the first."""
    if not call.computes("fiu") or 0 in call.shape(0) or not call.in_layout(_LAYOUTS[first]):
        return None
    axes = _spatial(call, first)

    def run(x: Array, out: Array) -> None:
        np.maximum.reduce(x, axes, out=out, keepdims=True)

    return run


def _spatial(call: Call, first: int) -> tuple[int, ...]:
    return tuple(range(first, first + len(call.shape(0)) - 2))


_PARAMS = ("kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "layout")

IMPLEMENTATIONS: tuple[Implementation, ...] = (
    bound("average_pool", average_pool, *_PARAMS, "count_include_pad"),
    bound("max_pool", max_pool, *_PARAMS),
    late("global_average_pool", global_average_pool, "layout"),
    late("global_max_pool", global_max_pool, "layout"),
)
