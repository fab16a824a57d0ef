"""Quantization: which type results have, the zero point says where no attribute can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.constraints import can_be_one
from pyflame_rt.dialects.pfrt.types import dtype_of, static_shape_of
from pyflame_rt.frontends.onnx.export.nodes import Input, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target


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
    """The same steps with an operator each, as onnxruntime's quantizer writes them."""
    sums = x.one("matmul_integer", op.a, op.b, op.a_zero_point, op.b_zero_point)
    factor = x.one("mul", op.a_scale, op.b_scale)
    value = x.one("mul", x.cast(sums, np.dtype(np.float32)), factor)
    return [value if op.bias is None else x.one("add", value, op.bias)]


@expansion("qlinear_add")
def qlinear_add(x: Expansion, op: Any) -> Sequence[SSAValue]:
    """Dequantization, a sum, quantization."""
    terms = [
        x.one("dequantize_linear", *given)
        for given in ((op.a, op.a_scale, op.a_zero_point), (op.b, op.b_scale, op.b_zero_point))
    ]
    return [x.one("quantize_linear", x.one("add", *terms), op.y_scale, op.y_zero_point)]


_WINDOW = ("auto_pad", "dilations", "group", "layout", "pads", "strides")


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
    matmul_integer_to_float,
    qlinear_add,
    qlinear_conv_add,
    qlinear_matmul_with_bias,
)
"""The expansions of this family."""
