"""Rules for quantization, and for products of what is quantized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.ops.convolution import check_kernel
from pyflame_rt.frontends.onnx.rules import (
    Rule,
    attribute_rows,
    inputs,
    onnx_op,
    read_attributes,
    row,
)

_SCALING = attribute_rows("axis: int, block_size: int")
_WINDOW = attribute_rows("auto_pad: string, dilations: ints, group: int, pads: ints, strides: ints")


def _optional_dtype(b: NodeBuilder, name: str) -> np.dtype[Any] | None:
    """An attribute that names an element type; 0 names none."""
    return b.dtype(name) if b.integer(name, 0) else None


@onnx_op("QuantizeLinear", since=10)
def quantize_linear(b: NodeBuilder) -> Sequence[SSAValue]:
    """Each version only added to the one before it."""
    operands, properties = inputs(b, "quantize_linear")
    given = {
        **properties,
        **read_attributes(b, _SCALING),
        "saturate": b.flag("saturate"),
        "output_dtype": _optional_dtype(b, "output_dtype"),
        "precision": _optional_dtype(b, "precision"),
    }
    return b.emit("quantize_linear", operands, given)


@onnx_op("DequantizeLinear", since=10)
def dequantize_linear(b: NodeBuilder) -> Sequence[SSAValue]:
    """Each version only added to the one before it."""
    operands, properties = inputs(b, "dequantize_linear")
    given = {
        **properties,
        **read_attributes(b, _SCALING),
        "output_dtype": _optional_dtype(b, "output_dtype"),
    }
    return b.emit("dequantize_linear", operands, given)


@onnx_op("ConvInteger", since=10)
def conv_integer(b: NodeBuilder) -> Sequence[SSAValue]:
    """The window's shape is that of the weights; the attribute may only repeat it."""
    operands, properties = inputs(b, "conv_integer")
    check_kernel(b)
    return b.emit("conv_integer", operands, {**properties, **read_attributes(b, _WINDOW)})


@onnx_op("QLinearConv", since=10)
def qlinear_conv(b: NodeBuilder) -> Sequence[SSAValue]:
    """The window's shape is that of the weights; the attribute may only repeat it."""
    operands, properties = inputs(b, "qlinear_conv")
    check_kernel(b, 3)
    return b.emit("qlinear_conv", operands, {**properties, **read_attributes(b, _WINDOW)})


RULES: tuple[Rule, ...] = (
    quantize_linear,
    dequantize_linear,
    conv_integer,
    qlinear_conv,
    row("DynamicQuantizeLinear", 11),
    row("MatMulInteger", 10),
    row("QLinearMatMul", 10),
)
"""The rules of this family."""
