"""Draws: with a seed the same ones each time, else from fresh entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.data import cast
from pyflame_rt.kernels.numerics import widened
from pyflame_rt.kernels.sizes import check_size, one_number

Array = npt.NDArray[Any]

__all__ = [
    "bernoulli", "dropout", "multinomial", "random_normal", "random_normal_like", "random_uniform",
    "random_uniform_like",
]  # fmt: skip


def _generator(seed: float | None) -> np.random.Generator:
    """One of its own for each draw; the seed is the bits of an f32."""
    return np.random.default_rng(None if seed is None else int(np.float32(seed).view(np.uint32)))


def _wide(dtype: np.dtype[Any]) -> type[np.float32 | np.float64]:
    return np.float64 if dtype == np.float64 else np.float32


def _moved(drawn: Array, factor: float, offset: float, dtype: np.dtype[Any]) -> Array:
    kind = drawn.dtype.type
    with np.errstate(all="ignore"):
        return np.asarray(drawn * kind(factor) + kind(offset)).astype(dtype)


def random_normal(
    *,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    seed: float | None = None,
    mean: float,
    scale: float,
) -> Array:
    """mean + scale * a draw from the standard normal distribution."""
    check_size(shape, dtype)
    wide = _wide(dtype)
    drawn = np.asarray(_generator(seed).standard_normal(tuple(shape), wide), wide)
    return _moved(drawn, scale, mean, dtype)


def random_normal_like(
    x: Array,
    *,
    dtype: np.dtype[Any] | None = None,
    seed: float | None = None,
    mean: float,
    scale: float,
) -> Array:
    """As random_normal, in the shape of x."""
    kind = x.dtype if dtype is None else dtype
    return random_normal(shape=x.shape, dtype=kind, seed=seed, mean=mean, scale=scale)


def random_uniform(
    *,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    seed: float | None = None,
    low: float,
    high: float,
) -> Array:
    """low + (high - low) * a draw from [0, 1)."""
    check_size(shape, dtype)
    wide = _wide(dtype)
    drawn = np.asarray(_generator(seed).random(tuple(shape), wide), wide)
    return _moved(drawn, high - low, low, dtype)


def random_uniform_like(
    x: Array,
    *,
    dtype: np.dtype[Any] | None = None,
    seed: float | None = None,
    low: float,
    high: float,
) -> Array:
    """As random_uniform, in the shape of x."""
    kind = x.dtype if dtype is None else dtype
    return random_uniform(shape=x.shape, dtype=kind, seed=seed, low=low, high=high)


def bernoulli(x: Array, *, dtype: np.dtype[Any] | None = None, seed: float | None = None) -> Array:
    """1 where a draw from [0, 1) is below x, else 0."""
    drawn = _generator(seed).random(x.shape)
    return np.asarray(drawn < x.astype(np.float64)).astype(x.dtype if dtype is None else dtype)


def multinomial(
    x: Array, *, dtype: np.dtype[Any], sample_size: int, seed: float | None = None
) -> Array:
    """Draws of a class for each row of logarithmic probabilities.

    Raises ValueError for a row in which no class can be drawn.
    """
    if x.ndim != 2:
        raise ValueError(f"needs a matrix, got the shape {list(x.shape)}")
    shape = (x.shape[0], sample_size)
    check_size(shape, np.dtype(np.float64))
    logs = x.astype(np.float64)
    largest = np.max(logs, axis=1, keepdims=True, initial=-np.inf)
    if not np.isfinite(largest).all():
        row = int(np.flatnonzero(~np.isfinite(largest))[0])
        raise ValueError(f"row {row} is no logarithms of probabilities: {x[row].tolist()[:8]}")
    sums = np.cumsum(np.exp(logs - largest), axis=1)
    drawn = _generator(seed).random(shape)
    found = np.empty(shape, dtype)
    for row, (upto, draws) in enumerate(zip(sums, drawn, strict=True)):
        # A product that is rounded up to the sum would be past the last class.
        below = np.minimum(draws * upto[-1], np.nextafter(upto[-1], 0))
        found[row] = np.searchsorted(upto, below, side="right")
    return found


def dropout(
    x: Array, ratio: Array, training: Array, *, seed: int | None = None
) -> tuple[Array, Array]:
    """x / (1 - ratio) where a draw from [0, 1) is not below the ratio, else 0; and where that is.

    Raises ValueError for a ratio outside [0, 1), and unless both parameters are one element.
    """
    share = float(one_number(ratio, "dropout needs one ratio"))
    if not one_number(training, "dropout needs one flag") or share == 0:
        return x, np.ones(x.shape, np.bool_)
    if not 0 <= share < 1:
        raise ValueError(f"a ratio of {share} is not in [0, 1)")
    entropy = None if seed is None else seed % 2**32
    # The generator of ONNX's tests, which compare what is drawn.
    kept = np.asarray(np.random.RandomState(entropy).uniform(0, 1, x.shape) >= share)
    wide: Array = widened(x) if x.dtype.itemsize > 1 else x.astype(np.float32)
    with np.errstate(all="ignore"):
        scaled = np.asarray(wide * wide.dtype.type(1 / (1 - share)))
    return cast(np.where(kept, scaled, np.zeros((), wide.dtype)), to=x.dtype), kept
