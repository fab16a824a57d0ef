"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.einsum import einsum
from pyflame_rt.kernels.numerics import rounding_once

Array = npt.NDArray[Any]

__all__ = ["einsum", "gemm", "matmul"]


@rounding_once
def matmul(a: Array, b: Array) -> Array:
    """NumPy's `a @ b`: vectors, matrices, and batches of matrices that broadcast."""
    return np.matmul(a, b)


@rounding_once
def gemm(
    a: Array,
    b: Array,
    c: Array | None = None,
    *,
    alpha: float,
    beta: float,
    trans_a: bool,
    trans_b: bool,
) -> Array:
    """alpha * a' @ b' + beta * c, where c broadcasts to the product; c is not read if beta is 0."""
    product = (a.T if trans_a else a) @ (b.T if trans_b else b)
    # Integers are scaled as float64 and truncated at the end; unscaled they stay exact.
    if alpha != 1:
        product = product * _scale(alpha, a)
    if c is None or beta == 0:
        return product
    return product + (c if beta == 1 else c * _scale(beta, a))


def _scale(factor: float, a: Array) -> Any:
    return a.dtype.type(factor) if a.dtype.kind == "f" else factor
