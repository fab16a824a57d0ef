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
_REAL = "float32"


@dataclass(frozen=True)
class Scaled:
    """Integers q of 8 bits that stand for (q - zero point) * scale; both known, the scale in f32.

    `scale` and `zero_point` are vectors: of one element, or of one for each slice along `axis`.
    `op` is what converts one into the other.
    """

    op: DequantizeLinearOp | QuantizeLinearOp
    value: SSAValue
    scale: Array
    zero_point: Array

    @property
    def axis(self) -> int:
        """The axis along which there are several scales."""
        return self.op.axis.value.data

    @property
    def is_single(self) -> bool:
        """Whether one scale and one zero point are those of all elements."""
        return self.scale.size == 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """i8 or ui8."""
        return self.zero_point.dtype

    def same(self, other: Scaled) -> bool:
        """Whether equal integers stand for equal reals."""
        return (
            self.dtype == other.dtype
            and self.is_single
            and other.is_single
            and self.scale.tobytes() == other.scale.tobytes()
            and self.zero_point.tobytes() == other.zero_point.tobytes()
        )

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest integer."""
        limits = ml_dtypes.iinfo(self.dtype)
        return int(limits.min), int(limits.max)

    def quantized(self, real: float) -> int:
        """The integer that a real becomes; the scale is one element."""
        x = np.array(real, np.float32)
        y = quantize_linear(x, self.scale.reshape(()), self.zero_point.reshape(()))
        return int(y)


def dequantized(value: SSAValue) -> Scaled | None:
    """The integers of 8 bits whose reals a value is, if `pfrt.dequantize_linear` makes it in f32."""
    op = value.owner
    if not isinstance(op, DequantizeLinearOp) or dtype_of(op.result).name != _REAL:
        return None
    return _scaled(op, op.x, dtype_of(op.x))


def quantized(op: QuantizeLinearOp) -> Scaled | None:
    """The integers of 8 bits that an op makes of reals in f32."""
    if dtype_of(op.x).name != _REAL or op.precision is not None:
        return None
    return _scaled(op, op.result, dtype_of(op.result))


def _scaled(
    op: DequantizeLinearOp | QuantizeLinearOp, value: SSAValue, dtype: np.dtype[Any]
) -> Scaled | None:
    if dtype.name not in BYTES or op.block_size.value.data:
        return None
    scale = constant_of(op.scale)
    if scale is None or scale.dtype.name != _REAL or scale.ndim > 1:
        return None
    # The quotient of a product by its factor rounds back; not so next to 0 and infinity.
    if not (np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny)).all():
        return None
    zero_point: Array | None = np.zeros(scale.shape, dtype)
    if op.zero_point is not None:
        zero_point = constant_of(op.zero_point)
    if zero_point is None or zero_point.size != scale.size:
        return None
    return Scaled(op, value, scale.reshape(-1), zero_point.reshape(-1))
