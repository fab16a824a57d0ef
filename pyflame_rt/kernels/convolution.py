"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.activation import swish
from pyflame_rt.kernels.columns import col2_im, deform_conv
from pyflame_rt.kernels.epilogue import with_epilogue
from pyflame_rt.kernels.layouts import in_any_layout, of_scale
from pyflame_rt.kernels.numerics import rounding_once, widened
from pyflame_rt.kernels.sizes import check_size
from pyflame_rt.kernels.windows import sliding, transposed_axes, window_axes

Array = npt.NDArray[Any]

__all__ = ["causal_conv_with_state", "col2_im", "conv", "conv_transpose", "deform_conv"]


def _of_groups(w: Array, _bias: Array | None = None, *, group: int = 1, **_properties: Any) -> int:
    """The channels that the weights of a convolution take."""
    return w.shape[1] * group


@with_epilogue(3)
@in_any_layout(_of_groups)
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


@with_epilogue(3)
@in_any_layout(of_scale)
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


def causal_conv_with_state(
    x: Array,
    w: Array,
    bias: Array | None = None,
    past_state: Array | None = None,
    *,
    activation: str = "none",
) -> tuple[Array, Array]:
    """Correlation of each channel with its own window, the past before it; and the end of both."""
    if x.ndim != 3 or w.ndim != 3 or w.shape[:2] != (x.shape[1], 1) or w.shape[2] == 0:
        raise ValueError(f"windows of {list(w.shape)} do not suit {list(x.shape)}")
    channels, length = x.shape[1:]
    shape = (x.shape[0], channels, w.shape[2] - 1)
    past = np.zeros(shape, x.dtype) if past_state is None else past_state
    if past.shape != shape:
        raise ValueError(f"a state of {list(past.shape)}, not {list(shape)}")
    whole = np.concatenate((past, x), axis=2)
    y = conv(widened(whole), widened(w), widened(bias), group=channels)
    if activation != "none":
        y = swish(y, alpha=1.0)
    with np.errstate(over="ignore"):
        return y.astype(x.dtype, copy=False), whole[:, :, length:]
