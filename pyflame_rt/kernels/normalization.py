"""Normalizations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.windows import WindowAxis, sliding

Array = npt.NDArray[Any]

__all__ = [
    "batch_normalization", "instance_normalization", "layer_normalization", "log_softmax", "lrn",
    "softmax",
]  # fmt: skip


@rounding_once
def batch_normalization(
    x: Array, scale: Array, bias: Array, mean: Array, var: Array, *, epsilon: float
) -> Array:
    """(x - mean) / sqrt(var + epsilon) * scale + bias, a statistic for each channel (axis 1)."""
    scale, bias, mean, var = (_per_channel(a, x.ndim) for a in (scale, bias, mean, var))
    return (x - mean) / np.sqrt(var + var.dtype.type(epsilon)) * scale + bias


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
