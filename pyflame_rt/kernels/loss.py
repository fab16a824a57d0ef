"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once

Array = npt.NDArray[Any]

__all__ = ["negative_log_likelihood_loss"]


@rounding_once
def negative_log_likelihood_loss(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Array:
    """-x[n, target[n, …], …] * weight[target[n, …]]: each, their sum, or that over the weights'.

    Raises ValueError for a target that is neither a class nor `ignore_index`.
    """
    kept = np.ones(target.shape, np.bool_) if ignore_index is None else target != ignore_index
    _check(x, np.where(kept, target, 0), kept, weight)
    if not kept.any():
        losses, weights = np.zeros(target.shape, x.dtype), np.zeros(target.shape, x.dtype)
    else:
        classes = np.where(kept, target, 0)
        weights = np.where(kept, 1 if weight is None else weight[classes], 0).astype(x.dtype)
        picked = np.take_along_axis(x, np.expand_dims(classes, 1), 1).squeeze(1)
        losses = np.where(kept, -picked * weights, x.dtype.type(0))
    if reduction == "none":
        return losses
    total = np.asarray(losses.sum(dtype=x.dtype))
    return total if reduction == "sum" else total / weights.sum(dtype=x.dtype)


def _check(x: Array, classes: Array, kept: Array, weight: Array | None) -> None:
    if x.ndim < 2 or classes.shape != (*x.shape[:1], *x.shape[2:]):
        raise ValueError(f"targets of {list(classes.shape)} do not suit {list(x.shape)}")
    if weight is not None and weight.shape != x.shape[1:2]:
        raise ValueError(f"{x.shape[1]} classes have weights of shape {list(weight.shape)}")
    outside = kept & ((classes < 0) | (classes >= x.shape[1]))
    if outside.any():
        raise ValueError(f"target {int(classes[outside][0])} is none of {x.shape[1]} classes")
