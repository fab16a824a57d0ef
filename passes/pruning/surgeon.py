"""Changing a layer column by column, the columns to come making up for what goes.

Frantar, Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot", ICML
2023; the update is that of Optimal Brain Surgeon, whose inverse Hessians of all columns are rows of
one Cholesky factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]
Choose: TypeAlias = Callable[[Array], Mask]

_BLOCK = 128
"""Columns that are chosen from at once, unless the pattern says otherwise."""

DAMPING = 0.01
"""Part of the mean of the diagonal that is added to it, as in the paper."""


def factor(gram: Array, damping: float = DAMPING) -> Array:
    """The upper Cholesky factor of the inverse of a damped Gram matrix."""
    hessian = gram.astype(np.float64)
    diagonal = np.einsum("ii->i", hessian)
    mean = float(diagonal.mean()) if diagonal.size else 0.0
    # Inputs that were always 0 tell nothing.
    diagonal[diagonal == 0] = mean or 1.0
    diagonal += damping * (mean or 1.0)
    return np.linalg.cholesky(np.linalg.inv(hessian)).T


def sweep(
    w: Array,
    gram: Array,
    width: int,
    enter: Callable[[slice, Array, Array], None],
    settle: Callable[[int, Array], Array],
) -> Array:
    """The matrix with every column as `settle(index, column)` has it, in order.

    What a column loses, those to come make up for. `enter(part, columns, pivots)` is told of each
    `width` columns (0: as many as is quick) as they are before the first of them is settled, with
    the square roots of [H^-1]_qq.
    """
    upper = factor(gram)
    left = w.astype(np.float64)
    columns = left.shape[1]
    step = width or _BLOCK
    # Whole patterns in each block.
    block = max(step, _BLOCK // step * step)
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        errors = np.zeros((left.shape[0], stop - start))
        for column in range(start, stop):
            if (column - start) % step == 0:
                part = slice(column, min(column + step, stop))
                enter(part, left[:, part], np.diagonal(upper)[part])
            settled = settle(column, left[:, column])
            error = (left[:, column] - settled) / upper[column, column]
            left[:, column] = settled
            left[:, column + 1 : stop] -= np.outer(error, upper[column, column + 1 : stop])
            errors[:, column - start] = error
        left[:, stop:] -= errors @ upper[start:stop, stop:]
    return left


def prune(
    w: Array, gram: Array, choose: Choose, width: int = 0, mask: Mask | None = None
) -> tuple[Array, Mask]:
    """The pruned matrix and its mask.

    `choose` gets w^2 / [H^-1]_qq of `width` columns at a time (0: as many as is quick) and says
    which stay; with a `mask` nothing is chosen any more.
    """
    found = np.ones(w.shape, np.bool_) if mask is None else mask

    def enter(part: slice, columns: Array, pivots: Array) -> None:
        if mask is None:
            found[:, part] = choose(np.square(columns) / np.square(pivots))

    def settle(index: int, column: Array) -> Array:
        return np.where(found[:, index], column, 0.0)

    return sweep(w, gram, width, enter, settle), found
