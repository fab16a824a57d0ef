"""What devices get of each other's values, as one process sees it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

__all__ = ["all_gather", "all_reduce", "broadcast", "receive", "scatter_slices", "send"]


def bounds(dim: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Where the slices of a dimension begin and end, by their sizes or else their shares of it.

    With fewer elements than slices the last element stands in for those that would have none.
    """
    total, count = sum(sizes), len(sizes)
    if dim == 0:
        return [(0, 0)] * count
    if dim < count:
        return [(min(i, dim - 1), min(i, dim - 1) + 1) for i in range(count)]
    edges = [0]
    for index, share in enumerate(accumulate(sizes), start=1):
        edge = (dim * share + total // 2) // total
        edges.append(min(max(edge, edges[-1] + 1), dim - count + index))
    return list(pairwise(edges))


def send(x: Array, *, source: str, destination: str) -> Array:
    """What is on its way."""
    return x


def receive(x: Array, *, destination: str) -> Array:
    """What has arrived."""
    return x


def broadcast(x: Array, *, count: int) -> tuple[Array, ...]:
    """x for each device."""
    return (x,) * count


def scatter_slices(x: Array, *, axis: int = 0, sizes: Sequence[int]) -> tuple[Array, ...]:
    """A slice of x for each device."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is outside the {x.ndim} dimensions")
    if min(sizes, default=0) < 1:
        raise ValueError(f"slices of sizes {list(sizes)}")
    index = [slice(None)] * x.ndim
    parts: list[Array] = []
    for start, stop in bounds(x.shape[axis], sizes):
        index[axis] = slice(start, stop)
        parts.append(x[tuple(index)])
    return tuple(parts)


def all_gather(*values: Array | None, axis: int = 0) -> Array:
    """The slices one after another; the last operand, if there, says how long the result is."""
    *parts, whole = values
    found = [part for part in parts if part is not None]
    if not found:
        raise ValueError("there is nothing to gather")
    joined = np.concatenate(found, axis=axis)
    if whole is None:
        return joined
    length = whole.shape[0] if whole.ndim else 0
    return joined[(slice(None),) * (axis % joined.ndim) + (slice(length),)]


def all_reduce(*parts: Array) -> Array:
    """The sum, added in order."""
    if not parts:
        raise ValueError("there is nothing to add")
    total = parts[0].copy()
    for part in parts[1:]:
        if part.shape != total.shape:
            raise ValueError(f"parts of shapes {list(total.shape)} and {list(part.shape)}")
        total += part
    return total
