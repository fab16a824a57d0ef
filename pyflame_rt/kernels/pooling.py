"""Pools: a summary of each window of the spatial axes, or of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.layouts import in_any_layout, of_lanes
from pyflame_rt.kernels.numerics import lowest, rounding_once
from pyflame_rt.kernels.sizes import check_size, optional_integers
from pyflame_rt.kernels.windows import WindowAxis, sliding, unpooled_sizes, window_axes

Array = npt.NDArray[Any]

__all__ = [
    "average_pool", "global_average_pool", "global_lp_pool", "global_max_pool", "lp_pool",
    "max_pool", "max_pool_with_indices", "max_unpool",
]  # fmt: skip


@in_any_layout(of_lanes)
def max_pool(
    x: Array,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: bool = False,
) -> Array:
    """Maximum of each window without its padding; NaN if it holds one, lowest value if empty."""
    axes = window_axes(kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    return np.max(sliding(x, axes, lowest(x.dtype)), axis=_kernel_dims(axes))


@in_any_layout(of_lanes)
def max_pool_with_indices(
    x: Array,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: bool = False,
    storage_order: int = 0,
) -> tuple[Array, Array]:
    """`max_pool`, and where in the flattened x each maximum stands first in its window.

    With storage_order 1 the spatial axes count in column-major order. A window that holds nothing
    but padding has index -1.
    """
    axes = window_axes(kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    kernel_dims, spatial = _kernel_dims(axes), x.shape[2:]
    image = np.arange(np.prod(spatial, dtype=np.int64)).reshape(
        spatial, order="F" if storage_order else "C"
    )
    values = sliding(x, axes, lowest(x.dtype))
    places = sliding(image, axes, -1)
    best = np.max(values, axis=kernel_dims, keepdims=True)
    # A NaN is its window's maximum, and differs from itself.
    hits = ((values == best) | ((values != values) & (best != best))) & (places >= 0)
    taps = (*values.shape[: -len(axes)], int(np.prod(kernel_shape)))
    first = np.argmax(hits.reshape(taps), axis=-1)
    flat = np.broadcast_to(places, values.shape).reshape(taps)
    local = np.take_along_axis(flat, first[..., None], axis=-1)[..., 0]
    planes = np.arange(math.prod(x.shape[:2]), dtype=np.int64).reshape(
        x.shape[:2] + (1,) * len(axes)
    )
    indices = np.where(local < 0, -1, local + planes * image.size)
    return best.reshape(indices.shape), indices


def max_unpool(
    x: Array,
    indices: Array,
    output_shape_value: Array | None = None,
    *,
    output_shape: Sequence[int] | None = None,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
) -> Array:
    """x at the indices of the flattened least tensor that a pool makes it of, in a corner of zeros.

    As in ONNX's reference: output_shape says how large the result is, not what the indices mean.
    """
    if indices.shape != x.shape:
        raise ValueError(f"indices of shape {list(indices.shape)} for {list(x.shape)}")
    least = [*x.shape[:2], *unpooled_sizes(x.shape[2:], kernel_shape, strides, pads)]
    wanted = optional_integers(output_shape, output_shape_value, "output_shape") or least
    if len(wanted) != len(least) or any(a < b for a, b in zip(wanted, least, strict=True)):
        raise ValueError(f"the output shape {wanted} is less than {least}")
    check_size(wanted, x.dtype)
    check_size(least, x.dtype)
    flat = np.zeros(math.prod(least), x.dtype)
    if indices.size and (indices.min() < 0 or indices.max() >= flat.size):
        raise ValueError(f"an index is outside the {flat.size} elements")
    flat[indices.reshape(-1)] = x.reshape(-1)
    y = np.zeros(wanted, x.dtype)
    y[tuple(map(slice, least))] = flat.reshape(least)
    return y


@in_any_layout(of_lanes)
@rounding_once
def average_pool(
    x: Array,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Array:
    """Mean of each window: over its elements of x, with `count_include_pad` also over padding.

    What hangs over the padded input because of `ceil_mode` never counts.
    """
    axes = window_axes(kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    counts: Any = np.ones((), x.dtype)
    for axis, size in zip(axes, x.shape[2:], strict=True):
        counts = np.multiply.outer(counts, axis.taps_inside(size, count_include_pad))
    return sliding(x, axes, 0).sum(axis=_kernel_dims(axes)) / counts.astype(x.dtype)


@in_any_layout(of_lanes)
@rounding_once
def lp_pool(
    x: Array,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: bool = False,
    p: int = 2,
) -> Array:
    """(sum |x|^p)^(1/p) of each window; padding counts as 0."""
    axes = window_axes(kernel_shape, strides, pads, dilations, auto_pad, ceil_mode)
    return _lp_norm(sliding(x, axes, 0), _kernel_dims(axes), p)


@in_any_layout(of_lanes)
@rounding_once
def global_average_pool(x: Array) -> Array:
    """Mean over the spatial axes, which become 1."""
    axes = tuple(range(2, x.ndim))
    return x.sum(axis=axes, keepdims=True) / np.prod(x.shape[2:], dtype=x.dtype)


@in_any_layout(of_lanes)
def global_max_pool(x: Array) -> Array:
    """Maximum over the spatial axes, which become 1."""
    return np.max(x, axis=tuple(range(2, x.ndim)), keepdims=True, initial=lowest(x.dtype))


@in_any_layout(of_lanes)
@rounding_once
def global_lp_pool(x: Array, *, p: int = 2) -> Array:
    """(sum |x|^p)^(1/p) over the spatial axes, which become 1."""
    return _lp_norm(x, tuple(range(2, x.ndim)), p, keepdims=True)


def _kernel_dims(axes: Sequence[WindowAxis]) -> tuple[int, ...]:
    return tuple(range(-len(axes), 0))


def _lp_norm(x: Array, axes: tuple[int, ...], p: int, keepdims: bool = False) -> Array:
    powers = np.sum(np.abs(x) ** p, axis=axes, keepdims=keepdims)
    return powers ** x.dtype.type(1 / p)
