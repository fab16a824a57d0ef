"""Determinants by Leibniz's formula, in every type."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pyflame_rt.kernels.linear_algebra import det


def leibniz(matrix: np.ndarray) -> float:
    """The sum over permutations of signed products."""
    total = 0.0
    for order in permutations(range(len(matrix))):
        swaps = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
        total += (-1) ** swaps * np.prod([matrix[i, j] for i, j in enumerate(order)])
    return float(total)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 4, 4), (2, 1, 3, 3)])
def test_det_is_leibnizs(shape: tuple[int, ...], dtype: Any):
    """Of small integers, whose determinants the narrow types hold."""
    x = np.random.default_rng(3).integers(-2, 3, shape).astype(dtype)
    got = det(x)
    assert got.dtype == dtype
    assert got.shape == shape[:-2]
    wide = x.astype(np.float64).reshape(-1, *shape[-2:])
    np.testing.assert_allclose(
        got.astype(np.float64).reshape(-1), [leibniz(m) for m in wide], rtol=1e-2, atol=1e-3
    )


def test_det_of_nothing():
    """An empty matrix has 1; an empty stack has none."""
    assert det(np.zeros((0, 0), np.float32)) == 1
    assert det(np.zeros((0, 3, 3), np.float32)).shape == (0,)


def test_only_square_matrices_have_one():
    with pytest.raises(ValueError, match="square"):
        det(np.zeros((2, 3), np.float32))
