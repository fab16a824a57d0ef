"""What rules take and return: tensors, sizes, and plain Python values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt import types
from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.dtypes import DType, table
from pyflame_rt.frontends.torch.aten.sizes import Int, Size

Dtype: TypeAlias = np.dtype[Any]


@dataclass(frozen=True)
class TensorValue:
    """A tensor.

    `wrapped` marks a Python number that is known only at run time: it has no dimensions, and its
    type gives way to those of tensors.
    """

    ssa: SSAValue
    wrapped: bool = False

    @property
    def dtype(self) -> Dtype:
        """The NumPy dtype of the elements."""
        return types.dtype_of(self.ssa)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The dimensions, `DYNAMIC` for those known at run time; None when the rank is not known."""
        return types.shape_of(self.ssa)

    @property
    def rank(self) -> int | None:
        """The number of dimensions; None when it is not known."""
        shape = self.shape
        return None if shape is None else len(shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is known."""
        shape = self.shape
        return shape is not None and DYNAMIC not in shape


Value: TypeAlias = TensorValue
Values: TypeAlias = Sequence[Value]
Indices: TypeAlias = Sequence[Value | None]
Ints: TypeAlias = Sequence[Int]
Floats: TypeAlias = Sequence[float]
Bools: TypeAlias = Sequence[bool]
Scalar: TypeAlias = bool | int | float | complex | Size | TensorValue
Scalars: TypeAlias = Sequence[Scalar]
Argument: TypeAlias = Any
"""Whatever a parameter of an operator can be given: see `rules.KINDS`."""

_CODES: tuple[DType | None, ...] = (
    DType.UInt8,
    DType.Int8,
    DType.Int16,
    DType.Int32,
    DType.Int64,
    DType.Float16,
    DType.Float32,
    DType.Float64,
    None,
    DType.Complex64,
    DType.Complex128,
    DType.Bool,
    None,
    None,
    None,
    DType.BFloat16,
)
"""torch's `ScalarType` codes of the types that tensors have here; 8 is a complex of halves, 12 to
14 are quantized."""

_LATER_CODES = {
    23: DType.Float8E5M2,
    24: DType.Float8E4M3FN,
    25: DType.Float8E5M2FNUZ,
    26: DType.Float8E4M3FNUZ,
    27: DType.UInt16,
    28: DType.UInt32,
    29: DType.UInt64,
    44: DType.Float8E8M0,
}
QUANTIZED = {12: DType.Int8, 13: DType.UInt8, 14: DType.Int32}
"""torch's codes of quantized types, and the type of their elements."""


def dtype_of_code(code: int) -> DType | None:
    """The element type of a `ScalarType` code of torch's; None when there is none."""
    if 0 <= code < len(_CODES):
        return _CODES[code]
    return _LATER_CODES.get(code)


def code_of_dtype(dtype: Dtype | DType) -> int | None:
    """torch's `ScalarType` code of an element type."""
    wanted = dtype if isinstance(dtype, DType) else dtype_named(dtype)
    if wanted in _CODES:
        return _CODES.index(wanted)
    return next((code for code, known in _LATER_CODES.items() if known == wanted), None)


def dtype_named(dtype: Dtype) -> DType:
    """Our name of a NumPy dtype."""
    return next(row.dtype for row in table() if row.numpy == dtype)


def numpy_of(dtype: DType) -> Dtype:
    """The NumPy dtype of an element type."""
    return next(row.numpy for row in table() if row.dtype == dtype)
