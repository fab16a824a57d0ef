"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.sizes import check_size
from pyflame_rt.kernels.windows import sliding, transposed_axes, window_axes

Array = npt.NDArray[Any]

__all__ = ["conv", "conv_transpose"]


@rounding_once
def conv(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Array:
    """Cross-correlation of x (N, C, *spatial) with w (M, C / group, *kernel), one matmul a group.

    The windows are laid out as a matrix of C / group * kernel rows and one column a position.
    """
    batch, channels, features = x.shape[0], x.shape[1], w.shape[0]
    if channels != w.shape[1] * group or features % group:
        raise ValueError(
            f"{channels} channels and {features} features do not split into {group} groups"
            f" of {w.shape[1]} channels"
        )
    kernel = w.shape[2:]
    windows = sliding(x, window_axes(kernel, strides, pads, dilations, auto_pad), 0)
    rank, outputs = len(kernel), windows.shape[2 : 2 + len(kernel)]
    order = (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    depth, positions = w.shape[1] * math.prod(kernel), math.prod(outputs)
    columns = windows.transpose(order).reshape(batch, group, depth, positions)
    weights = w.reshape(group, features // group, depth)
    y = (weights @ columns).reshape(batch, features, *outputs)
    return y if bias is None else y + bias.reshape(-1, *(1,) * rank)


@rounding_once
def conv_transpose(
    x: Array,
    w: Array,
    bias: Array | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    output_padding: Sequence[int] = (),
    output_shape: Sequence[int] = (),
) -> Array:
    """Each element of x (N, C, *spatial) spreads w (C, M / group, *kernel), and all are added up.

    One matmul a group gives what each element adds at each tap; the taps are added one by one.
    """
    batch, channels, sizes, kernel = x.shape[0], x.shape[1], x.shape[2:], w.shape[2:]
    if channels != w.shape[0] or channels % group:
        raise ValueError(
            f"weights for {w.shape[0]} channels do not spread {channels} channels in {group} groups"
        )
    axes = transposed_axes(kernel, strides, pads, dilations, auto_pad, output_padding, output_shape)
    outputs = [axis.output_size(size) for axis, size in zip(axes, sizes, strict=True)]
    begins = [axis.resolved(size)[0] for axis, size in zip(axes, sizes, strict=True)]
    ends = [begin + output for begin, output in zip(begins, outputs, strict=True)]
    full = [
        max(end, (size - 1) * axis.stride + axis.extent)
        for axis, size, end in zip(axes, sizes, ends, strict=True)
    ]
    features = w.shape[1] * group
    check_size((batch, features, *full), x.dtype)
    weights = w.reshape(group, channels // group, w.shape[1] * math.prod(kernel))
    columns = x.reshape(batch, group, channels // group, math.prod(sizes))
    parts = (weights.swapaxes(1, 2) @ columns).reshape(batch, features, *kernel, *sizes)
    y = np.zeros((batch, features, *full), parts.dtype)
    for tap in np.ndindex(*kernel):
        starts = (at * axis.dilation for at, axis in zip(tap, axes, strict=True))
        where = (
            slice(start, start + size * axis.stride, axis.stride)
            for start, size, axis in zip(starts, sizes, axes, strict=True)
        )
        y[(..., *where)] += parts[(slice(None), slice(None), *tap)]
    y = y[(..., *map(slice, begins, ends))]
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(kernel))
