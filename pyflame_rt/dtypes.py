"""Element types: one table from which every spelling of a dtype is read.

Names and integer values of the first ten are fixed by the API reference. bfloat16, float8, float4
and the sub-byte integers are NumPy extension types from ml_dtypes.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import numpy.typing as npt


class DType(Enum):
    """Element type of a tensor. `value` is the stable integer code, `name` the documented name."""

    Float32 = 0
    Float16 = 1
    BFloat16 = 2
    Float64 = 3
    Int64 = 4
    Int32 = 5
    Int16 = 6
    Int8 = 7
    UInt8 = 8
    Bool = 9
    UInt16 = 10
    UInt32 = 11
    UInt64 = 12
    Complex64 = 13
    Complex128 = 14
    Float8E4M3FN = 15
    Float8E4M3FNUZ = 16
    Float8E5M2 = 17
    Float8E5M2FNUZ = 18
    Float8E8M0 = 19
    Float4E2M1 = 20
    Int4 = 21
    UInt4 = 22
    Int2 = 23
    UInt2 = 24


STRING = np.dtype(object)
"""The NumPy dtype of tensors of strings, whose elements are `str`; it has no row in the table."""


def strings(items: Sequence[str], shape: tuple[int, ...] | None = None) -> npt.NDArray[Any]:
    """A read-only array of texts, given in row-major order; a vector unless it has another shape."""
    array = np.empty(len(items), STRING)
    array[:] = items
    array.flags.writeable = False
    return array if shape is None else array.reshape(shape)


class DTypeRow(NamedTuple):
    """One dtype in every notation.

    `numpy` is the in-memory dtype (sub-byte types take one byte an element), `mlir` the element
    type's name in IR, `onnx` the code of `TensorProto.DataType`, `onnx_name` what stands in
    `tensor(...)`, `safetensors` the name in weight side files.
    """

    dtype: DType
    numpy: np.dtype[Any]
    mlir: str
    onnx: int
    onnx_name: str
    safetensors: str


@cache
def table() -> tuple[DTypeRow, ...]:
    """All dtypes; codes are those of onnx's `TensorProto.DataType`."""
    rows: tuple[tuple[DType, Any, str, int, str, str], ...] = (
        (DType.Float32, np.float32, "f32", 1, "float", "F32"),
        (DType.UInt8, np.uint8, "ui8", 2, "uint8", "U8"),
        (DType.Int8, np.int8, "i8", 3, "int8", "I8"),
        (DType.UInt16, np.uint16, "ui16", 4, "uint16", "U16"),
        (DType.Int16, np.int16, "i16", 5, "int16", "I16"),
        (DType.Int32, np.int32, "i32", 6, "int32", "I32"),
        (DType.Int64, np.int64, "i64", 7, "int64", "I64"),
        (DType.Bool, np.bool_, "i1", 9, "bool", "BOOL"),
        (DType.Float16, np.float16, "f16", 10, "float16", "F16"),
        (DType.Float64, np.float64, "f64", 11, "double", "F64"),
        (DType.UInt32, np.uint32, "ui32", 12, "uint32", "U32"),
        (DType.UInt64, np.uint64, "ui64", 13, "uint64", "U64"),
        (DType.Complex64, np.complex64, "complex<f32>", 14, "complex64", "C64"),
        (DType.Complex128, np.complex128, "complex<f64>", 15, "complex128", "C128"),
        (DType.BFloat16, ml_dtypes.bfloat16, "bf16", 16, "bfloat16", "BF16"),
        (DType.Float8E4M3FN, ml_dtypes.float8_e4m3fn, "f8E4M3FN", 17, "float8e4m3fn", "F8_E4M3"),
        (
            DType.Float8E4M3FNUZ,
            ml_dtypes.float8_e4m3fnuz,
            "f8E4M3FNUZ",
            18,
            "float8e4m3fnuz",
            "F8_E4M3FNUZ",
        ),
        (DType.Float8E5M2, ml_dtypes.float8_e5m2, "f8E5M2", 19, "float8e5m2", "F8_E5M2"),
        (
            DType.Float8E5M2FNUZ,
            ml_dtypes.float8_e5m2fnuz,
            "f8E5M2FNUZ",
            20,
            "float8e5m2fnuz",
            "F8_E5M2FNUZ",
        ),
        (DType.UInt4, ml_dtypes.uint4, "ui4", 21, "uint4", "U4"),
        (DType.Int4, ml_dtypes.int4, "i4", 22, "int4", "I4"),
        (DType.Float4E2M1, ml_dtypes.float4_e2m1fn, "f4E2M1FN", 23, "float4e2m1", "F4"),
        (DType.Float8E8M0, ml_dtypes.float8_e8m0fnu, "f8E8M0FNU", 24, "float8e8m0", "F8_E8M0"),
        (DType.UInt2, ml_dtypes.uint2, "ui2", 25, "uint2", "U2"),
        (DType.Int2, ml_dtypes.int2, "i2", 26, "int2", "I2"),
    )
    return tuple(DTypeRow(d, np.dtype(n), m, o, on, s) for d, n, m, o, on, s in rows)


@cache
def by_dtype() -> dict[DType, DTypeRow]:
    """Rows keyed by DType."""
    return {row.dtype: row for row in table()}


@cache
def by_numpy() -> dict[np.dtype[Any], DTypeRow]:
    """Rows keyed by NumPy dtype."""
    return {row.numpy: row for row in table()}


@cache
def by_onnx() -> dict[int, DTypeRow]:
    """Rows keyed by `TensorProto.DataType` code."""
    return {row.onnx: row for row in table()}


@cache
def by_safetensors() -> dict[str, DTypeRow]:
    """Rows keyed by the dtype name of weight side files."""
    return {row.safetensors: row for row in table()}
