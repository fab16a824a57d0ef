"""Activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.data import cast
from pyflame_rt.kernels.numerics import rounding_once

Array = npt.NDArray[Any]

__all__ = [
    "celu", "clip", "elu", "erf", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "mish",
    "prelu", "relu", "selu", "shrink", "sigmoid", "softplus", "softsign", "swiglu", "swish", "tanh",
    "thresholded_relu",
]  # fmt: skip


def relu(x: Array) -> Array:
    """max(x, 0); NaN stays NaN."""
    return np.asarray(np.maximum(x, np.zeros((), x.dtype)))


@rounding_once
def leaky_relu(x: Array, *, alpha: float) -> Array:
    """x for x >= 0, alpha * x otherwise."""
    return np.where(x >= 0, x, x * x.dtype.type(alpha))


@rounding_once
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-x))


@rounding_once
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


@rounding_once
def elu(x: Array, *, alpha: float) -> Array:
    """alpha * (exp(x) - 1) for x < 0, x otherwise."""
    return np.where(x < 0, x.dtype.type(alpha) * np.expm1(x), x)


@rounding_once
def selu(x: Array, *, alpha: float, gamma: float) -> Array:
    """gamma * (alpha * (exp(x) - 1)) for x <= 0, gamma * x otherwise."""
    return x.dtype.type(gamma) * np.where(x <= 0, x.dtype.type(alpha) * np.expm1(x), x)


@rounding_once
def celu(x: Array, *, alpha: float) -> Array:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    a = x.dtype.type(alpha)
    return np.maximum(x, 0) + np.minimum(a * np.expm1(x / a), 0)


@rounding_once
def hard_sigmoid(x: Array, *, alpha: float, beta: float) -> Array:
    """alpha * x + beta between 0 and 1."""
    return np.clip(x.dtype.type(alpha) * x + x.dtype.type(beta), 0, 1)


@rounding_once
def hard_swish(x: Array) -> Array:
    """x * (x / 6 + 1 / 2 between 0 and 1)."""
    return x * np.clip(x / 6 + x.dtype.type(0.5), 0, 1)


@rounding_once
def softplus(x: Array) -> Array:
    """log(exp(x) + 1), which does not overflow."""
    return np.logaddexp(x, x.dtype.type(0))


@rounding_once
def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


@rounding_once
def thresholded_relu(x: Array, *, alpha: float) -> Array:
    """x for x > alpha, 0 otherwise."""
    return np.where(x > x.dtype.type(alpha), x, x.dtype.type(0))


@rounding_once
def swish(x: Array, *, alpha: float) -> Array:
    """x * sigmoid(alpha * x)."""
    return x / (1 + np.exp(-x.dtype.type(alpha) * x))


@rounding_once
def swiglu(gate: Array, x: Array, *, alpha: float) -> Array:
    """swish(gate) * x."""
    if gate.shape != x.shape:
        raise ValueError(f"gates of {list(gate.shape)} for elements of {list(x.shape)}")
    return swish(gate, alpha=alpha) * x


@rounding_once
def mish(x: Array) -> Array:
    """x * tanh(softplus(x))."""
    return x * np.tanh(np.logaddexp(x, x.dtype.type(0)))


@rounding_once
def erf(x: Array) -> Array:
    """The error function, computed in float64 by the C library."""
    values = np.fromiter(map(math.erf, x.reshape(-1).tolist()), np.float64, x.size)
    return values.reshape(x.shape)


@rounding_once
def gelu(x: Array, *, approximate: str) -> Array:
    """x / 2 * (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) for erf."""
    if approximate == "tanh":
        inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    else:
        inner = erf(x.astype(np.float64) / math.sqrt(2))
    return x * (0.5 * (1 + inner))


@rounding_once
def shrink(x: Array, *, bias: float, lambd: float) -> Array:
    """x + bias for x < -lambd, x - bias for x > lambd, 0 between them."""
    above, below = x > lambd, x < -lambd
    if bias == 0:
        return np.where(above | below, x, x.dtype.type(0))
    moved = np.where(above, x - bias, x + bias)
    return np.where(above | below, cast(np.asarray(moved), to=x.dtype), x.dtype.type(0))


@rounding_once
def prelu(x: Array, slope: Array) -> Array:
    """slope * x for x < 0, x otherwise; the slope broadcasts to x."""
    return np.where(x < 0, slope * x, x)


def clip(
    x: Array,
    min_value: Array | None = None,
    max_value: Array | None = None,
    *,
    min: float | None = None,
    max: float | None = None,
) -> Array:
    """min(max(x, lower bound), upper bound); a bound that is not given does not bind."""
    low, high = _bound(x, min_value, min), _bound(x, max_value, max)
    if low is not None:
        x = np.asarray(np.maximum(x, low))
    return x if high is None else np.asarray(np.minimum(x, high))


def _bound(x: Array, operand: Array | None, value: float | None) -> Array | None:
    if operand is not None:
        return operand.reshape(())
    # An unsigned bound is stored as the signed number of the same bits: astype wraps it back.
    return None if value is None else np.asarray(value).astype(x.dtype)
