"""Interpolation along one axis: sizes, coordinates and weights, the arithmetic of resizing.

Coordinates and scales are float32, in the order of operations of onnxruntime: a coordinate that
falls on the other side of a half is another pixel. Shape inference and kernels share the sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
f32 = np.float32

COORDINATE_MODES = (
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
    "tf_crop_and_resize", "tf_half_pixel_for_nn",
)  # fmt: skip
NEAREST_MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple")
ASPECT_POLICIES = ("stretch", "not_larger", "not_smaller")


def resized(
    dims: Sequence[int],
    scales: Sequence[float] | None,
    sizes: Sequence[int] | None,
    policy: str = "stretch",
) -> list[tuple[int, float]]:
    """Size and scale of each axis after resizing, from either its scale or its wanted size.

    A scale gives floor(dim * scale) in float32. Under another policy than "stretch" all axes have
    the smallest or the largest of their scales. Raises ValueError when a size makes no sense.
    """
    if scales is not None:
        for scale in scales:
            if not 0 < scale < math.inf:
                raise ValueError(f"a scale must be positive and finite, got {scale}")
        found = [
            (_scaled(dim, scale), float(scale)) for dim, scale in zip(dims, scales, strict=True)
        ]
    else:
        wanted = list(sizes or ())
        if any(size < 0 for size in wanted):
            raise ValueError(f"sizes {wanted} must not be negative")
        for dim, size in zip(dims, wanted, strict=True):
            if dim == 0 and size > 0:
                raise ValueError(f"no elements cannot be resized to {size}")
        found = [
            (size, float(f32(size) / f32(dim)) if dim else 1.0)
            for dim, size in zip(dims, wanted, strict=True)
        ]
        if policy != "stretch" and found:
            pick = min if policy == "not_larger" else max
            scale = f32(pick(scale for _, scale in found))
            found = [(math.floor(scale * f32(dim) + f32(0.5)), float(scale)) for dim in dims]
    return found


def _scaled(dim: int, scale: float) -> int:
    with np.errstate(over="ignore"):
        size = f32(dim) * f32(scale)
    if not np.isfinite(size):
        raise ValueError(f"a scale of {scale} is too much for {dim} elements")
    return math.floor(size)


def coordinates(
    mode: str, size: int, output: int, scale: float, roi: tuple[float, float] = (0.0, 1.0)
) -> Array:
    """Where each of `output` elements lies on an axis of `size` elements, as float32."""
    at, length, half, by = np.arange(output, dtype=f32), f32(size), f32(0.5), f32(scale)
    match mode:
        case "asymmetric":
            return at / by
        case "align_corners":
            last = _unrounded(size, output, scale) - 1
            return at * (length - 1) / last if output > 1 else at
        case "tf_half_pixel_for_nn":
            return (at + half) / by
        case "pytorch_half_pixel" if output == 1:
            return np.zeros(1, f32)
        case "half_pixel_symmetric":
            adjustment = f32(output) / (by * length)
            offset = length / 2 * (1 - adjustment)
            return offset + (at + half) / by - half
        case "tf_crop_and_resize":
            start, end = f32(roi[0]), f32(roi[1])
            if output == 1:
                return np.full(1, half * (start + end) * (length - 1), f32)
            return start * (length - 1) + at * (end - start) * (length - 1) / f32(output - 1)
        case _:
            return (at + half) / by - half


def _unrounded(size: int, output: int, scale: float) -> np.float32:
    """The size that an axis would have if it could be a fraction: where its corner is.

    So in ONNX's reference and its tests; ONNX's text and onnxruntime take the rounded size.
    """
    wanted = size * scale
    # A scale that was made of the sizes gives them back but for its own rounding.
    return f32(output if abs(wanted - output) <= wanted * 2**-22 else wanted)


def nearest(at: Array, mode: str, size: int, scale: float) -> Array:
    """Index of the element that a coordinate stands for, one of those that exist."""
    low = np.floor(at)
    match mode:
        case "round_prefer_floor":
            index = low + (at - low > 0.5)
        case "round_prefer_ceil":
            index = low + (at - low >= 0.5)
        case "ceil":
            index = np.ceil(at)
        case "simple" if scale < 1:
            index = np.ceil(at)
        case _:
            index = low
    return np.clip(index, 0, size - 1).astype(np.int64)


def linear_filter(distance: Array) -> Array:
    """Weight of an element by its distance: a triangle of width 2."""
    return np.maximum(0, 1 - np.abs(distance))


def cubic_filter(distance: Array, a: float) -> Array:
    """Weight of an element by its distance: Keys' cubic convolution, of width 4."""
    d, a = np.abs(distance), distance.dtype.type(a)
    inner = ((a + 2) * d - (a + 3)) * d * d + 1
    outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, inner, np.where(d < 2, outer, 0))


def taps(
    at: Array,
    mode: str,
    size: int,
    *,
    scale: float = 1.0,
    cubic_coeff_a: float = -0.75,
    exclude_outside: bool = False,
) -> tuple[Array, Array]:
    """Indices and weights, one row a coordinate, of "linear" or "cubic" interpolation.

    A scale below 1 widens the filter, which then averages what it skips (antialiasing). Elements
    outside the axis are its border or, with `exclude_outside`, left out.
    """
    shrink = f32(min(scale, 1.0))
    if mode == "linear" and shrink == 1:
        at = np.clip(at, 0, size - 1)
    support = f32(1 if mode == "linear" else 2) / shrink
    count = max(1, math.ceil(2 * support))
    index = np.floor(at - support)[:, None] + np.arange(1, count + 1, dtype=f32)
    distance = (index - at[:, None]) * shrink
    weights = linear_filter(distance) if mode == "linear" else cubic_filter(distance, cubic_coeff_a)
    inside = np.clip(index, 0, size - 1)
    if exclude_outside:
        weights = np.where(index == inside, weights, 0)
    total = weights.sum(axis=1, keepdims=True)
    weights = weights / np.where(total == 0, 1, total)
    # 0 * inf is not a number, so taps that are all one element share its weight.
    alone = (inside == inside[:, :1]).all(axis=1, keepdims=True) & (total != 0)
    weights = np.where(alone, f32(1 / count), weights)
    return inside.astype(np.int64), weights.astype(f32)


def interpolate(x: Array, axis: int, index: Array, weights: Array) -> Array:
    """Along one axis, the sum of the elements at each column of `index` times its weights."""
    shape = [1] * x.ndim
    shape[axis] = -1
    y = np.zeros((*x.shape[:axis], len(index), *x.shape[axis + 1 :]), x.dtype)
    for places, factors in zip(index.T, weights.T.astype(x.dtype), strict=True):
        y += np.take(x, places, axis) * factors.reshape(shape)
    return y
