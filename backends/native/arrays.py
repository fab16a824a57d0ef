"""Where NumPy's array objects hold the address of their data, and how it lies.

Asking an array for its address takes Python longer than a small kernel takes to run. The layout of the
object is fixed since NumPy 1.7, because compiled extensions depend on it; it is looked for all the same,
and what is not found is not used.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

WELL = 0x0001 | 0x0100
"""The flags of an array in C's order whose elements are aligned."""

_WORDS = 16


@dataclass(frozen=True)
class ObjectLayout:
    """Bytes from the beginning of an array object."""

    data: int
    flags: int


@cache
def object_layout() -> ObjectLayout | None:
    """That of this NumPy; None where it is not as expected."""
    well, apart = np.zeros((3, 5), np.float32), np.zeros((3, 5), np.float32)[:, ::2]
    strange = np.zeros(9, np.uint8)[1:].view(np.float32)
    data = _same([_words(a).index(_address(a)) for a in (well, apart, strange) if _has(a)])
    if data is None:
        return None
    for flags in range(data + 1, _WORDS):
        found = [_words(a)[flags] & 0xFFFFFFFF for a in (well, apart, strange)]
        expected = [a.flags.num for a in (well, apart, strange)]
        if found == expected:
            return ObjectLayout(8 * data, 8 * flags)
    return None


def _has(array: np.ndarray) -> bool:
    return _address(array) in _words(array)


def _same(numbers: list[int]) -> int | None:
    return numbers[0] if len(numbers) == 3 and len(set(numbers)) == 1 else None


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _words(array: np.ndarray) -> list[int]:
    size = min(_WORDS, type(array).__basicsize__ // 8)
    return list((ctypes.c_uint64 * size).from_address(id(array)))
