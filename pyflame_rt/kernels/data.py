"""Constants, and tensors made from or describing others."""

from __future__ import annotations

import math
from typing import Any
from typing import cast as cast_type

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.numerals import read_floats, read_integers, written
from pyflame_rt.kernels.sizes import check_size, integers

Array = npt.NDArray[Any]

__all__ = ["bit_cast", "cast", "constant", "constant_of_shape", "range_", "shape", "size"]


def constant(*, value: Array) -> Array:
    """The value itself, read-only."""
    return value


def constant_of_shape(
    shape_value: Array | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    value: Array | None = None,
) -> Array:
    """A tensor of the given shape, filled with the one element of `value`, else 0.0."""
    dims = integers(shape, shape_value, "shape")
    fill = np.zeros(1, np.float32) if value is None else value
    check_size(dims, fill.dtype)
    return np.full(dims, fill.reshape(()), fill.dtype)


def shape(x: Array, *, start: int = 0, end: int | None = None) -> Array:
    """Dimensions start..end; negative ones count from the back, both are clamped."""
    return np.array(x.shape[start:end], np.int64)


def size(x: Array) -> Array:
    """The number of elements."""
    return np.array(x.size, np.int64)


def range_length(start: Array, limit: Array, delta: Array) -> int:
    """max(ceil((limit - start) / delta), 0). Raises ValueError for what has no such number."""
    if not start.size == limit.size == delta.size == 1:
        raise ValueError("a range needs one start, one limit and one delta")
    if not np.all(delta):
        raise ValueError("the delta of a range is zero")
    first, last, step = (item.reshape(())[()] for item in (start, limit, delta))
    if start.dtype.kind == "i":
        return max(-((int(first) - int(last)) // int(step)), 0)
    steps = (float(last) - float(first)) / float(step)
    if not math.isfinite(steps):
        raise ValueError(f"a range from {first} to {last} by {step} has no number of elements")
    return max(math.ceil(steps), 0)


def range_(start: Array, limit: Array, delta: Array, *, stash_type: int = 1) -> Array:
    """start + i * delta below `limit` (above it, for a negative delta); 16-bit floats via f32."""
    length = range_length(start, limit, delta)
    check_size([length], start.dtype)
    wide = (
        np.dtype(np.float32)
        if start.dtype.itemsize == 2 and start.dtype.kind != "i"
        else start.dtype
    )
    first, step = (item.reshape(()).astype(wide) for item in (start, delta))
    with np.errstate(all="ignore"):
        return (first + np.arange(length).astype(wide) * step).astype(start.dtype)


def cast(x: Array, *, to: np.dtype[Any], saturate: bool = True, round_mode: str = "up") -> Array:
    """Elements converted to `to`: see `pfrt.cast` for what happens out of range."""
    if x.dtype == to:
        return x
    if to == np.object_:
        return written(x)
    if x.dtype == np.object_:
        if _is_integer(to):
            return read_integers(x, to)
        return cast(read_floats(x), to=to, saturate=saturate, round_mode=round_mode)
    with np.errstate(all="ignore"):
        if to == np.bool_:
            # No power of two is zero.
            if x.dtype == ml_dtypes.float8_e8m0fnu:
                return np.ones(x.shape, np.bool_)
            return np.asarray(x != np.zeros((), x.dtype))
        if to == ml_dtypes.float8_e8m0fnu:
            return _to_exponent(x, saturate, round_mode)
        if to.name.startswith("float8"):
            return _to_float8(x, to, saturate)
        if _is_integer(to) and not _is_integer(x.dtype) and x.dtype != np.bool_:
            return _truncate(x.astype(np.float64), to)
        if _is_integer(to) and _is_integer(x.dtype):
            return x.astype(np.int64).astype(to)
        if x.dtype == ml_dtypes.float8_e8m0fnu:
            return x.astype(np.float32).astype(to)
        return x.astype(to)


def bits_of(dtype: np.dtype[Any]) -> int:
    """How many bits an element has: 2 or 4 for the types that take a byte in memory."""
    narrow = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}
    return narrow.get(dtype.name, dtype.itemsize * 8)


def bit_cast(x: Array, *, to: np.dtype[Any]) -> Array:
    """Elements of `to` with the bits of x's. Raises ValueError unless there are as many."""
    bits = bits_of(x.dtype)
    if bits != bits_of(to):
        raise ValueError(f"the {bits} bits of {x.dtype.name} cannot be read as {to.name}")
    if bits >= 8:
        return x.view(np.uint8) != 0 if to == np.bool_ else x.view(to)
    # A byte in memory, of which the type uses the lower bits.
    return (x.view(np.uint8) & np.uint8(2**bits - 1)).view(to)


def _is_integer(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iu" or "int" in dtype.name


def _truncate(x: npt.NDArray[np.float64], to: np.dtype[Any]) -> Array:
    """Toward zero, then to the nearest integer of the type; NaN becomes 0.

    Types of less than a byte keep the low bits instead, as the expected results of ONNX's own tests
    do.
    """
    if to.kind == "V":
        return _truncate(x, np.dtype(np.int64)).astype(to)
    low, high = int(ml_dtypes.iinfo(to).min), int(ml_dtypes.iinfo(to).max)
    whole = np.trunc(x)
    above, below = whole >= high + 1, whole < low
    wide = np.dtype(np.uint64) if low == 0 else np.dtype(np.int64)
    inside = np.where(above | below | np.isnan(x), 0, whole).astype(wide)
    return np.where(above, wide.type(high), np.where(below, wide.type(low), inside)).astype(to)


def _to_float8(x: Array, to: np.dtype[Any], saturate: bool) -> Array:
    """Round to nearest even; what overflows becomes the largest number if `saturate`."""
    wide = x.astype(np.float32)
    rounded = wide.astype(to)
    if not saturate:
        return rounded
    overflow = ~np.isfinite(rounded) & ~np.isnan(wide)
    largest = np.float32(cast_type(Any, ml_dtypes.finfo(to).max))
    return np.where(overflow, np.copysign(largest, wide).astype(to), rounded)


def _to_exponent(x: Array, saturate: bool, round_mode: str) -> Array:
    """The powers of two 2**-127 to 2**127 that stand for |x|, stored as their biased exponent."""
    wide = np.abs(x.astype(np.float64))
    mantissa, exponent = np.frexp(wide)
    exponent = exponent.astype(np.int64) - 1
    round_up = {"up": mantissa > 0.5, "down": False, "nearest": mantissa >= 0.75}[round_mode]
    biased = np.where(wide == 0, -1, exponent + 127 + round_up)
    biased = np.where(np.isinf(wide), 255, biased)
    limited = np.clip(biased, 0, 254) if saturate else biased
    invalid = np.isnan(wide) | (limited < 0) | (limited > 254)
    stored: Array = np.where(invalid, 0xFF, limited).astype(np.uint8)
    return stored.view(ml_dtypes.float8_e8m0fnu)
