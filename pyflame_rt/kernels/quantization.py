"""Quantization: reals as small numbers times a scale, and arithmetic on those.

Products of integers are exact: they are computed in floats that hold every sum, and wrap as the
int32 in which ONNX accumulates. Requantization is that of onnxruntime: the accumulator times
(scale of a * scale of b / scale of the result) in float32, rounded to even, plus the zero point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.convolution import conv
from pyflame_rt.kernels.data import cast
from pyflame_rt.kernels.epilogue import with_epilogue
from pyflame_rt.kernels.layouts import in_any_layout, of_lanes
from pyflame_rt.kernels.sizes import one_number

Array = npt.NDArray[Any]

__all__ = [
    "conv_integer",
    "conv_integer_to_float",
    "dequantize_linear",
    "dynamic_quantize_linear",
    "matmul_integer",
    "matmul_integer_to_float",
    "qlinear_add",
    "qlinear_conv",
    "qlinear_conv_add",
    "qlinear_matmul",
    "quantize_linear",
]

REALS = ("bfloat16", "float16", "float32")
INTEGERS = ("int2", "int4", "int8", "int16", "uint2", "uint4", "uint8", "uint16")
FLOATS = (
    "float4_e2m1fn",
    "float6_e2m3fn",
    "float6_e3m2fn",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
)
QUANTIZED = (*INTEGERS, *FLOATS)
"""Names of the types that stand for reals, by way of a scale."""

_LARGEST = 255
"""The largest difference of an 8-bit integer and a zero point."""


def quantize_linear(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    saturate: bool = True,
    output_dtype: np.dtype[Any] | None = None,
    precision: np.dtype[Any] | None = None,
) -> Array:
    """x / scale + zero point in a type of few bits: see `pfrt.quantize_linear`."""
    dtype = output_dtype or np.dtype(np.uint8)
    shift: Any = 0.0
    if zero_point is not None:
        dtype = zero_point.dtype
        shift = _spread(zero_point, x.shape, axis, block_size).astype(np.float32)
    if precision is None:
        precision = scale.dtype if scale.dtype.name in REALS else np.dtype(np.float64)
    divisor = _spread(scale, x.shape, axis, block_size).astype(precision)
    with np.errstate(all="ignore"):
        return _quantized(x.astype(precision) / divisor, shift, dtype, saturate)


def dequantize_linear(
    x: Array,
    scale: Array,
    zero_point: Array | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: np.dtype[Any] | None = None,
) -> Array:
    """(x - zero point) * scale, computed in float32 and rounded once."""
    shifted = x.astype(np.float64)
    if zero_point is not None:
        shifted = shifted - _spread(zero_point, x.shape, axis, block_size).astype(np.float64)
    factor = _spread(scale, x.shape, axis, block_size).astype(np.float32)
    with np.errstate(all="ignore"):
        return np.asarray(shifted.astype(np.float32) * factor).astype(output_dtype or scale.dtype)


def dynamic_quantize_linear(x: Array) -> tuple[Array, Array, Array]:
    """uint8 over the range of x and 0, with its scale and zero point; NaN has no part in it."""
    dtype = np.dtype(np.uint8)
    with np.errstate(all="ignore"):
        low, high = (
            extremum.reduce(x, axis=None, initial=np.float32(0)) for extremum in (np.fmin, np.fmax)
        )
        scale = np.asarray(np.float32(1) if low == high else (high - low) / np.float32(255))
        zero_point = _quantized(np.clip(-low / scale, 0, 255), 0.0, dtype)
        return _quantized(x / scale, zero_point.astype(np.float32), dtype), scale, zero_point


def matmul_integer(
    a: Array, b: Array, a_zero_point: Array | None = None, b_zero_point: Array | None = None
) -> Array:
    """(a - its zero point) @ (b - its zero point) in int32."""
    left, right = _matrices(a, b)
    product = _product(left, a_zero_point, right, b_zero_point)
    return _without_added(product, a.ndim, b.ndim)


@with_epilogue(7)
def matmul_integer_to_float(
    a: Array,
    b: Array,
    a_scale: Array,
    b_scale: Array,
    a_zero_point: Array | None = None,
    b_zero_point: Array | None = None,
    bias: Array | None = None,
) -> Array:
    """The product of two quantized matrices as float32: sums * (scale of a * scale of b) + bias."""
    left, right = _matrices(a, b)
    sums = _product(left, a_zero_point, right, b_zero_point).astype(np.float32)
    with np.errstate(all="ignore"):
        factor = _one(a_scale, "the scale of a") * _columns_of(right, b_scale)
        product = sums * factor
        if bias is not None:
            product += bias
    return _without_added(product, a.ndim, b.ndim)


def qlinear_matmul(
    a: Array,
    a_scale: Array,
    a_zero_point: Array,
    b: Array,
    b_scale: Array,
    b_zero_point: Array,
    y_scale: Array,
    y_zero_point: Array,
    bias: Array | None = None,
) -> Array:
    """The product of two quantized matrices, quantized; the bias is in the accumulator's scale."""
    left, right = _matrices(a, b)
    product = _product(left, a_zero_point, right, b_zero_point)
    if bias is not None:
        product = product + bias
    rows, columns = _rows_of(left, a_scale), _columns_of(right, b_scale)
    y = _requantized(product, rows, columns, y_scale, y_zero_point)
    return _without_added(y, a.ndim, b.ndim)


