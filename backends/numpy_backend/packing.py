"""Forms of constants that kernels want, made once and shared by all plans that use the constant.

A constant keeps its forms only as long as a plan holds them. What a form was made of is not needed
any more: the pages of a mapped file go back to the system, which reads them again if need be.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Hashable, MutableMapping
from typing import Any, TypeAlias

import numpy as np

from pyflame_rt.backends.runtime import Array, root

Packs: TypeAlias = MutableMapping[Hashable, Array]

_WORTH_RELEASING = 1 << 16
"""Bytes: less lies in pages that neighbours share."""

_LINE = 64


def packed(packs: Packs, array: Array, key: Hashable, make: Callable[[Array], Array]) -> Array:
    """What `make` derives from a constant, found under `key` if it was made before.

    Two threads may both make it; they then share one of the two.
    """
    whole = (array.shape, key)
    found = packs.get(whole)
    if found is None:
        found = packs.setdefault(whole, make(array))
        if root(found) is not root(array):
            release(array)
    return found


def aligned(array: Array) -> Array:
    """A contiguous array that BLAS and ufuncs take as it is; a copy only if it is not one.

    Weights lie in a file as they may, and NumPy copies what is not aligned in every call.
    """
    if array.flags.aligned and array.flags.c_contiguous:
        return array
    return np.array(array, order="C")


def on_lines(array: Array) -> Array:
    """A contiguous copy that begins with a cache line: registers are loaded from one, not two."""
    room = np.empty(array.nbytes + _LINE, np.uint8)
    start = -room.ctypes.data % _LINE
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    np.copyto(copy, array)
    return copy


def release(array: Array) -> None:
    """Let go of the pages of a mapped file under an array, whose values stay what they are."""
    mapping = _mapping(array)
    if mapping is None or array.nbytes < _WORTH_RELEASING or not hasattr(mapping, "madvise"):
        return
    start = array.ctypes.data - np.frombuffer(mapping, np.uint8).ctypes.data
    first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (start + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


def mapped_at(array: Array) -> int | None:
    """The address of the map of a file that an array is a view of; None if it is of none."""
    mapping = _mapping(array)
    return None if mapping is None else int(np.frombuffer(mapping, np.uint8).ctypes.data)


def _mapping(array: Array) -> mmap.mmap | None:
    """The map of a file that an array is a view of."""
    base: Any = root(array).base
    if isinstance(base, memoryview):
        base = base.obj
    # Only what nobody can write to is sure to come back the same.
    return base if isinstance(base, mmap.mmap) and not array.flags.writeable else None
