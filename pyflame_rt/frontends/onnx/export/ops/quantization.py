"""Quantization: which type results have, the zero point says where no attribute can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.constraints import can_be_one
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of, static_shape_of
from pyflame_rt.frontends.onnx.export.nodes import Input, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target

_WITH_AXES = 13
"""The operator set from which on tensors may have several scales."""


@rule("quantize_linear")
def quantize_linear(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 21 a zero point says the type."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    operands: list[Input] = list(parts.operands)
    if target.opset < 21 and "output_dtype" in properties:
        del properties["output_dtype"]
        if operands[2] is None and dtype_of(op.result) != np.uint8:
            shape = static_shape_of(op.scale)
            if shape is None:
                raise Refused("QuantizeLinear has no output_dtype before opset 21")
            operands[2] = np.zeros(shape, dtype_of(op.result))
    return [fit(op, target, replace(parts, operands=tuple(operands), properties=properties))]


@rule("dequantize_linear")
def dequantize_linear(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 23 results have the type of the scale."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    if target.opset < 23 and dtype_of(op.result) == dtype_of(op.scale):
        properties.pop("output_dtype", None)
    return [fit(op, target, replace(parts, properties=properties))]


@rule("qlinear_matmul")
def qlinear_matmul(op: Any, target: Target) -> Sequence[Node]:
    """ONNX's operator has no bias."""
    if op.bias is not None:
        raise Refused("QLinearMatMul has no bias")
    parts = parts_of(op)
    return [fit(op, target, replace(parts, operands=parts.operands[:8], dynamic=parts.dynamic[:8]))]


@expansion("qlinear_matmul")
def qlinear_matmul_with_bias(x: Expansion, op: Any) -> Sequence[SSAValue]:
    """The same steps with an operator each: sums, bias, factor, rounding."""
    if op.bias is None:
        raise Refused("the operator set has no QLinearMatMul for these types")
    if not can_be_one(op.a_scale):
        raise Refused("scales of rows and a bias have no operator")
    sums = x.one("matmul_integer", op.a, op.b, op.a_zero_point, op.b_zero_point)
    real = x.cast(x.one("add", sums, op.bias), np.dtype(np.float32))
    factor = x.one("div", x.one("mul", op.a_scale, op.b_scale), op.y_scale)
    one = x.constant(np.array(1, np.float32))
    return [x.one("quantize_linear", x.one("mul", real, factor), one, op.y_zero_point)]


@expansion("matmul_integer_to_float")
def matmul_integer_to_float(x: Expansion, op: Any) -> Sequence[SSAValue]:
    """The same steps with an operator each, as onnxruntime's quantizer writes them: dequantized factors
    where the scale of data is known, sums of integers where it is measured."""
    factors = _dequantized_factors(x, op)
    if factors is not None:
        value = x.one("matmul", *factors)
        return [value if op.bias is None else x.one("add", value, op.bias)]
    sums = x.one("matmul_integer", op.a, op.b, op.a_zero_point, op.b_zero_point)
    factor = x.one("mul", op.a_scale, op.b_scale)
    value = x.one("mul", x.cast(sums, np.dtype(np.float32)), factor)
    return [value if op.bias is None else x.one("add", value, op.bias)]


def _dequantized_factors(x: Expansion, op: Any) -> tuple[SSAValue, SSAValue] | None:
    """Both matrices as reals; None where the scale of a is measured, or ONNX's operator has no such."""
    scales = (op.a_scale, op.b_scale)
    if constant_of(op.a_scale) is None or any(len(shape_of(v) or ()) > 1 for v in scales):
        return None
    left, right = (
        _paired(x, op.a_scale, _shift_of(x, op.a, op.a_zero_point)),
        _paired(x, op.b_scale, op.b_zero_point),
    )
    if left is None or right is None or x.target.opset < _WITH_AXES:
        return None
    axis = len(shape_of(op.b) or ()) - 1
    return (
        x.one("dequantize_linear", op.a, *left),
        x.one("dequantize_linear", op.b, *right, axis=max(axis, 0)),
    )


