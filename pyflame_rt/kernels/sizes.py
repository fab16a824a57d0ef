"""Parameters that are values, and the guard of results whose size comes from such values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_BYTES = 1 << 40
"""Beyond this no machine has the memory: the values that ask for it are wrong."""


def check_size(shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless a tensor of that shape (of Python ints) can exist."""
    if any(dim < 0 for dim in shape):
        raise ValueError(f"the result would have the shape {list(shape)}")
    if len(shape) > 64 or math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise ValueError(f"the result would be too large: {dtype.name} of shape {list(shape)}")


def zero(dtype: np.dtype[Any]) -> Any:
    """What stands where nothing else does: 0, False or ""."""
    return "" if dtype == np.object_ else np.zeros((), dtype)


def optional_integers(
    given: Sequence[int] | None, value: npt.NDArray[Any] | None, name: str
) -> list[int] | None:
    """A parameter's Python ints, from its property or its operand; None when absent."""
    if given is not None:
        return list(given)
    if value is None:
        return None
    if value.ndim != 1:
        raise ValueError(f"{name} must be a vector, got the shape {list(value.shape)}")
    return [int(item) for item in value]


def integers(given: Sequence[int] | None, value: npt.NDArray[Any] | None, name: str) -> list[int]:
    """A required parameter's Python ints, from its property or its operand."""
    found = optional_integers(given, value, name)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found
