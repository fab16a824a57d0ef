"""Ops on images: resizing, sampling, and moving elements between channels and space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.decoding import image_decoder
from pyflame_rt.kernels.interpolation import (
    coordinates,
    cubic_filter,
    interpolate,
    linear_filter,
    nearest,
    resized,
    taps,
)
from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.sizes import check_size, integers, optional_integers

Array = npt.NDArray[Any]

__all__ = [
    "affine_grid", "depth_to_space", "grid_sample", "image_decoder", "resize", "roi_align",
    "space_to_depth",
]  # fmt: skip


@rounding_once
def resize(
    x: Array,
    roi_value: Array | None = None,
    scales_value: Array | None = None,
    sizes_value: Array | None = None,
    *,
    roi: Array | None = None,
    scales: Array | None = None,
    sizes: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    exclude_outside: bool = False,
    extrapolation_value: float = 0.0,
    antialias: bool = False,
    keep_aspect_ratio_policy: str = "stretch",
) -> Array:
    """One interpolation an axis, those that stay as they are left out."""
    along = [axis % x.ndim for axis in (range(x.ndim) if axes is None else axes)]
    factors = _numbers(scales, scales_value)
    wanted = optional_integers(sizes, sizes_value, "sizes")
    _check_length("scales or sizes", factors if wanted is None else wanted, len(along))
    cropped = coordinate_transformation_mode == "tf_crop_and_resize"
    corners = _numbers(roi, roi_value) if cropped else [0.0] * len(along) + [1.0] * len(along)
    _check_length("roi", corners, 2 * len(along))
    corners = cast("list[float]", corners)
    plan = resized([x.shape[axis] for axis in along], factors, wanted, keep_aspect_ratio_policy)
    shape = list(x.shape)
    for axis, (output, _) in zip(along, plan, strict=True):
        shape[axis] = output
    check_size(shape, x.dtype)
    # Weights are fractions; what they make of integers becomes whole at the end.
    dtype = np.float32 if x.dtype.kind in "iu" and mode != "nearest" else x.dtype
    y, outside = x.astype(dtype, copy=False), list[tuple[int, Array]]()
    for axis, (output, scale), start, end in zip(
        along, plan, corners[: len(along)], corners[len(along) :], strict=True
    ):
        size = x.shape[axis]
        if output == size and scale == 1 and not (cropped and (start, end) != (0, 1)):
            continue
        if output == 0:
            return np.empty(shape, x.dtype)
        at = coordinates(coordinate_transformation_mode, size, output, scale, (start, end))
        if mode == "nearest":
            y = np.take(y, nearest(at, nearest_mode, size, scale), axis)
        else:
            index, weights = taps(
                at,
                mode,
                size,
                scale=scale if antialias else 1.0,
                cubic_coeff_a=cubic_coeff_a,
                exclude_outside=exclude_outside,
            )
            y = interpolate(y, axis, index, weights)
        if cropped:
            outside.append((axis, (at < 0) | (at > size - 1)))
    for axis, places in outside:
        y[(slice(None),) * axis + (places,)] = extrapolation_value
    if y.dtype != x.dtype:
        return _whole(y, x.dtype, rounded=antialias or mode == "cubic")
    return y


def _whole(y: Array, dtype: np.dtype[Any], *, rounded: bool) -> Array:
    """Floats as integers, rounded or truncated; what lies outside the type becomes its limit.

    onnxruntime truncates without antialiasing; ONNX's reference, and it with antialiasing, round.
    """
    limits, wide = np.iinfo(dtype), (np.rint(y) if rounded else np.trunc(y)).astype(np.float64)
    # The limits of 64 bits are no float64.
    high = wide >= limits.max
    inside = np.maximum(np.where(high, 0, wide), limits.min).astype(dtype)
    return np.where(high, dtype.type(limits.max), inside)


def _numbers(given: Array | None, value: Array | None) -> list[float] | None:
    array = given if given is not None else value
    return None if array is None else [float(item) for item in array.astype(np.float32).reshape(-1)]


def _check_length(name: str, values: Sequence[object] | None, length: int) -> None:
    if values is None or len(values) != length:
        raise ValueError(
            f"{name} needs {length} entries, got {0 if values is None else len(values)}"
        )


@rounding_once
def roi_align(
    x: Array,
    rois: Array,
    batch_indices: Array,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    coordinate_transformation_mode: str = "half_pixel",
) -> Array:
    """Each region cut into bins, each bin the mean or maximum of the points sampled in it.

    As in onnxruntime and ONNX's reference, the maximum is over the weighted corners of the points.
    """
    count, (batch, channels, height, width) = len(rois), x.shape
    if rois.shape != (count, 4) or batch_indices.shape != (count,):
        raise ValueError(
            f"regions are rows of 4 with one index each, got {rois.shape} and {batch_indices.shape}"
        )
    if count and (batch_indices.min() < 0 or batch_indices.max() >= batch):
        raise ValueError(f"a region's batch index is outside the {batch} images")
    if count and 0 in (height, width):
        raise ValueError("regions of an image without pixels")
    y = np.zeros((count, channels, output_height, output_width), x.dtype)
    half_pixel = coordinate_transformation_mode == "half_pixel"
    corners = rois * x.dtype.type(spatial_scale) - x.dtype.type(0.5 if half_pixel else 0)
    for region, (image, (left, top, right, bottom)) in enumerate(
        zip(batch_indices, corners, strict=True)
    ):
        tall, wide = bottom - top, right - left
        if not half_pixel:
            tall, wide = max(tall, x.dtype.type(1)), max(wide, x.dtype.type(1))
        rows, by_row = _bin_points(top, tall, output_height, sampling_ratio, height)
        columns, by_column = _bin_points(left, wide, output_width, sampling_ratio, width)
        # (channels, bins, points, 2 corners, bins, points, 2 corners)
        check_size((channels, *rows.shape, *columns.shape), x.dtype)
        pixels = x[image][:, rows.reshape(-1, 1), columns.reshape(-1)]
        weighted = pixels.reshape(channels, *rows.shape, *columns.shape)
        weighted = weighted * by_row[..., None, None, None] * by_column
        points = rows.shape[1] * columns.shape[1]
        if points and mode == "max":
            y[region] = weighted.max(axis=(2, 3, 5, 6))
        elif points:
            y[region] = weighted.sum(axis=(2, 3, 5, 6)) / points
    return y


def _bin_points(
    start: Any, length: Any, bins: int, sampling_ratio: int, size: int
) -> tuple[Array, Array]:
    """Indices and weights (bins, points, 2) of the points in each bin along one axis.

    Points more than one element outside have weight 0.
    """
    kind = np.asarray(start).dtype.type
    width = length / kind(bins)
    if not np.isfinite(width) or not np.isfinite(start):
        raise ValueError("a region's corner is not finite")
    points = sampling_ratio if sampling_ratio > 0 else max(0, math.ceil(width))
    check_size((bins, points, 2), np.dtype(np.float64))
    step = (np.arange(points, dtype=kind) + kind(0.5)) * width / kind(max(points, 1))
    at = start + np.arange(bins, dtype=kind)[:, None] * width + step
    outside = (at < -1) | (at > size)
    at = np.clip(at, 0, size - 1)
    low = np.floor(at)
    index = np.stack([low, np.minimum(low + 1, size - 1)], axis=-1)
    weights = np.stack([1 - (at - low), at - low], axis=-1)
    weights[outside] = 0
    return index.astype(np.int64), weights


class _Taps(NamedTuple):
    """For each tap of an interpolation the index and the weight at each point."""

    indices: list[Array]
    weights: list[Array]


@rounding_once
def grid_sample(
    x: Array,
    grid: Array,
    *,
    mode: str = "linear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Array:
    """x (N, C, *spatial) at the points of the grid (N, *points, spatial axes reversed), -1 to 1."""
    sizes, rank = x.shape[2:], x.ndim - 2
    if grid.ndim != x.ndim or grid.shape[-1] != rank or len(grid) != len(x):
        raise ValueError(f"a grid of shape {list(grid.shape)} does not sample {list(x.shape)}")
    if 0 in sizes and grid.size:
        raise ValueError("no elements to sample")
    per_axis = [
        _sampled(grid[..., rank - 1 - axis], size, mode, padding_mode, align_corners)
        for axis, size in enumerate(sizes)
    ]
    images = np.arange(len(x)).reshape(-1, *(1,) * rank)
    # Channels last while indices stand before and after them.
    y = np.zeros((*grid.shape[:-1], x.shape[1]), np.result_type(x.dtype, np.float32))
    for tap in np.ndindex(*(len(axis.indices) for axis in per_axis)):
        chosen: list[tuple[int, _Taps]] = list(zip(tap, per_axis, strict=True))
        pixels = x[(images, slice(None), *(axis.indices[t] for t, axis in chosen))]
        weight = math.prod(axis.weights[t] for t, axis in chosen)
        y = y + pixels * np.asarray(weight)[..., None]
    return np.moveaxis(y, -1, 1)


def _sampled(points: Array, size: int, mode: str, padding_mode: str, align_corners: bool) -> _Taps:
    """The taps along one axis; those in a padding of zeros weigh nothing."""
    at = (points + 1) / 2 * (size - 1) if align_corners else ((points + 1) * size - 1) / 2
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    at = np.rint(at) if mode == "nearest" else at
    if padding_mode == "reflection":
        at = _reflected(at, low, high)
    reach = {"nearest": range(1), "linear": range(2), "cubic": range(-1, 3)}[mode]
    base = np.rint(at) if mode == "nearest" else np.floor(at)
    indices, weights = list[Array](), list[Array]()
    for offset in reach:
        place = base + offset
        weight = np.ones_like(at)
        if mode == "linear":
            weight = linear_filter(at - place)
        elif mode == "cubic":
            weight = cubic_filter(at - place, -0.75)
        if padding_mode == "zeros":
            weight = np.where((place >= 0) & (place <= size - 1), weight, 0)
        elif padding_mode == "reflection":
            place = np.trunc(_reflected(place, low, high))
        indices.append(np.clip(np.nan_to_num(place), 0, size - 1).astype(np.int64))
        weights.append(weight)
    return _Taps(indices, weights)


def _reflected(at: Array, low: float, high: float) -> Array:
    """Coordinates mirrored at the borders until they lie between them."""
    if high == low:
        return np.full_like(at, low)
    # From 0 to 1 on the way there, from 1 to 2 on the way back.
    turn = np.mod(at - low, 2 * (high - low))
    mirrored = low + np.where(turn > high - low, 2 * (high - low) - turn, turn)
    return np.where((at < low) | (at > high), mirrored, at)


def depth_to_space(x: Array, *, blocksize: int, mode: str = "DCR") -> Array:
    """Blocks of channels become blocks of pixels; "CRD": of consecutive channels."""
    n, c, h, w = x.shape
    if c % blocksize**2:
        raise ValueError(f"{c} channels do not make blocks of {blocksize} x {blocksize}")
    depth = c // blocksize**2
    if mode == "DCR":
        blocks = x.reshape(n, blocksize, blocksize, depth, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        blocks = x.reshape(n, depth, blocksize, blocksize, h, w).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, depth, h * blocksize, w * blocksize)


def space_to_depth(x: Array, *, blocksize: int, mode: str = "DCR") -> Array:
    """Blocks of pixels become blocks of channels; "CRD": those of one channel side by side."""
    n, c, h, w = x.shape
    if h % blocksize or w % blocksize:
        raise ValueError(f"{h} x {w} pixels do not split into blocks of {blocksize}")
    blocks = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize)
    moved = blocks.transpose((0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4))
    return moved.reshape(n, c * blocksize**2, h // blocksize, w // blocksize)


@rounding_once
def affine_grid(
    theta: Array,
    size_value: Array | None = None,
    *,
    size: Sequence[int] | None = None,
    align_corners: bool = False,
) -> Array:
    """The points of an image, the spatial axes reversed and a 1 after them, times each matrix."""
    sizes = integers(size, size_value, "size")
    rank = len(sizes) - 2
    if rank not in (2, 3) or theta.shape != (sizes[0], rank, rank + 1):
        raise ValueError(f"a size of {sizes} does not go with matrices of {list(theta.shape)}")
    check_size((*sizes, rank + 1), theta.dtype)
    space = sizes[2:]
    axes = [np.linspace(-1, 1, dim) * (1 if align_corners else _inner(dim)) for dim in space]
    points = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(space)], axis=-1)
    flat = points.reshape(-1, rank + 1).astype(theta.dtype)
    return (flat @ theta.swapaxes(1, 2)).reshape(sizes[0], *space, rank)


def _inner(size: int) -> float:
    """Where the center of the last element lies if its outer edge is at 1."""
    return (size - 1) / max(size, 1)
