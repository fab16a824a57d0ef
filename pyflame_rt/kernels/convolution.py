"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.windows import sliding, window_axes

Array = npt.NDArray[Any]

__all__ = ["conv"]


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
