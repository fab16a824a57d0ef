"""torch's type promotion: by category (bool, integer, float, complex), tensors with dimensions
before tensors without, and those before numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ml_dtypes
import numpy as np

from pyflame_rt.frontends.torch.aten.sizes import Size
from pyflame_rt.frontends.torch.aten.values import Dtype, Scalar, TensorValue

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
COMPLEX64 = np.dtype(np.complex64)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def is_float(dtype: Dtype) -> bool:
    """Whether the elements are real floating-point numbers."""
    return dtype.kind == "f" or dtype.name.startswith(("bfloat", "float"))


def is_complex(dtype: Dtype) -> bool:
    """Whether the elements are complex."""
    return dtype.kind == "c"


def is_integral(dtype: Dtype) -> bool:
    """Whether the elements are integers, of which bools are none."""
    return dtype.kind in "iu"


def promote(a: Dtype, b: Dtype) -> Dtype:
    """The type that holds both: torch's `promote_types`."""
    if a == b:
        return a
    if is_complex(a) or is_complex(b):
        wide = FLOAT64 in (a, b) or np.dtype(np.complex128) in (a, b)
        return np.dtype(np.complex128) if wide else COMPLEX64
    if is_float(a) and is_float(b):
        # Neither half type holds the other.
        return np.promote_types(a, b) if BFLOAT16 not in (a, b) else _with_bfloat16(a, b)
    if is_float(a) or is_float(b):
        return a if is_float(a) else b
    return np.promote_types(a, b)


def _with_bfloat16(a: Dtype, b: Dtype) -> Dtype:
    other = b if a == BFLOAT16 else a
    return FLOAT64 if other == FLOAT64 else FLOAT32


def result_type(values: Iterable[Scalar]) -> Dtype:
    """The element type of an operation on tensors and numbers: torch's `result_type`."""
    groups: list[Dtype | None] = [None, None, None]
    for value in values:
        group, dtype = _group(value)
        known = groups[group]
        groups[group] = dtype if known is None else promote(known, dtype)
    return _combine(groups[0], _combine(groups[1], groups[2])) or FLOAT32


def _group(value: Scalar) -> tuple[int, Dtype]:
    match value:
        case TensorValue(wrapped=False):
            return (1 if value.rank == 0 else 0), value.dtype
        case TensorValue():
            return 2, FLOAT32 if is_float(value.dtype) else value.dtype
        case bool():
            return 2, BOOL
        case int() | Size():
            return 2, INT64
        case float():
            return 2, FLOAT32
        case complex():
            return 2, COMPLEX64


def _combine(higher: Dtype | None, lower: Dtype | None) -> Dtype | None:
    if higher is None or lower is None:
        return lower if higher is None else higher
    if is_complex(higher):
        return higher
    if is_float(higher):
        return promote(higher, COMPLEX64) if is_complex(lower) else higher
    if higher == BOOL or is_float(lower) or is_complex(lower):
        return promote(higher, lower)
    return higher


def complex_of(dtype: Dtype) -> Dtype:
    """The complex type whose parts have a float type."""
    return np.dtype(np.complex128) if dtype == FLOAT64 else COMPLEX64


def array_of(number: Any, dtype: Dtype) -> np.ndarray[Any, Any]:
    """A number as an array without dimensions; integers wrap as C's do."""
    if dtype.kind in "iu" and not isinstance(number, complex):
        bits = dtype.itemsize * 8
        whole = int(number) % (1 << bits)
        if dtype.kind == "i" and whole >= 1 << (bits - 1):
            whole -= 1 << bits
        return np.array(whole, dtype)
    with np.errstate(over="ignore"):
        return np.array(number).astype(dtype)
