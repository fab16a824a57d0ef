"""Sequences are lists, optionals None or what they hold. Neither is ever written to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.shape import axes_of
from pyflame_rt.kernels.sizes import OutOfRangeError, one_number

Array = npt.NDArray[Any]
T = TypeVar("T")

__all__ = [
    "concat_from_sequence",
    "optional",
    "optional_get_element",
    "optional_has_element",
    "sequence_at",
    "sequence_construct",
    "sequence_empty",
    "sequence_erase",
    "sequence_insert",
    "sequence_length",
    "split_to_sequence",
]


def sequence_construct(*items: Array) -> list[Array]:
    """The sequence of the operands."""
    return list(items)


def sequence_empty(*, dtype: np.dtype[Any]) -> list[Array]:
    """No items."""
    return []


def sequence_insert(sequence: Sequence[T], item: T, position: Array | None = None) -> list[T]:
    """The sequence with the item before what is at `position`, -n <= position <= n; else last."""
    at = len(sequence) if position is None else _position(position, len(sequence), len(sequence))
    return [*sequence[:at], item, *sequence[at:]]


def sequence_erase(sequence: Sequence[T], position: Array | None = None) -> list[T]:
    """The sequence without what is at `position`, or without the last."""
    last = np.array(-1) if position is None else position
    at = _position(last, len(sequence), len(sequence) - 1)
    return [*sequence[:at], *sequence[at + 1 :]]


def sequence_at(sequence: Sequence[T], position: Array) -> T:
    """What is at `position`."""
    return sequence[_position(position, len(sequence), len(sequence) - 1)]


def _position(position: Array, length: int, most: int) -> int:
    """A position from the front. Raises ValueError outside of -length..most."""
    at = int(one_number(position, "a position must hold one element"))
    if not -length <= at <= most:
        raise OutOfRangeError(f"position {at} is outside of the sequence of {length}")
    return at + length if at < 0 else at


def sequence_length(sequence: Sequence[object]) -> Array:
    """The number of items."""
    return np.array(len(sequence), np.int64)


def split_to_sequence(
    x: Array, split: Array | None = None, *, axis: int = 0, keepdims: bool = True
) -> list[Array]:
    """Parts of x along an axis, of the given lengths; of length 1 without any."""
    (along,) = axes_of([axis], x.ndim)
    dim = x.shape[along]
    if split is None or split.ndim == 0:
        step = 1 if split is None else int(split)
        if step < 1:
            raise ValueError(f"cannot split in parts of {step}")
        ends = range(step, dim, step)
    else:
        lengths = [int(length) for length in split.reshape(-1)]
        if min(lengths, default=0) < 0 or sum(lengths) != dim:
            raise ValueError(f"the parts {lengths} do not add up to {dim}")
        ends = np.cumsum(lengths)[:-1]
    if dim == 0 and (split is None or split.ndim == 0):
        return []
    parts = np.split(x, ends, along)
    squeezed = split is None and not keepdims
    return [part.squeeze(along) for part in parts] if squeezed else parts


def concat_from_sequence(sequence: Sequence[Array], *, axis: int, new_axis: bool = False) -> Array:
    """The items one after the other along an axis, or stacked along a new one."""
    if not sequence:
        raise ValueError("there is nothing to concatenate in an empty sequence")
    return np.stack(sequence, axis) if new_axis else np.concatenate(sequence, axis)


def optional(value: T | None = None) -> T | None:
    """The value itself, None for an empty optional."""
    return value


def optional_has_element(value: object = None) -> Array:
    """Whether there is a value."""
    return np.array(value is not None)


def optional_get_element(value: T | None) -> T:
    """The value that must be there."""
    if value is None:
        raise ValueError("the optional is empty")
    return value
