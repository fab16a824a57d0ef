"""Pools: one axis after the other, one pass a tap of the window.

A pass covers the outputs whose tap meets the input, so that nothing is padded. A window of 3 x 3
takes 6 passes, not 9, and those of the first axis are over contiguous rows.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from pyflame_rt.backends.numpy_backend.blocks import sequence
from pyflame_rt.backends.numpy_backend.calls import (
    BoundCall,
    Call,
    Function,
    Implementation,
    Run,
    bound,
    late,
)
from pyflame_rt.backends.runtime import Array
from pyflame_rt.kernels.numerics import lowest
from pyflame_rt.kernels.windows import WindowAxis, window_axes

_LAYOUTS = {1: "nhwc", 2: "nchw"}
"""The layout by the first spatial dimension."""


def max_pool(call: BoundCall, first: int = 2) -> Run | None:
    """The maximum of each window; `first` is the first spatial dimension."""
    if not call.computes("fiu") or not call.in_layout(_LAYOUTS[first]):
        return None
    return _pool(call, np.maximum, lowest(call.dtype), first)


def average_pool(call: BoundCall, first: int = 2) -> Run | None:
    """The mean of each window; `first` is the first spatial dimension."""
    if not call.computes() or not call.in_layout(_LAYOUTS[first]):
        return None
    x, axes = call.input(0), _axes(call)
    counts = np.ones((), call.dtype)
    with_padding = bool(call.params.get("count_include_pad", False))
    for axis, size in zip(axes, x.shape[first : first + len(axes)], strict=True):
        counts = np.multiply.outer(counts, axis.taps_inside(size, with_padding))
    divisor = counts.astype(call.dtype).reshape(*counts.shape, *(1,) * (2 - first))
    divide = partial(np.divide, call.output, divisor, call.output)
    return sequence([_pool(call, np.add, 0, first), divide])


def _axes(call: BoundCall) -> tuple[WindowAxis, ...]:
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
    source, axes, sizes = call.input(0), _axes(call), call.output.shape
    steps: list[Run] = []
    for index, axis in enumerate(axes):
        dim = first + index
        last = index == len(axes) - 1
        shape = (*sizes[: dim + 1], *source.shape[dim + 1 :])
        target = call.output if last else call.scratch_of(index, shape, call.dtype)
        steps += _along(ufunc, empty, source, target, dim, axis)
        source = target
    return sequence(steps)


def _along(
    ufunc: np.ufunc, empty: object, x: Array, out: Array, dim: int, axis: WindowAxis
) -> list[Run]:
    """out = ufunc of x at each tap along one dimension. Taps that every window has start it."""
    size, count = x.shape[dim], out.shape[dim]
    everywhere = slice(0, count)
    reaches = [_reach(axis, tap, size, count) for tap in range(axis.kernel)]
    whole = [x[_at(dim, inputs)] for outputs, inputs in reaches if outputs == everywhere]
    others: list[Array] = []
    steps: list[Run] = []
    match whole:
        case [first, second, *others]:
            steps.append(partial(ufunc, first, second, out=out))
        case [only]:
            steps.append(partial(np.copyto, out, only))
        case _:
            steps.append(partial(out.fill, empty))
    steps += [partial(ufunc, out, other, out=out) for other in others]
    for outputs, inputs in reaches:
        target = out[_at(dim, outputs)]
        if target.size and outputs != everywhere:
            steps.append(partial(ufunc, target, x[_at(dim, inputs)], out=target))
    return steps


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