@in_any_layout(of_lanes)
def conv_integer(
    x: Array,
    w: Array,
    x_zero_point: Array | None = None,
    w_zero_point: Array | None = None,
    **window: Any,
) -> Array:
    """The convolution of (x - its zero point) with (w - its zero point) in int32."""
    dtype = _exact(math.prod(w.shape[1:]))
    data, weights = x.astype(dtype), w.astype(dtype)
    if x_zero_point is not None:
        data -= _one(x_zero_point, "the zero point of x")
    if w_zero_point is not None:
        weights -= _features_of(w, w_zero_point, w.ndim - 1)
    return _wrapped(conv(data, weights, **window))


@with_epilogue(7)
@in_any_layout(of_lanes)
def conv_integer_to_float(
    x: Array,
    w: Array,
    x_scale: Array,
    w_scale: Array,
    x_zero_point: Array | None = None,
    w_zero_point: Array | None = None,
    bias: Array | None = None,
    **window: Any,
) -> Array:
    """The convolution of quantized tensors as float32: sums * (scale of x * scale of w) + bias."""
    sums = conv_integer(x, w, x_zero_point, w_zero_point, **window).astype(np.float32)
    trailing = x.ndim - 2
    with np.errstate(all="ignore"):
        factor = _one(x_scale, "the scale of x") * _features_of(w, w_scale, trailing)
        y = sums * factor
        return y if bias is None else y + _features_of(w, bias, trailing)


@in_any_layout(of_lanes)
def qlinear_conv(
    x: Array,
    x_scale: Array,
    x_zero_point: Array,
    w: Array,
    w_scale: Array,
    w_zero_point: Array,
    y_scale: Array,
    y_zero_point: Array,
    bias: Array | None = None,
    **window: Any,
) -> Array:
    """The convolution of quantized tensors, quantized; the bias is in the accumulator's scale."""
    sums = conv_integer(x, w, x_zero_point, w_zero_point, **window)
    if bias is not None:
        sums = sums + _features_of(w, bias, x.ndim - 2)
    factors = _features_of(w, w_scale, x.ndim - 2)
    return _requantized(sums, _one(x_scale, "the scale of x"), factors, y_scale, y_zero_point)


def qlinear_add(
    a: Array,
    a_scale: Array,
    a_zero_point: Array,
    b: Array,
    b_scale: Array,
    b_zero_point: Array,
    y_scale: Array,
    y_zero_point: Array,
) -> Array:
    """The sum of two quantized tensors of one shape, quantized; each step is one of f32."""
    if a.shape != b.shape:
        raise ValueError(f"tensors of shapes {list(a.shape)} and {list(b.shape)}")
    left = dequantize_linear(a, _one(a_scale, "the scale of a"), a_zero_point)
    right = dequantize_linear(b, _one(b_scale, "the scale of b"), b_zero_point)
    with np.errstate(all="ignore"):
        total = left + right
    return quantize_linear(total, _one(y_scale, "the scale of the result"), y_zero_point)


def qlinear_conv_add(
    x: Array,
    x_scale: Array,
    x_zero_point: Array,
    w: Array,
    w_scale: Array,
    w_zero_point: Array,
    t_scale: Array,
    t_zero_point: Array,
    residual: Array,
    residual_scale: Array,
    residual_zero_point: Array,
    y_scale: Array,
    y_zero_point: Array,
    bias: Array | None = None,
    **window: Any,
) -> Array:
    """The sum of a convolution, quantized by the parameters of t, and a residual, quantized."""
    given = (x, x_scale, x_zero_point, w, w_scale, w_zero_point, t_scale, t_zero_point, bias)
    t = qlinear_conv(*given, **window)
    others = (residual, residual_scale, residual_zero_point, y_scale, y_zero_point)
    return qlinear_add(t, t_scale, t_zero_point, *others)


def _quantized(x: Array, shift: Any, dtype: np.dtype[Any], saturate: bool = True) -> Array:
    """x + shift: rounded before the addition and saturated after it, or cast to a narrow float."""
    if dtype.name not in INTEGERS:
        return cast(np.asarray(x.astype(np.float32) + shift), to=dtype, saturate=saturate)
    limits = ml_dtypes.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    whole = np.rint(x.astype(np.float64)) + shift
    clipped: Array = np.where(np.isnan(whole), low, np.clip(whole, low, high))
    return clipped.astype(np.int32).astype(dtype)


def _requantized(
    sums: Array, left: Array, right: Array, y_scale: Array, y_zero_point: Array
) -> Array:
    with np.errstate(all="ignore"):
        scale = _one(y_scale, "the scale of the result").astype(np.float32)
        factor = left.astype(np.float32) * right.astype(np.float32) / scale
        shift = _one(y_zero_point, "the zero point of the result").astype(np.float32)
        return _quantized(sums.astype(np.float32) * factor, shift, y_zero_point.dtype)