@expansion("qlinear_add")
def qlinear_add(x: Expansion, op: Any) -> Sequence[SSAValue]:
    """Dequantization, a sum, quantization."""
    terms = [
        x.one("dequantize_linear", *given)
        for given in ((op.a, op.a_scale, op.a_zero_point), (op.b, op.b_scale, op.b_zero_point))
    ]
    return [x.one("quantize_linear", x.one("add", *terms), op.y_scale, op.y_zero_point)]


_WINDOW = ("auto_pad", "dilations", "group", "layout", "pads", "strides")


@expansion("conv_integer_to_float")
def conv_integer_to_float(x: Expansion, op: Any) -> Sequence[SSAValue]:
    """Of data measured in a run the steps that onnxruntime's quantizer writes; else a convolution of
    dequantized tensors."""
    window = {name: attr for name, attr in op.properties.items() if name in _WINDOW}
    given, parameters = None, _paired(x, op.w_scale, op.w_zero_point)
    if constant_of(op.x_scale) is not None:
        given = _paired(x, op.x_scale, _shift_of(x, op.x, op.x_zero_point))
    if given is not None and parameters is not None:
        data = x.one("dequantize_linear", op.x, *given)
        weights = x.one("dequantize_linear", op.w, *parameters, axis=0)
        return [x.one("conv", data, weights, op.bias, **window)]
    sums = x.one("conv_integer", op.x, op.w, op.x_zero_point, op.w_zero_point, **window)
    rank = len(shape_of(op.w) or ())
    scale, bias = (_each_feature(x, value, rank) for value in (op.w_scale, op.bias))
    value = x.one("mul", x.cast(sums, np.dtype(np.float32)), x.one("mul", op.x_scale, scale))
    return [value if bias is None else x.one("add", value, bias)]


def _shift_of(x: Expansion, data: SSAValue, zero_point: SSAValue | None) -> SSAValue:
    """The zero point of data, 0 too: where it goes without saying, onnxruntime, which makes ui8 of i8,
    quantizes again with 0 for both."""
    return x.scalar(0, data) if zero_point is None else zero_point


def _paired(
    x: Expansion, scale: SSAValue, zero_point: SSAValue | None
) -> tuple[SSAValue, SSAValue | None] | None:
    """A scale and a zero point of one shape; None where they are not, and no constants either."""
    if zero_point is None or shape_of(scale) == shape_of(zero_point):
        return scale, zero_point
    arrays = [constant_of(value) for value in (scale, zero_point)]
    known = [array.reshape(-1) for array in arrays if array is not None]
    if len(known) < 2:
        return None
    first, second = np.broadcast_arrays(*known)
    return x.constant(np.ascontiguousarray(first)), x.constant(np.ascontiguousarray(second))


def _each_feature(x: Expansion, value: SSAValue | None, rank: int) -> SSAValue | None:
    """A vector of one element a feature as it broadcasts to N x C x spatial."""
    if value is None or can_be_one(value):
        return value
    return x.one("reshape", value, None, shape=(-1, *(1,) * (rank - 2)))


@expansion("qlinear_conv_add")
def qlinear_conv_add(x: Expansion, op: Any) -> Sequence[SSAValue]:
    """The convolution, and the sum."""
    window = {name: attr for name, attr in op.properties.items() if name in _WINDOW}
    t = (op.t_scale, op.t_zero_point)
    made = x.one("qlinear_conv", *op.operands[:6], *t, op.bias, **window)
    others = (op.r, op.r_scale, op.r_zero_point, op.y_scale, op.y_zero_point)
    return [x.one("qlinear_add", made, *t, *others)]


RULES: tuple[Rule, ...] = (dequantize_linear, qlinear_matmul, quantize_linear)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (
    conv_integer_to_float,
    matmul_integer_to_float,
    qlinear_add,
    qlinear_conv_add,
    qlinear_matmul_with_bias,
)
"""The expansions of this family."""
