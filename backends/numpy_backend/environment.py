"""Steps on the environment of a run: a list, to whose places late values come."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, cast

import numpy as np

from pyflame_rt.backends.numpy_backend.calls import Function, Run
from pyflame_rt.backends.numpy_backend.program import Slot
from pyflame_rt.backends.runtime import Array


def reading(function: Function, env: list[Array | None], indices: Sequence[int]) -> Run:
    """A step that calls a function with what stands at places of the environment.

    Spelled out for few places, which is twice as fast as a tuple of them.
    """
    match indices:
        case [i]:
            return lambda: function(env[i])
        case [i, j]:
            return lambda: function(env[i], env[j])
        case [i, j, k]:
            return lambda: function(env[i], env[j], env[k])
        case _:
            fetch = itemgetter(*indices)
            return lambda: function(*fetch(env))


def new(env: list[Array | None], index: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Put a fresh buffer into a place."""
    env[index] = np.empty(shape, dtype)


def new_unless_given(
    env: list[Array | None], index: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Put a fresh buffer into a place, unless a caller gave an array for it."""
    if env[index] is None:
        env[index] = np.empty(shape, dtype)


def takes(slot: Slot, array: Array, others: Sequence[Array]) -> bool:
    """Whether a result may be made in a caller's array, in which nothing else is needed."""
    if type(array) is not np.ndarray:
        # Subclasses compute in ways of their own.
        return False
    flags, kind = array.flags, slot.type
    return (
        array.dtype == kind.dtype
        and array.shape == kind.static_shape
        and flags.c_contiguous
        and flags.aligned
        and flags.writeable
        and not any(np.may_share_memory(array, other) for other in others)
    )


def reshape(env: list[Array | None], source: int, target: int, shape: tuple[int, ...]) -> None:
    """Put a reshaped view of a value into a place."""
    env[target] = cast(Array, env[source]).reshape(shape)


def take_part(env: list[Array | None], source: int, target: int, index: tuple[slice, ...]) -> None:
    """Put a part of a value into a place."""
    env[target] = cast(Array, env[source])[index]


def release(env: list[Array | None], slots: tuple[int, ...]) -> None:
    """Forget values."""
    for index in slots:
        env[index] = None
