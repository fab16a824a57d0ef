"""Steps of optimizers: see the ops of the same names for the formulas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.sizes import one_number

Array = npt.NDArray[Any]

__all__ = ["adagrad", "adam", "momentum"]


def adagrad(
    rate: Array,
    count: Array,
    *tensors: Array,
    decay_factor: float,
    epsilon: float,
    norm_coefficient: float,
) -> tuple[Array, ...]:
    """New x and h of tensors that are all x, all gradients, all h."""
    found: list[tuple[Array, ...]] = []
    with np.errstate(all="ignore"):
        step = _one(rate) / (1 + _one(count) * decay_factor)
        for x, gradient, h in _of_each(tensors, 3):
            kind = x.dtype.type
            g = kind(norm_coefficient) * x + gradient
            squares = h + g * g
            found.append((x - kind(step) * g / (np.sqrt(squares) + kind(epsilon)), squares))
    return _by_kind(found)


def adam(
    rate: Array,
    count: Array,
    *tensors: Array,
    alpha: float,
    beta: float,
    epsilon: float,
    norm_coefficient: float,
    norm_coefficient_post: float,
) -> tuple[Array, ...]:
    """New x, v and h of tensors that are all x, all gradients, all v, all h."""
    found: list[tuple[Array, ...]] = []
    with np.errstate(all="ignore"):
        step, steps = _one(rate), _one(count)
        if steps > 0:
            step = step * np.sqrt(1 - beta**steps) / (1 - alpha**steps)
        for x, gradient, v, h in _of_each(tensors, 4):
            kind = x.dtype.type
            g = kind(norm_coefficient) * x + gradient
            mean = kind(alpha) * v + kind(1 - alpha) * g
            squares = kind(beta) * h + kind(1 - beta) * g * g
            moved = x - kind(step) * mean / (np.sqrt(squares) + kind(epsilon))
            found.append((kind(1 - norm_coefficient_post) * moved, mean, squares))
    return _by_kind(found)


def momentum(
    rate: Array,
    count: Array,
    *tensors: Array,
    alpha: float,
    beta: float,
    mode: str,
    norm_coefficient: float,
) -> tuple[Array, ...]:
    """New x and v of tensors that are all x, all gradients, all v."""
    found: list[tuple[Array, ...]] = []
    with np.errstate(all="ignore"):
        step, factor = _one(rate), beta if _one(count) > 0 else 1.0
        for x, gradient, v in _of_each(tensors, 3):
            kind = x.dtype.type
            g = kind(norm_coefficient) * x + gradient
            moving = kind(alpha) * v + kind(factor) * g
            direction = g + kind(alpha) * moving if mode == "nesterov" else moving
            found.append((x - kind(step) * direction, moving))
    return _by_kind(found)


def _one(value: Array) -> np.float64:
    return np.float64(one_number(value, "rate and count are one number each"))


def _of_each(tensors: Sequence[Array], kinds: int) -> Iterator[tuple[Array, ...]]:
    """The tensors that belong to each x. Raises ValueError where their shapes differ."""
    size = len(tensors) // kinds
    for index in range(size):
        own = tuple(tensors[index::size])
        if len({tensor.shape for tensor in own}) > 1:
            raise ValueError(f"tensor {index} has others of {[list(t.shape) for t in own[1:]]}")
        yield own


def _by_kind(found: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(np.asarray(one) for kind in zip(*found, strict=True) for one in kind)
