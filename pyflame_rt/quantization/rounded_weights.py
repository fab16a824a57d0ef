"""What the weights of quantized products stand for, whatever form the products have."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.elementwise import AddOp, MulOp
from pyflame_rt.dialects.pfrt.quantization import (
    ConvIntegerOp,
    DequantizeLinearOp,
    MatmulIntegerOp,
)
from pyflame_rt.dialects.pfrt.types import from_properties, shape_of
from pyflame_rt.kernels.quantization import dequantize_linear
from pyflame_rt.passes.quantization.products import PRODUCTS, factors

Array: TypeAlias = npt.NDArray[Any]


def real_weights(value: SSAValue) -> Array | None:
    """What a constant is, or what constant integers stand for; None if a value is neither."""
    if (array := constant_of(value)) is not None:
        return array
    op = value.owner
    if isinstance(op, DequantizeLinearOp):
        x, scale = constant_of(op.x), constant_of(op.scale)
        shift = None if op.zero_point is None else constant_of(op.zero_point)
        if x is None or scale is None:
            return None
        return dequantize_linear(x, scale, shift, **settings(op))
    if isinstance(op, PfrtOp) and op.name in ("pfrt.reshape", "pfrt.cast"):
        array, shape = real_weights(op.operands[0]), shape_of(value)
        return None if array is None or shape is None else array.reshape(shape)
    return None


def weights_behind(value: SSAValue) -> Array | None:
    """The weights of the product that a value is the result of, as reals.

    Of a dynamic product (`dynamic_products`) those of the matrix that it multiplies by; None for
    other values.
    """
    op = value.owner
    if isinstance(op, PRODUCTS):
        return real_weights(factors(op)[1])
    if isinstance(op, AddOp):
        op = op.operands[0].owner
    if not isinstance(op, MulOp) or not isinstance(op.operands[1].owner, MulOp):
        return None
    cast_, scales = op.operands[0].owner, op.operands[1].owner
    if not isinstance(cast_, PfrtOp) or cast_.name != "pfrt.cast":
        return None
    product = cast_.operands[0].owner
    match product:
        case ConvIntegerOp():
            weights, shift = product.w, product.w_zero_point
        case MatmulIntegerOp():
            weights, shift = product.b, product.b_zero_point
        case _:
            return None
    integers, factor = constant_of(weights), constant_of(scales.operands[1])
    zeros = None if shift is None else constant_of(shift)
    if integers is None or factor is None or (zeros is None and shift is not None):
        return None
    axis = 0 if isinstance(product, ConvIntegerOp) else integers.ndim - 1
    vector = factor.reshape(() if factor.size == 1 else -1)
    return dequantize_linear(integers, vector, zeros, axis=axis)


def settings(op: PfrtOp) -> dict[str, Any]:
    """The properties of an op as its kernel takes them."""
    return cast("dict[str, Any]", from_properties(op.kernel_properties()))


def sqnr(signal: float, noise: float) -> float:
    """10 log10 of a ratio of sums of squares, in dB; infinite where there is no noise."""
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(signal / noise)) if signal > 0 else float("-inf")
