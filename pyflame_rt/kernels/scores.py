"""What models of classical learning make of their scores: transforms, and two scores of one.

ONNX names the transforms and defines none of them: the formulas are ONNX Runtime's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _identity(scores: Array) -> Array:
    return scores


def logistic(scores: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    tail = np.exp(-np.abs(scores))
    return np.where(scores < 0, tail, 1) / (1 + tail)


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=-1, keepdims=True)


def _softmax_zero(scores: Array) -> Array:
    """Softmax among the scores that are not zero; zeros stay."""
    highest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    zero = np.abs(scores) <= 1e-7
    powers = np.where(zero, 0, np.exp(scores - highest))
    total = powers.sum(axis=-1, keepdims=True)
    return np.where(zero, scores * np.exp(-highest), powers) / total


def _probit(scores: Array) -> Array:
    """The quantile of the normal distribution, by Winitzki's approximation of erf's inverse."""
    x = 2 * scores - 1
    log = np.log((1 - x) * (1 + x))
    v = 2 / (math.pi * 0.147) + log / 2
    inverse = np.sqrt(np.sqrt(v * v - log / 0.147) - v)
    return math.sqrt(2) * np.copysign(inverse, x)


_TRANSFORMS: dict[str, Callable[[Array], Array]] = {
    "NONE": _identity,
    "SOFTMAX": _softmax,
    "LOGISTIC": logistic,
    "SOFTMAX_ZERO": _softmax_zero,
    "PROBIT": _probit,
}

POST_TRANSFORMS = tuple(_TRANSFORMS)
"""Their names; the position of each is its number in TreeEnsemble."""


def transformed(scores: Array, post_transform: str) -> Array:
    """Scores, a row a sample, after the transform of that name."""
    if post_transform not in _TRANSFORMS:
        raise ValueError(f'there is no transform "{post_transform}" of scores')
    with np.errstate(all="ignore"):
        return _TRANSFORMS[post_transform](scores)


def two_scores(score: Array, post_transform: str, *, complement: bool) -> Array:
    """The scores of two classes from that of the second: the first one's is 1 - x or -x.

    Softmax leaves them as they are: where a model has one score for two classes, it is no logit.
    """
    if post_transform == "LOGISTIC":
        return logistic(np.stack([-score, score], axis=-1))
    both = np.stack([1 - score if complement else -score, score], axis=-1)
    return transformed(both, "PROBIT") if post_transform == "PROBIT" else both


def rows(x: Array) -> Array:
    """Samples by features in f64: a vector is one sample. f64 holds what the other types do."""
    if x.ndim not in (1, 2):
        raise ValueError(f"samples must be rows of features, got the shape {list(x.shape)}")
    return (x if x.ndim == 2 else x[None]).astype(np.float64, copy=False)
