"""Tensors of many zeros: one bit an element that says whether it is in the file, then those that are.

The first element has the lowest bit of the first byte. No index can lie outside of the tensor, and
up to 97 % of zeros in f32 no list of indices is shorter.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.uint8]

LEAST_BYTES = 4096
"""Smaller tensors stay as they are."""

_MOST = 0.75
"""What the form must take at most of the elements' own bytes: it is read into memory, not mapped."""

_ITEMS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def encoded(array: Array) -> Bytes | None:
    """The form of an array; None where it does not pay. What differs from 0 in any bit is kept."""
    words = _words(array)
    if words is None:
        return None
    present = words != 0
    if _size(words, int(np.count_nonzero(present))) > _MOST * words.nbytes:
        return None
    bits = np.packbits(present, bitorder="little")
    return np.concatenate([bits, words[present].view(np.uint8)])


def stored_bytes(array: Array) -> int:
    """The bytes of an array in a file, in whichever form it has there."""
    words = _words(array)
    if words is None:
        return array.nbytes
    size = _size(words, int(np.count_nonzero(words)))
    return size if size <= _MOST * words.nbytes else words.nbytes


def fits(size: int, count: int, itemsize: int) -> bool:
    """Whether so many bytes may be the form of `count` elements."""
    values = size - -(-count // 8)
    return itemsize in _ITEMS and 0 <= values <= count * itemsize and values % itemsize == 0


def decoded(data: Bytes, dtype: np.dtype[Any], count: int) -> Array:
    """The elements of such a form. Raises ValueError when bits and elements do not agree."""
    start = -(-count // 8)
    present = np.unpackbits(data[:start], count=count, bitorder="little").astype(np.bool_)
    values = np.ascontiguousarray(data[start:]).view(_ITEMS[dtype.itemsize])
    if int(np.count_nonzero(present)) != values.size or _has_spare_bits(data[:start], count):
        raise ValueError(f"{values.size} elements do not fill what its bits leave")
    array = np.zeros(count, _ITEMS[dtype.itemsize])
    array[present] = values
    return array.view(dtype)


def _has_spare_bits(bits: Bytes, count: int) -> bool:
    return bool(count % 8 and bits[-1] >> count % 8)


def _size(words: Array, nonzero: int) -> int:
    return math.ceil(words.size / 8) + nonzero * words.itemsize


def _words(array: Array) -> Array | None:
    """An array's elements as bits; None for those that are never stored so."""
    if array.nbytes < LEAST_BYTES or array.dtype.kind in "OSUb" or array.itemsize not in _ITEMS:
        return None
    return np.ascontiguousarray(array).reshape(-1).view(_ITEMS[array.itemsize])
