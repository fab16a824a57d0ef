"""Elements of less than a byte: in memory one a byte, in files as many as fit, the first lowest."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]


@cache
def bits_of(dtype: np.dtype[Any]) -> int:
    """Bits of an element in a file."""
    narrow = {
        np.dtype(ml_dtypes.float4_e2m1fn): 4,
        np.dtype(ml_dtypes.int4): 4,
        np.dtype(ml_dtypes.uint4): 4,
        np.dtype(ml_dtypes.int2): 2,
        np.dtype(ml_dtypes.uint2): 2,
    }
    return narrow.get(dtype, dtype.itemsize * 8)


def packed(array: Array) -> Bytes:
    """The bytes of an array in a file; a view of it unless its elements are packed."""
    data = array.reshape(-1).view(np.uint8)
    bits = bits_of(array.dtype)
    if bits == 8 * array.dtype.itemsize:
        return data
    per_byte = 8 // bits
    codes = np.zeros(-(-data.size // per_byte) * per_byte, np.uint8)
    codes[: data.size] = data & np.uint8((1 << bits) - 1)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return np.bitwise_or.reduce(codes.reshape(-1, per_byte) << shifts, axis=1, dtype=np.uint8)


def unpacked(data: Bytes, dtype: np.dtype[Any], count: int) -> Array:
    """`count` elements of a file's bytes; a view of them unless they are packed."""
    bits = bits_of(dtype)
    if bits == 8 * dtype.itemsize:
        if dtype == np.bool_ and (data > 1).any():
            # Any byte but 0 and 1 would make a bool that is neither.
            return data != 0
        return data.view(dtype)
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes = ((data[:, None] >> shifts) & np.uint8((1 << bits) - 1)).reshape(-1)[:count]
    return np.ascontiguousarray(codes).view(dtype)
