"""Dimensions that may be unknown, and tensors that hold heads side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pyflame_rt.dialects.pfrt.base import Shape
from pyflame_rt.dialects.pfrt.types import DYNAMIC


def known(dims: Iterable[int]) -> int:
    """The first of several dimensions, which ought to be equal, that is known."""
    return next((dim for dim in dims if dim != DYNAMIC), DYNAMIC)


def product(*dims: int) -> int:
    """The product of dimensions; unknown if one of them is."""
    return DYNAMIC if DYNAMIC in dims else math.prod(dims)


def quotient(dim: int, count: int) -> int:
    """A dimension split into `count` parts; unknown if either is, or nothing to split it into."""
    return DYNAMIC if DYNAMIC in (dim, count) or count == 0 else dim // count


def packed(shape: Shape, rank: int) -> Shape:
    """(batch, heads, length, size) as it is, or for rank 3 (batch, length, heads * size)."""
    if rank == 4:
        return shape
    batch, heads, length, size = shape
    return (batch, length, product(heads, size))
