"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.einsum import einsum
from pyflame_rt.kernels.epilogue import with_epilogue
from pyflame_rt.kernels.numerics import rounding_once

Array = npt.NDArray[Any]

__all__ = ["einsum", "gemm", "matmul"]


@rounding_once
def _product(a: Array, b: Array) -> Array:
    return np.matmul(a, b)


@with_epilogue(3)
def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """NumPy's `a @ b`: vectors, matrices, and batches of matrices that broadcast. Plus a bias."""
    product = _product(a, b)
    return product if bias is None else np.asarray(product + bias, product.dtype)


@with_epilogue(3)
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
