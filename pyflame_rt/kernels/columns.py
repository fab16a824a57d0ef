"""Windows laid out as columns: bent before they are multiplied, or put back where they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.sizes import check_size, integers
from pyflame_rt.kernels.windows import window_axes

Array = npt.NDArray[Any]


@rounding_once
def deform_conv(
    x: Array,
    w: Array,
    offset: Array,
    bias: Array | None = None,
    mask: Array | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    group: int = 1,
    offset_group: int = 1,
    auto_pad: str = "NOTSET",
) -> Array:
    """x interpolated at each tap of each window, times the mask, as columns; one matmul a group."""
    if x.ndim < 3 or w.ndim != x.ndim:
        raise ValueError(f"weights of shape {list(w.shape)} do not slide over {list(x.shape)}")
    batch, channels, features, kernel = x.shape[0], x.shape[1], w.shape[0], w.shape[2:]
    if channels != w.shape[1] * group or features % group or channels % offset_group:
        raise ValueError(
            f"{channels} channels and {features} features do not split into {group} groups"
            f" of {w.shape[1]} channels and {offset_group} of offsets"
        )
    axes = window_axes(kernel, strides, pads, dilations, auto_pad)
    outputs = [axis.output_size(size) for axis, size in zip(axes, x.shape[2:], strict=True)]
    rank, taps, places = len(kernel), math.prod(kernel), math.prod(outputs)
    shape = (batch, offset_group * taps, *outputs)
    if offset.shape != (batch, offset_group * taps * rank, *outputs):
        raise ValueError(f"offsets of shape {list(offset.shape)} for windows {list(shape)}")
    if mask is not None and mask.shape != shape:
        raise ValueError(f"a mask of shape {list(mask.shape)} for windows {list(shape)}")
    check_size((batch, channels, taps, places), x.dtype)
    bent = offset.reshape(batch, offset_group, *kernel, rank, *outputs)
    points = list[Array]()
    for k, (axis, size) in enumerate(zip(axes, x.shape[2:], strict=True)):
        begin, _ = axis.resolved_pads(size)
        tap = np.arange(axis.kernel) * axis.dilation - begin
        place = np.arange(outputs[k]) * axis.stride
        tap = tap.reshape([-1 if at == k else 1 for at in range(2 * rank)])
        place = place.reshape([-1 if at == rank + k else 1 for at in range(2 * rank)])
        of_axis = bent[(slice(None),) * (2 + rank) + (k,)]
        points.append((of_axis + (tap + place)).reshape(batch, offset_group, taps * places))
    image = x.reshape(batch, offset_group, channels // offset_group, math.prod(x.shape[2:]))
    columns = _interpolated(image, x.shape[2:], points)
    if mask is not None:
        columns = columns * mask.reshape(batch, offset_group, 1, taps * places)
    columns = columns.reshape(batch, group, channels // group * taps, places)
    weights = w.reshape(group, features // group, channels // group * taps)
    y = (weights @ columns).reshape(batch, features, *outputs).astype(x.dtype)
    return y if bias is None else y + bias.reshape(-1, *(1,) * rank)


def _interpolated(image: Array, sizes: Sequence[int], points: Sequence[Array]) -> Array:
    """Elements of an image (…, channels, flattened sizes) at points (…, places), one an axis.

    The result is (…, channels, places). What is outside, or no number, is 0.
    """
    result = np.zeros((*image.shape[:-1], points[0].shape[-1]), image.dtype)
    if image.shape[-1] == 0:
        return result
    lows = [np.floor(at) for at in points]
    for corner in product((0, 1), repeat=len(sizes)):
        index, weight, inside = 0, 1, np.True_
        for step, size, at, low in zip(corner, sizes, points, lows, strict=True):
            there = low + step
            within = (there >= 0) & (there <= size - 1)
            inside = inside & within
            index = index * size + np.where(within, there, 0).astype(np.int64)
            weight = weight * (1 - np.abs(at - there))
        weights, places = np.asarray(weight), np.asarray(index)
        pixels = np.take_along_axis(image, places[..., None, :], axis=-1)
        counted = (inside & (weights != 0))[..., None, :]
        result += np.where(counted, pixels * weights[..., None, :], 0).astype(image.dtype)
    return result


@rounding_once
def col2_im(
    x: Array,
    image_shape_value: Array | None = None,
    block_shape_value: Array | None = None,
    *,
    image_shape: Sequence[int] | None = None,
    block_shape: Sequence[int] | None = None,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
) -> Array:
    """Blocks (N, C x elements, blocks) added up in the padded image, one element of all at once."""
    image = integers(image_shape, image_shape_value, "image_shape")
    block = integers(block_shape, block_shape_value, "block_shape")
    if len(image) != len(block) or min(image, default=0) < 0 or min(block, default=1) < 1:
        raise ValueError(f"blocks of {block} do not make an image of {image}")
    if x.ndim != 3:
        raise ValueError(f"columns have 3 dimensions, got the shape {list(x.shape)}")
    axes = window_axes(block, strides, pads, dilations)
    counts = [axis.output_size(size) for axis, size in zip(axes, image, strict=True)]
    batch, depth, blocks = x.shape
    taps = math.prod(block)
    if depth % taps or blocks != math.prod(counts):
        raise ValueError(f"{depth} elements in {blocks} columns are not {counts} blocks of {block}")
    padded = [sum(axis.pads) + size for axis, size in zip(axes, image, strict=True)]
    check_size((batch, depth // taps, *padded), x.dtype)
    y = np.zeros((batch, depth // taps, *padded), x.dtype)
    columns = x.reshape(batch, depth // taps, *block, *counts)
    for tap in np.ndindex(*block):
        starts = [at * axis.dilation for at, axis in zip(tap, axes, strict=True)]
        where = (
            slice(start, start + (count - 1) * axis.stride + 1, axis.stride)
            for start, count, axis in zip(starts, counts, axes, strict=True)
        )
        y[(..., *where)] += columns[(slice(None), slice(None), *tap)]
    inside = (
        slice(axis.pads[0], axis.pads[0] + size) for axis, size in zip(axes, image, strict=True)
    )
    return y[(..., *inside)]
