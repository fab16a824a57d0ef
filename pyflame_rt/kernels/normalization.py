"""Normalizations."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.epilogue import with_epilogue
from pyflame_rt.kernels.layouts import in_any_layout, of_scale
from pyflame_rt.kernels.numerics import rounding_once, widened
from pyflame_rt.kernels.windows import WindowAxis, sliding

Array = npt.NDArray[Any]

__all__ = [
    "batch_normalization", "batch_normalization_training", "group_normalization", "hardmax",
    "instance_normalization", "layer_normalization", "log_softmax", "lp_normalization", "lrn",
    "mean_variance_normalization", "rms_normalization", "softmax",
]  # fmt: skip


@with_epilogue(5)
@in_any_layout(of_scale)
@rounding_once
def batch_normalization(
    x: Array, scale: Array, bias: Array, mean: Array, var: Array, *, epsilon: float
) -> Array:
    """(x - mean) / sqrt(var + epsilon) * scale + bias, a statistic for each channel (axis 1)."""
    scale, bias, mean, var = (_per_channel(a, x.ndim) for a in (scale, bias, mean, var))
    return (x - mean) / np.sqrt(var + var.dtype.type(epsilon)) * scale + bias


def batch_normalization_training(
    x: Array, scale: Array, bias: Array, mean: Array, var: Array, *, epsilon: float, momentum: float
) -> tuple[Array, Array, Array]:
    """Each channel (axis 1) by its own statistics; the given ones moved towards those."""
    wide: Array = widened(x)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1 or x.ndim == 1)
    kind = wide.dtype.type
    with np.errstate(all="ignore"):
        count = kind(math.prod(x.shape[a] for a in axes))
        batch_mean = np.sum(wide, axis=axes, keepdims=True) / count
        centred = wide - batch_mean
        batch_var = np.sum(centred * centred, axis=axes, keepdims=True) / count
        scale, bias = (_per_channel(widened(a), x.ndim) for a in (scale, bias))
        y = centred / np.sqrt(batch_var + kind(epsilon)) * scale + bias
        old = np.float32(momentum)
        moved = [
            (widened(a) * old + b.reshape(-1) * (1 - old)).astype(a.dtype)
            for a, b in ((mean, batch_mean), (var, batch_var))
        ]
    return y.astype(x.dtype), moved[0], moved[1]


@in_any_layout(of_scale)
@rounding_once
def group_normalization(
    x: Array, scale: Array, bias: Array, *, num_groups: int, epsilon: float
) -> Array:
    """Each image's group of channels to mean 0 and variance 1, then scaled and shifted by channel.

    Raises ValueError when the channels do not make that many groups.
    """
    channels = x.shape[1]
    if channels % num_groups:
        raise ValueError(f"{channels} channels do not make {num_groups} groups")
    grouped = x.reshape(x.shape[0], num_groups, channels // num_groups, *x.shape[2:])
    normal = _standardized(grouped, tuple(range(2, grouped.ndim)), epsilon).reshape(x.shape)
    return normal * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim)


@in_any_layout(of_scale)
@rounding_once
def instance_normalization(x: Array, scale: Array, bias: Array, *, epsilon: float) -> Array:
    """Each image's channel to mean 0 and variance 1, then scaled and shifted by channel."""
    normal = _standardized(x, tuple(range(2, x.ndim)), epsilon)
    return normal * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim)


@rounding_once
def layer_normalization(
    x: Array, scale: Array, bias: Array | None = None, *, axis: int, epsilon: float
) -> Array:
    """The axes from `axis` on to mean 0 and variance 1, then scaled and shifted."""
    y = _standardized(x, tuple(range(axis % x.ndim, x.ndim)), epsilon) * scale
    return y if bias is None else y + bias


def rms_normalization(x: Array, scale: Array, *, axis: int, epsilon: float) -> Array:
    """x over the root of its mean square along the axes from `axis` on, then scaled."""
    wide: Array = widened(x)
    axes, kind = tuple(range(axis % x.ndim, x.ndim)), wide.dtype.type
    with np.errstate(all="ignore"):
        count = kind(math.prod(x.shape[a] for a in axes))
        squares = np.sum(wide * wide, axis=axes, keepdims=True) / count
        normal = wide / np.sqrt(squares + kind(epsilon))
        return np.asarray(normal * cast(Array, widened(scale))).astype(scale.dtype)


@rounding_once
def mean_variance_normalization(x: Array, *, axes: tuple[int, ...]) -> Array:
    """x less its mean, over its standard deviation + 1e-9, along some axes."""
    count = x.dtype.type(math.prod(x.shape[a] for a in axes))
    centred = x - np.sum(x, axis=axes, keepdims=True) / count
    deviation = np.sqrt(np.sum(centred * centred, axis=axes, keepdims=True) / count)
    return centred / (deviation + x.dtype.type(1e-9))


@rounding_once
def lp_normalization(x: Array, *, axis: int, p: int) -> Array:
    """x over its 1-norm or 2-norm along one axis; 0 where that is 0."""
    terms: Array = np.abs(x) if p == 1 else x * x
    total = np.sum(terms, axis=axis, keepdims=True)
    norm: Array = total if p == 1 else np.sqrt(total)
    return np.where(norm == 0, x.dtype.type(0), x / norm)


def hardmax(x: Array, *, axis: int) -> Array:
    """1 for the first of the largest elements along one axis, 0 for the others."""
    if x.size == 0:
        return np.zeros_like(x)
    wide: Array = widened(x)
    largest = np.argmax(wide, axis=axis, keepdims=True)
    found = np.zeros_like(x)
    np.put_along_axis(found, largest, x.dtype.type(1), axis)
    return found


@rounding_once
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) over its sum along one axis."""
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return powers / np.sum(powers, axis=axis, keepdims=True)


@rounding_once
def log_softmax(x: Array, *, axis: int) -> Array:
    """log(softmax(x)), without its underflow."""
    shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@rounding_once
def lrn(x: Array, *, size: int, alpha: float, beta: float, bias: float) -> Array:
    """x / (bias + alpha / size * sum of squares)^beta, summed over `size` channels around each.

    Of an even size, the larger half comes after the channel.
    """
    if x.size == 0:
        return x
    channels = x.shape[1]
    before, after = min((size - 1) // 2, channels), min(size // 2, channels)
    window = WindowAxis(before + 1 + after, pads=(before, after))
    sums = np.moveaxis(sliding(np.moveaxis(x * x, 1, -1), [window], 0).sum(axis=-1), -1, 1)
    kind = x.dtype.type
    return x / (kind(bias) + kind(alpha / size) * sums) ** kind(beta)


def _standardized(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    count = x.dtype.type(math.prod(x.shape[a] for a in axes))
    centred = x - np.sum(x, axis=axes, keepdims=True) / count
    variance = np.sum(centred * centred, axis=axes, keepdims=True) / count
    return centred / np.sqrt(variance + x.dtype.type(epsilon))


def _per_channel(a: Array, rank: int) -> Array:
    return a.reshape(-1, *(1,) * (rank - 2)) if rank > 2 else a
