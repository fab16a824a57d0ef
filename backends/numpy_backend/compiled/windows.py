"""Depthwise convolutions and pools by machine code, on N x rows x columns x channels."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from pyflame_rt.backends.numpy_backend.algorithms.convolution_nhwc import strips_of
from pyflame_rt.backends.numpy_backend.algorithms.pooling import pool_axes
from pyflame_rt.backends.numpy_backend.calls import BoundCall, Run
from pyflame_rt.backends.numpy_backend.compiled import groups, pools
from pyflame_rt.backends.numpy_backend.compiled.forms import finish_of
from pyflame_rt.backends.numpy_backend.compiled.steps import NativeStep
from pyflame_rt.backends.runtime import Array
from pyflame_rt.dialects.plan.schedules import Schedule
from pyflame_rt.kernels.windows import WindowAxis

if TYPE_CHECKING:
    from pyflame_rt.backends.native.steps import Share

_FLOAT = 4
_TAPS = 20.0
"""Taps in a nanosecond; about."""

_LARGEST = 7
"""Taps along an axis: the code of larger windows is long."""


def depthwise(schedule: Schedule, call: BoundCall) -> Run | None:
    """y = sum over taps of x, shifted, times the tap's weights."""
    return _depthwise(schedule, call) or groups.prepare(schedule, call)


def _depthwise(schedule: Schedule, call: BoundCall) -> Run | None:
    w = call.shape(1)
    if not call.in_layout("nhwc") or not call.is_constant(1) or len(w) != 4 or call.has(3):
        return None
    if call.params.get("group") != w[0] or w[1] != 1 or (call.has(2) and not call.is_constant(2)):
        return None
    strips, x = strips_of(call)
    if x.shape[-1] != w[0]:
        return None
    pack = partial(_pack, schedule.lanes)
    weights = call.pack(1, ("native taps", schedule.lanes), pack)
    bias = np.zeros(weights.shape[-1], np.float32)
    if call.has(2):
        bias[: w[0]] = call.constant(2).reshape(-1)
    return _windows(schedule, call, "depthwise", x, call.output, strips.axes, weights, bias)


def max_pool(schedule: Schedule, call: BoundCall) -> Run | None:
    """The maximum of each window."""
    return _pool(schedule, call, "max")


def average_pool(schedule: Schedule, call: BoundCall) -> Run | None:
    """The mean of each window."""
    if not call.params.get("count_include_pad", False):
        return _pool(schedule, call, "average")
    for axis, size in zip(pool_axes(call), call.input(0).shape[1:-1], strict=True):
        if len(set(axis.taps_inside(size, True).tolist())) > 1:
            return _pool(schedule, call, "average_padded")
    return _pool(schedule, call, "average_all")


def _pool(schedule: Schedule, call: BoundCall, what: str) -> Run | None:
    x, y = call.input(0), call.output
    if not call.in_layout("nhwc") or x.ndim not in (3, 4):
        return None
    axes = pool_axes(call)
    if x.ndim == 3:
        x, y, axes = x[:, None], y[:, None], (WindowAxis(1), *axes)
    sizes = zip(axes, x.shape[1:3], strict=True)
    is_one = all(a.kernel == a.extent == n and not any(a.resolved_pads(n)) for a, n in sizes)
    if is_one and y.shape[1:3] == (1, 1) and _is_simple(call):
        name = "max" if what == "max" else "average"
        return pools.CompiledPool(schedule, name, x.shape).on(x, y)
    return _windows(schedule, call, what, x, y, axes, None, None)


def _is_simple(call: BoundCall) -> bool:
    dtypes = call.one_dtype() and call.dtype == np.float32
    return dtypes and 0 not in call.shape(0) and "activation" not in call.params