def _spread(parameter: Array, shape: Sequence[int], axis: int, block_size: int) -> Array:
    """A scale or zero point as it broadcasts: one for all, one a slice, or one a block."""
    if parameter.size == 1:
        return parameter.reshape(())
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis} is outside the {len(shape)} dimensions")
    axis %= len(shape)
    size = shape[axis]
    blocks = -(-size // max(block_size, 1))
    wanted = (*shape[:axis], blocks, *shape[axis + 1 :]) if block_size else (size,)
    if parameter.shape != wanted:
        raise ValueError(
            f"scales or zero points of shape {list(parameter.shape)}, not {list(wanted)}"
        )
    if not block_size:
        return parameter.reshape(-1, *(1,) * (len(shape) - axis - 1))
    spread = np.repeat(parameter, min(block_size, max(size, 1)), axis)
    return spread[(*(slice(None),) * axis, slice(size))]


def _one(parameter: Array, what: str) -> Array:
    return one_number(parameter, f"{what} has {parameter.size} elements, not one")


def _features_of(w: Array, parameter: Array, trailing: int) -> Array:
    """One element for all features or one for each, before `trailing` dimensions."""
    if parameter.size == 1:
        return parameter.reshape(())
    if parameter.shape != w.shape[:1]:
        raise ValueError(f"{list(parameter.shape)} parameters for {w.shape[0]} features")
    return parameter.reshape(-1, *(1,) * trailing)


def _rows_of(a: Array, parameter: Array) -> Array:
    """One element for the matrices, or one a row: a vector of rows, or a matrix of one column."""
    return _fitting(parameter[:, None] if parameter.ndim == 1 else parameter, (*a.shape[:-1], 1))


def _columns_of(b: Array, parameter: Array) -> Array:
    """One element for the matrices, or one a column."""
    return _fitting(parameter, (*b.shape[:-2], 1, b.shape[-1]))


def _fitting(parameter: Array, shape: tuple[int, ...]) -> Array:
    if parameter.size == 1:
        return parameter.reshape(())
    lead = len(shape) - parameter.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(parameter.shape, shape[lead:], strict=True)):
        raise ValueError(
            f"scales or zero points of shape {list(parameter.shape)} do not fit {list(shape)}"
        )
    return parameter


def _matrices(a: Array, b: Array) -> tuple[Array, Array]:
    """Vectors as a row and a column."""
    return a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b


def _without_added(product: Array, left: int, right: int) -> Array:
    """A product without the row or column of size 1 of an operand that is a vector."""
    if left == 1:
        product = product[..., 0, :]
    return product[..., 0] if right == 1 else product


def _product(a: Array, a_zero_point: Array | None, b: Array, b_zero_point: Array | None) -> Array:
    """int32 for integers, float32 for narrow floats."""
    are_floats = a.dtype.name in FLOATS or b.dtype.name in FLOATS
    dtype = np.dtype(np.float32) if are_floats else _exact(a.shape[-1])
    left, right = a.astype(dtype), b.astype(dtype)
    if a_zero_point is not None:
        left -= _rows_of(a, a_zero_point).astype(dtype)
    if b_zero_point is not None:
        right -= _columns_of(b, b_zero_point).astype(dtype)
    product = np.matmul(left, right)
    return product if are_floats else _wrapped(product)


def _exact(depth: int) -> np.dtype[Any]:
    """The narrowest float that holds a sum of so many products."""
    return np.dtype(np.float32 if depth * _LARGEST**2 <= 2**24 else np.float64)


def _wrapped(sums: Array) -> Array:
    return sums.astype(np.int64).astype(np.int32)


def parameters_of_range(
    low: Array, high: Array, dtype: np.dtype[Any], *, symmetric: bool
) -> tuple[Array, Array]:
    """The scales (float32) and zero points by which integers cover [low, high], 0 included.

    Asymmetric: scale = (high - low) / (greatest - least), zero point = round(least - low / scale).
    Symmetric: scale = max(|low|, |high|) / (half of the integers), zero point in the middle, so that
    a signed type does without its least integer. As onnxruntime's quantizer has it
    (`compute_scale_zp`), and with a scale of 1 where the range is nothing but 0.
    """
    limits = ml_dtypes.iinfo(dtype)
    least, greatest = int(limits.min), int(limits.max)
    below = np.minimum(np.asarray(low, np.float64), 0.0)
    above = np.maximum(np.asarray(high, np.float64), 0.0)
    half = (greatest - least) // 2
    scale = np.maximum(-below, above) / half if symmetric else (above - below) / (greatest - least)
    # Below the least normal number division would not undo multiplication.
    narrow = scale.astype(np.float32)
    narrow = np.where(narrow < np.finfo(np.float32).tiny, np.float32(1), narrow).astype(np.float32)
    if symmetric:
        shift = np.full(narrow.shape, greatest - half if least == 0 else 0)
    else:
        shift = np.clip(np.rint(least - below / narrow), least, greatest)
    return narrow, shift.astype(np.int64).astype(dtype)
