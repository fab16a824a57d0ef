"""Blocks of weights that stay or go together.

Gray, Radford, Kingma, "GPU Kernels for Block-Sparse Weights", 2017. A block's score is the sum of
its weights' scores.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pyflame_rt.passes.pruning import masks

Array: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]


def sums(values: Array, rows: int, columns: int) -> Array:
    """The sum of each block of so many rows and columns; blocks at the edges may be smaller."""
    height, width = values.shape
    padded = np.zeros((-(-height // rows) * rows, -(-width // columns) * columns), np.float64)
    padded[:height, :width] = values
    return padded.reshape(padded.shape[0] // rows, rows, -1, columns).sum(axis=(1, 3))


def spread(blocks: Array, shape: tuple[int, ...], rows: int, columns: int) -> Array:
    """What is said of blocks, said of their elements, for a matrix of that shape."""
    height, width = shape
    return np.repeat(np.repeat(blocks, rows, axis=0), columns, axis=1)[:height, :width]


def pattern(scores: Array, sparsity: float, rows: int, columns: int) -> Mask:
    """The blocks with the highest scores."""
    chosen = masks.unstructured(sums(scores, rows, columns), sparsity)
    return spread(chosen, scores.shape, rows, columns)


def together(scores: list[Array], sparsity: float, rows: int, columns: int) -> list[Mask]:
    """As `pattern` for several layers at once."""
    chosen = masks.together([sums(each, rows, columns) for each in scores], sparsity)
    return [
        spread(mask, each.shape, rows, columns) for mask, each in zip(chosen, scores, strict=True)
    ]
