"""Products of integers of 8 bits, computed exactly in f32."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias, cast

from xdsl.dialects.builtin import MemRefType, f32, i32
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.integer_products import (
    ConvIntegerOp,
    MatmulIntegerOp,
    QlinearConvOp,
    QlinearMatmulOp,
    QuantizedConvOp,
)
from pyflame_rt.dialects.pfrt.integer_sums import QlinearConvAddOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp
from pyflame_rt.dialects.pfrt.pooling import MaxPoolOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.dialects.plan.algorithms.base import Algorithm, Buffers, arithmetic

_Convolution: TypeAlias = ConvIntegerOp | ConvIntegerToFloatOp | QlinearConvAddOp | QlinearConvOp

_BYTES = ("int8", "uint8")


def _size(value: SSAValue | None) -> int:
    return 1 if value is None else math.prod(shape_of(value) or ())


def _holds_bytes(*values: SSAValue) -> bool:
    return all(dtype_of(value).name in _BYTES for value in values)


def _known(weights: SSAValue, zero_point: SSAValue | None) -> bool:
    """Whether weights and their zero point are constants."""
    return constant_of(weights) is not None and (
        zero_point is None or constant_of(zero_point) is not None
    )


def _matmul(op: PfrtOp) -> bool:
    """Whether b is a constant matrix, and a has one scale and zero point."""
    op = cast("MatmulIntegerOp | QlinearMatmulOp", op)
    single: Sequence[SSAValue | None] = (op.a_zero_point,)
    if isinstance(op, QlinearMatmulOp):
        single = (op.a_scale, op.a_zero_point, op.y_scale, op.y_zero_point)
        if not _holds_bytes(op.result) or _size(op.b_scale) not in (
            1,
            (shape_of(op.b) or (0,))[-1],
        ):
            return False
    is_matrix = len(shape_of(op.b) or ()) == 2 and len(shape_of(op.a) or ()) > 1
    return (
        is_matrix
        and _holds_bytes(op.a, op.b)
        and _known(op.b, op.b_zero_point)
        and all(_size(value) == 1 for value in single)
    )


def _conv(op: PfrtOp) -> bool:
    op = cast("ConvIntegerOp | QlinearConvOp", op)
    return op.data_layout == "nchw" and _is_known_conv(op)


def _conv_channels_last(op: PfrtOp) -> bool:
    """Whether machine code may convolve it, which has no form for other layouts."""
    op = cast(_Convolution, op)
    return op.data_layout == "nhwc" and _is_known_conv(op)


def _is_known_conv(op: _Convolution) -> bool:
    return _holds_bytes(op.x, op.w) and _known(op.w, op.w_zero_point)


def _max_pool(op: PfrtOp) -> bool:
    op = cast(MaxPoolOp, op)
    return op.data_layout == "nhwc" and _holds_bytes(op.operand)


def _conv_scratch(op: PfrtOp) -> Buffers:
    """Of one image: x as f32 and padded, columns, a sum as f32 and as i32."""
    op = cast(QuantizedConvOp, op)
    _, channels, *sizes = op.data_shape or (0, 0)
    features = (shape_of(op.w) or (0,))[0]
    outputs, axes = op.output_sizes() or (), op.window_axes() or ()
    padded = [
        max(begin + size, (count - 1) * axis.stride + axis.extent)
        for axis, size, count in zip(axes, sizes, outputs, strict=True)
        for begin in (axis.resolved_pads(size)[0],)
    ]
    sums = (features, *outputs)
    return (
        MemRefType(f32, (channels, *padded)),
        MemRefType(f32, (channels, *(op.window or ()), *outputs)),
        MemRefType(f32, sums),
        MemRefType(i32, sums),
    )


QUANTIZED: tuple[Algorithm, ...] = (
    Algorithm("matmul_integer", "pfrt.matmul_integer", late=True, applies=_matmul, cost=arithmetic),
    Algorithm("qlinear_matmul", "pfrt.qlinear_matmul", late=True, applies=_matmul, cost=arithmetic),
    Algorithm(
        "conv_integer", "pfrt.conv_integer", late=False, applies=_conv, scratch=_conv_scratch,
        cost=arithmetic,
    ),
    Algorithm(
        "qlinear_conv", "pfrt.qlinear_conv", late=False, applies=_conv, scratch=_conv_scratch,
        cost=arithmetic,
    ),
    *(
        Algorithm(
            f"{name}_nhwc", f"pfrt.{name}", late=False, applies=_conv_channels_last, cost=arithmetic
        )
        for name in ("conv_integer", "conv_integer_to_float", "qlinear_conv", "qlinear_conv_add")
    ),
    Algorithm(
        "max_pool_bytes_nhwc", "pfrt.max_pool", late=False, applies=_max_pool, cost=arithmetic
    ),
)  # fmt: skip
"""The algorithms of this family."""
