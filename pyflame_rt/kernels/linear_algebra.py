"""Linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerics import rounding_once

Array = npt.NDArray[Any]

__all__ = ["det"]


@rounding_once
def det(x: Array) -> Array:
    """The determinant of each matrix in the last two dimensions, 1 of an empty one.

    Raises ValueError unless these are square.
    """
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"needs square matrices, got the shape {list(x.shape)}")
    return np.asarray(np.linalg.det(x))
