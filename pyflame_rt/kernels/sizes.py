"""Parameters that are values, and the guard of results whose size comes from such values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

T = TypeVar("T", int, float)

MAX_BYTES = 1 << 36
"""64 GiB: the values that ask for a larger tensor are taken to be wrong.

The largest that models compute are scores of attention, 2 GiB for 32 heads on 4,096 tokens in f32
and 64 GiB on 23,000, and images of a few GiB. A far higher limit guards nothing: systems promise
memory that they do not have, and end the process that writes to it."""


class OutOfRangeError(ValueError, IndexError):
    """A value that counts elements points outside of them."""


def check_size(shape: Sequence[int], dtype: np.dtype[Any]) -> None:
    """Raise ValueError unless a tensor of that shape (of Python ints) can exist."""
    if any(dim < 0 for dim in shape):
        raise ValueError(f"the result would have the shape {list(shape)}")
    if len(shape) > 64 or math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise ValueError(f"the result would be too large: {dtype.name} of shape {list(shape)}")


def zero(dtype: np.dtype[Any]) -> Any:
    """What stands where nothing else does: 0, False or ""."""
    return "" if dtype == np.object_ else np.zeros((), dtype)


def one_number(value: npt.NDArray[Any], rule: str) -> npt.NDArray[Any]:
    """The element of a parameter that is one, without dimensions.

    Raises ValueError, with the rule that it breaks, for more or none.
    """
    if value.size != 1:
        raise ValueError(f"{rule}, got shape {list(value.shape)}")
    return value.reshape(())


def optional_number(given: T | None, value: npt.NDArray[Any] | None) -> T | None:
    """A parameter that is one number, from its property or its operand; None when absent."""
    if value is None:
        return given
    return cast(T, one_number(value, "one number is needed").item())


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
