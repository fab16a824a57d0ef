"""Ensembles of decision trees: the scores of targets, or of classes and the class they choose."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.ensembles import AGGREGATES, Ensemble
from pyflame_rt.kernels.scores import rows, transformed, two_scores

Array = npt.NDArray[Any]

__all__ = ["tree_ensemble", "tree_ensemble_classifier"]


def _checked(ensemble: Ensemble) -> Ensemble:
    if (broken := ensemble.broken()) is not None:
        raise ValueError(broken.text)
    return ensemble


def tree_ensemble(
    x: Array,
    *,
    aggregate_function: str = "SUM",
    post_transform: str = "NONE",
    base_values: Array | None = None,
    **parts: Any,
) -> Array:
    """The votes of the leaves that a sample reaches, put together for each target."""
    if aggregate_function not in AGGREGATES:
        raise ValueError(f'cannot put votes together by "{aggregate_function}"')
    scores = _checked(Ensemble(**parts)).scores(rows(x), aggregate_function)
    if base_values is not None:
        scores = scores + base_values
    with np.errstate(over="ignore"):
        return transformed(scores, post_transform).astype(x.dtype, copy=False)


def tree_ensemble_classifier(
    x: Array, *, post_transform: str = "NONE", base_values: Array | None = None, **parts: Any
) -> tuple[Array, Array]:
    """The position of the class that the leaves' votes are for, and the score of each class.

    One target is for two classes: the second is chosen where its score is more than 0, or than 1/2
    if no vote is negative. Then the votes are taken for probabilities.
    """
    ensemble = _checked(Ensemble(**parts))
    scores = ensemble.scores(rows(x), "SUM")
    if base_values is not None:
        scores = scores + base_values
    with np.errstate(over="ignore"):
        if ensemble.n_targets > 1:
            found = transformed(scores, post_transform).astype(np.float32)
            return scores.argmax(axis=1).astype(np.int64), found
        score, certain = scores[:, 0], bool((ensemble.leaf_weights >= 0).all())
        found = two_scores(score, post_transform, complement=certain).astype(np.float32)
        return (score > (0.5 if certain else 0)).astype(np.int64), found
