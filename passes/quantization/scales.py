"""What passes ask of values that are quantized: by which scale, whether by the same, in which range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.quantization import DequantizeLinearOp, QuantizeLinearOp
from pyflame_rt.dialects.pfrt.types import dtype_of
from pyflame_rt.kernels.quantization import quantize_linear

Array = npt.NDArray[Any]

BYTES = ("int8", "uint8")

WINDOW = ("auto_pad", "dilations", "group", "pads", "strides")
"""What convolutions of integers have of those of reals."""

MOVEMENTS = frozenset(
    f"pfrt.{name}"
    for name in (
        "concat", "depth_to_space", "expand", "flatten", "gather", "identity", "max_pool", "reduce_max",
        "reduce_min", "reshape", "slice", "space_to_depth", "squeeze", "tile", "transpose", "unsqueeze",
    )
)  # fmt: skip
"""Ops whose results' elements are elements of what they move, which are compared at the most.

`pfrt.concat` moves all its operands, the others their first.
"""

_REAL = "float32"


@dataclass(frozen=True)
class Scale:
    """What integers q of 8 bits stand for: (q - zero point) * scale.

    Both are vectors, of one element or of one for each slice along an axis; scales are f32.
    """

    scale: Array
    zero_point: Array

    @property
    def is_single(self) -> bool:
        """Whether one scale and one zero point are those of all elements."""
        return self.scale.size == 1

    @property
    def has_one_zero_point(self) -> bool:
        """Whether there are several zero points, and all are the same."""
        return self.zero_point.size > 1 and bool((self.zero_point == self.zero_point[0]).all())

    @property
    def dtype(self) -> np.dtype[Any]:
        """i8 or ui8."""
        return self.zero_point.dtype

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest integer."""
        limits = ml_dtypes.iinfo(self.dtype)
        return int(limits.min), int(limits.max)

    @property
    def centered(self) -> tuple[int, int]:
        """The limits less the zero point; there is one."""
        low, high = self.limits
        return low - int(self.zero_point[0]), high - int(self.zero_point[0])

    def same(self, other: Scale) -> bool:
        """Whether equal integers stand for equal reals."""
        return (
            self.dtype == other.dtype
            and self.is_single
            and other.is_single
            and self.scale.tobytes() == other.scale.tobytes()
            and self.zero_point.tobytes() == other.zero_point.tobytes()
        )

    def quantized(self, real: float) -> int:
        """The integer that a real becomes; there is one scale."""
        x = np.array(real, np.float32)
        return int(quantize_linear(x, self.scale.reshape(()), self.zero_point.reshape(())))


@dataclass(frozen=True)
class Scaled(Scale):
    """Integers with their scale, and the op that makes reals of them, or them of reals.

    Several scales are along `axis`.
    """

    value: SSAValue
    op: DequantizeLinearOp | QuantizeLinearOp

    @property
    def axis(self) -> int:
        """The axis along which there are several scales."""
        return self.op.axis.value.data


def scale_of(scale: SSAValue, zero_point: SSAValue | None, dtype: np.dtype[Any]) -> Scale | None:
    """Constants as a scale of such integers; None if they are none, or division would not undo it."""
    factor = constant_of(scale)
    if dtype.name not in BYTES or factor is None or factor.dtype.name != _REAL or factor.ndim > 1:
        return None
    # A product divided by its factor rounds back; not so next to 0 and infinity.
    if not (np.isfinite(factor) & (factor >= np.finfo(np.float32).tiny)).all():
        return None
    shift = np.zeros(factor.shape, dtype) if zero_point is None else constant_of(zero_point)
    if shift is None or shift.size not in (1, factor.size):
        return None
    # One zero point is that of all scales.
    return Scale(factor.reshape(-1), np.broadcast_to(shift.reshape(-1), (factor.size,)))


def dequantized(value: SSAValue) -> Scaled | None:
    """The integers of 8 bits whose reals, in f32, a value is, if an op makes it of such."""
    op = value.owner
    return scaled(op) if isinstance(op, DequantizeLinearOp) else None


def scaled(op: DequantizeLinearOp | QuantizeLinearOp) -> Scaled | None:
    """The integers of 8 bits that an op makes of reals in f32, or reals of."""
    value, real = (op.x, op.result) if isinstance(op, DequantizeLinearOp) else (op.result, op.x)
    if dtype_of(real).name != _REAL or op.block_size.value.data:
        return None
    if isinstance(op, QuantizeLinearOp) and op.precision is not None:
        return None
    found = scale_of(op.scale, op.zero_point, dtype_of(value))
    return None if found is None else Scaled(found.scale, found.zero_point, value, op)