def _windows(
    schedule: Schedule,
    call: BoundCall,
    what: str,
    x: Array,
    y: Array,
    axes: tuple[WindowAxis, ...],
    weights: Array | None,
    bias: Array | None,
) -> Run | None:
    """The step that goes over the rows of all images."""
    from pyflame_rt.backends.native import kernels
    from pyflame_rt.backends.native.floats.windows import WindowKernel
    from pyflame_rt.backends.native.processors import instructions
    from pyflame_rt.backends.native.steps import Call, Place, Step

    finish, kind = finish_of(call), instructions(schedule.cpu)
    if finish is None or kind is None or not call.one_dtype() or call.dtype != np.float32:
        return None
    sizes = [axis.kernel for axis in axes]
    if len(axes) != 2 or max(sizes) > _LARGEST or 0 in (*x.shape, *y.shape):
        return None
    if any(a.strides[-1] != _FLOAT for a in (x, y)):
        return None
    rows, columns = axes
    kernel = WindowKernel(
        schedule.cpu, schedule.lanes, kind.has_fma, what, rows.kernel, columns.kernel,
        x.shape[-1] % schedule.lanes != 0, finish.activation, finish.numbers,
    )  # fmt: skip
    loaded, filler = kernels.loaded(kernel), _filler(kernel.filler, x.strides[1], schedule.lanes)
    before, inside, after = _columns(columns, x.shape[2], y.shape[2])
    top, left = rows.resolved_pads(x.shape[1])[0], columns.resolved_pads(x.shape[2])[0]
    padded = [size + sum(a.resolved_pads(size)) for a, size in zip(axes, x.shape[1:3], strict=True)]
    held = (filler, weights, bias)
    addresses = [0 if a is None else a.ctypes.data for a in held]
    shares: list[Share] = []
    for first, count in _rows(y.shape[1], schedule.shares):
        calls = [
            Call(
                loaded,
                (
                    Place(0, n * x.strides[0]), Place(1, n * y.strides[0] + first * y.strides[1]),
                    *addresses, x.shape[-1], first, count, x.shape[1], x.shape[2],
                    x.strides[1], x.strides[2], y.strides[1], y.strides[2],
                    rows.stride, columns.stride, rows.dilation, columns.dilation,
                    top, left, before, inside, after,
                    0 if weights is None else weights.strides[0], 1, *padded,
                ),
                held,
            )
            for n in range(len(x))
        ]  # fmt: skip
        shares.append(tuple(calls))
    work = y.size * rows.kernel * columns.kernel / _TAPS
    return NativeStep(schedule.cpu, [Step(tuple(shares), work)], (x, y), [])


def _rows(count: int, shares: int) -> list[tuple[int, int]]:
    """First row and number of rows of each share."""
    bounds = [count * share // shares for share in range(shares + 1)]
    return [(a, b - a) for a, b in pairwise(bounds) if a < b]


def _columns(axis: WindowAxis, size: int, outputs: int) -> tuple[int, int, int]:
    """Windows that may reach beyond the begin, that do not, and that may reach beyond the end."""
    begin = axis.resolved_pads(size)[0]
    before = min(outputs, -(-begin // axis.stride))
    last = size - axis.extent + begin
    end = last // axis.stride + 1 if last >= 0 else 0
    inside = max(0, min(outputs, end) - before)
    return before, inside, outputs - before - inside


def _filler(value: float, size: int, lanes: int) -> Array:
    return np.full(max(size // _FLOAT, 0) + lanes, value, np.float32)


def _pack(lanes: int, w: Array) -> Array:
    """(channels, 1, rows, columns) as (rows * columns, channels), filled up with zeros."""
    channels, taps = w.shape[0], math.prod(w.shape[2:])
    packed: Array = np.zeros((taps, -(-channels // lanes) * lanes), np.float32)
    packed[:, :channels] = w.reshape(channels, taps).T
    return packed


FORMS: dict[str, Any] = {
    "conv_depthwise_nhwc": depthwise,
    "max_pool_nhwc": max_pool,
    "average_pool_nhwc": average_pool,
}
"""The algorithms that have such code."""
