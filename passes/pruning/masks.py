"""Which weights stay, by their scores. A mask is an array of booleans, true for what stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]


def unstructured(scores: Array, sparsity: float) -> Mask:
    """All but the lowest scores: round(sparsity * size) go, of equal ones the first."""
    return _without_lowest(scores.reshape(-1), sparsity).reshape(scores.shape)


def of_rows(scores: Array, sparsity: float) -> Mask:
    """As `unstructured`, but as many go of every row."""
    return np.stack([unstructured(row, sparsity) for row in scores])


def together(scores: Sequence[Array], sparsity: float) -> list[Mask]:
    """As `unstructured` for several layers at once: how much of each goes is what scores say."""
    if not scores:
        return []
    mask = _without_lowest(np.concatenate([each.reshape(-1) for each in scores]), sparsity)
    ends = np.cumsum([each.size for each in scores])[:-1]
    parts = np.split(mask, ends)
    return [part.reshape(each.shape) for part, each in zip(parts, scores, strict=True)]


def sparsity_of(mask: Mask) -> float:
    """The part that goes."""
    return 1 - float(np.count_nonzero(mask)) / mask.size if mask.size else 0.0


def _without_lowest(scores: Array, sparsity: float) -> Mask:
    count = round(sparsity * scores.size)
    if count <= 0:
        return np.ones(scores.size, np.bool_)
    if count >= scores.size:
        return np.zeros(scores.size, np.bool_)
    limit = np.partition(scores, count - 1)[count - 1]
    mask = scores > limit
    # Of those at the limit the first ones go, so that the count is exact.
    equal = np.flatnonzero(scores == limit)
    mask[equal[count - int(np.count_nonzero(scores < limit)) :]] = True
    return mask
