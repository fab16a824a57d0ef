"""Linear models and support vector machines: a weighted sum of features, or of likenesses.

Everything is computed in f64 and rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.scores import logistic, rows, transformed, two_scores
from pyflame_rt.kernels.sizes import check_size

Array = npt.NDArray[Any]

__all__ = ["linear_classifier", "linear_regressor", "svm_classifier", "svm_regressor"]

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
"""How alike a sample and a support vector are."""


def _matrix(values: Array, count: int, name: str) -> Array:
    """A property's numbers as that many rows."""
    if count < 1 or values.size % count:
        raise ValueError(f"{values.size} {name} are no {count} rows")
    return values.reshape(count, values.size // count).astype(np.float64)


def _product(x: Array, weights: Array) -> Array:
    """Samples by features times rows of weights."""
    if x.shape[1] != weights.shape[1]:
        raise ValueError(f"{x.shape[1]} features of samples for weights of {weights.shape[1]}")
    check_size((len(x), len(weights)), x.dtype)
    return x @ weights.T


def linear_regressor(
    x: Array,
    *,
    coefficients: Array,
    intercepts: Array | None = None,
    targets: int = 1,
    post_transform: str = "NONE",
) -> Array:
    """Features times coefficients plus an intercept, for each target."""
    with np.errstate(all="ignore"):
        scores = _product(rows(x), _matrix(coefficients, targets, "coefficients"))
        if intercepts is not None:
            scores = scores + intercepts
        return transformed(scores, post_transform).astype(x.dtype)


def linear_classifier(
    x: Array,
    *,
    coefficients: Array,
    intercepts: Array | None = None,
    classes: int,
    post_transform: str = "NONE",
) -> tuple[Array, Array]:
    """The position of the class with the highest score, and the scores.

    Two classes may have one score, which is the second's and chooses it where it is positive.
    """
    samples = rows(x)
    models = coefficients.size // max(samples.shape[1], 1)
    if models != classes and (models, classes) != (1, 2):
        raise ValueError(
            f"{coefficients.size} coefficients for {classes} classes of samples with "
            f"{samples.shape[1]} features"
        )
    with np.errstate(all="ignore"):
        scores = _product(samples, _matrix(coefficients, models, "coefficients"))
        if intercepts is not None:
            scores = scores + intercepts
        if models == classes:
            found = transformed(scores, post_transform).astype(np.float32)
            return _highest(scores), found
        score = scores[:, 0]
        found = two_scores(score, post_transform, complement=True).astype(np.float32)
        return (score > 0).astype(np.int64), found


def _highest(scores: Array) -> Array:
    """The first of the highest in each row."""
    return scores.argmax(axis=1).astype(np.int64)


def _likeness(
    x: Array, vectors: Array, kernel_type: str, gamma: float, coef0: float, degree: float
) -> Array:
    """How alike samples and support vectors are: (samples, vectors)."""
    dots = _product(x, vectors)
    match kernel_type:
        case "LINEAR":
            return dots
        case "POLY":
            return np.power(gamma * dots + coef0, degree)
        case "SIGMOID":
            return np.tanh(gamma * dots + coef0)
        case "RBF":
            squares = (x * x).sum(axis=1)[:, None] + (vectors * vectors).sum(axis=1)
            return np.exp(-gamma * np.maximum(squares - 2 * dots, 0))
        case _:
            raise ValueError(f'there is no kernel "{kernel_type}"')


def svm_regressor(
    x: Array,
    *,
    coefficients: Array,
    rho: float = 0.0,
    support_vectors: Array | None = None,
    kernel_type: str = "LINEAR",
    gamma: float = 0.0,
    coef0: float = 0.0,
    degree: float = 0.0,
    one_class: bool = False,
    post_transform: str = "NONE",
) -> Array:
    """The likenesses to support vectors times coefficients, plus rho; 1 or -1 with `one_class`.

    Without support vectors it is the features that the coefficients are for.
    """
    samples, weights = rows(x), coefficients.reshape(1, -1).astype(np.float64)
    with np.errstate(all="ignore"):
        if support_vectors is not None:
            vectors = _matrix(support_vectors, coefficients.size, "support_vectors")
            samples = _likeness(samples, vectors, kernel_type, gamma, coef0, degree)
        scores = _product(samples, weights) + rho
        if one_class:
            return np.where(scores > 0, 1, -1).astype(x.dtype)
        return transformed(scores, post_transform).astype(x.dtype)


def svm_classifier(
    x: Array,
    *,
    coefficients: Array,
    rho: Array,
    classes: int,
    support_vectors: Array | None = None,
    vectors_per_class: Sequence[int] = (),
    prob_a: Array | None = None,
    prob_b: Array | None = None,
    kernel_type: str = "LINEAR",
    gamma: float = 0.0,
    coef0: float = 0.0,
    degree: float = 0.0,
    post_transform: str = "NONE",
) -> tuple[Array, Array]:
    """The position of the chosen class, and scores.

    With support vectors, each pair of classes has a score that is for the first where it is
    positive; the class that wins most pairs is chosen. The scores are those of pairs (of two
    classes: of either) or, where prob_a and prob_b are given, the probabilities of classes.
    Without, each class has a linear score.
    """
    samples = rows(x)
    with np.errstate(all="ignore"):
        if support_vectors is None:
            weights = _matrix(coefficients, classes, "coefficients")
            scores = _product(samples, weights) + float(rho[0])
            return _highest(scores), transformed(scores, post_transform).astype(np.float32)
        vectors = _matrix(support_vectors, sum(vectors_per_class), "support_vectors")
        alike = _likeness(samples, vectors, kernel_type, gamma, coef0, degree)
        pairs = _pairs(alike, coefficients, vectors_per_class) + rho[: math.comb(classes, 2)]
        chosen = _most_wins(pairs, classes)
        if prob_a is not None and prob_b is not None:
            chances = 1 - logistic(pairs * prob_a + prob_b)
            found = transformed(_probabilities(chances, classes), post_transform)
        elif classes == 2:
            both = two_scores(pairs[:, 0], post_transform, complement=post_transform != "NONE")
            return chosen, both.astype(np.float32)
        else:
            found = transformed(pairs, post_transform)
        return chosen, found.astype(np.float32)


def _pairs(alike: Array, coefficients: Array, counts: Sequence[int]) -> Array:
    """The scores of the pairs of classes (0, 1), (0, 2), …, without rho.

    A class' vectors have a row of coefficients for each other class.
    """
    weights = _matrix(coefficients, len(counts) - 1, "coefficients")
    if weights.shape[1] != alike.shape[1]:
        raise ValueError(f"{coefficients.size} coefficients for {alike.shape[1]} support vectors")
    ends = np.cumsum(counts)
    parts = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    scores = [
        alike[:, parts[i]] @ weights[j - 1, parts[i]] + alike[:, parts[j]] @ weights[i, parts[j]]
        for i in range(len(counts))
        for j in range(i + 1, len(counts))
    ]
    return np.stack(scores, axis=1)


def _most_wins(pairs: Array, classes: int) -> Array:
    wins = np.zeros((len(pairs), classes), np.int64)
    first, second = np.triu_indices(classes, 1)
    for k, (i, j) in enumerate(zip(first, second, strict=True)):
        won = pairs[:, k] > 0
        wins[:, i] += won
        wins[:, j] += ~won
    return _highest(wins)


def _probabilities(chances: Array, classes: int) -> Array:
    """The probabilities of classes from those of the first of each pair.

    The second method of Wu, Lin and Weng, "Probability estimates for multi-class classification by
    pairwise coupling" (2004), with the bounds that libsvm has.
    """
    count, first, second = len(chances), *np.triu_indices(classes, 1)
    against = np.zeros((count, classes, classes))
    against[:, first, second] = chances.clip(1e-7, 1 - 1e-7)
    against[:, second, first] = 1 - against[:, first, second]
    q = -against.transpose(0, 2, 1) * against
    diagonal = np.arange(classes)
    q[:, diagonal, diagonal] = (against**2).sum(axis=1)
    p = np.full((count, classes), 1 / classes)
    left = np.arange(count)
    for _ in range(100):
        qp = np.einsum("nij,nj->ni", q[left], p[left])
        pqp = (p[left] * qp).sum(axis=1)
        wrong = np.abs(qp - pqp[:, None]).max(axis=1, initial=0) >= 0.005 / classes
        left, qp, pqp = left[wrong], qp[wrong], pqp[wrong]
        if left.size == 0:
            break
        for t in range(classes):
            own = q[left, t, t]
            step = (pqp - qp[:, t]) / own
            p[left, t] += step
            pqp = (pqp + step * (step * own + 2 * qp[:, t])) / (1 + step) ** 2
            qp = (qp + step[:, None] * q[left, t]) / (1 + step)[:, None]
            p[left] /= (1 + step)[:, None]
    return p
