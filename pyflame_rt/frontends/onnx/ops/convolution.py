"""Rules for convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import (
    Rule,
    attribute_rows,
    inputs,
    onnx_op,
    read_attributes,
    row,
)

_ATTRIBUTES = "auto_pad: string, dilations: ints, group: int, pads: ints, strides: ints"
_WINDOW = attribute_rows(_ATTRIBUTES)
_DEFORMED = attribute_rows(
    "dilations: ints, group: int, offset_group: int, pads: ints, strides: ints"
)
_TRANSPOSED = attribute_rows(f"{_ATTRIBUTES}, output_padding: ints")


@onnx_op("Conv")
def conv(b: NodeBuilder) -> Sequence[SSAValue]:
    """The window's shape is that of the weights; the attribute may only repeat it."""
    operands, properties = inputs(b, "conv")
    check_kernel(b)
    return b.emit("conv", operands, {**properties, **read_attributes(b, _WINDOW)})


@onnx_op("ConvTranspose")
def conv_transpose(b: NodeBuilder) -> Sequence[SSAValue]:
    """output_shape may also list batch and channels."""
    operands, properties = inputs(b, "conv_transpose")
    check_kernel(b)
    weights, shape = shape_of(b.operand(1)), b.integers("output_shape")
    if shape is not None and weights is not None and len(shape) == len(weights):
        shape = shape[2:]
    given = {**properties, **read_attributes(b, _TRANSPOSED), "output_shape": shape}
    return b.emit("conv_transpose", operands, given)


def check_kernel(b: NodeBuilder, weights_index: int = 1) -> None:
    """Refuse a kernel_shape that is not the weights'."""
    kernel, weights = b.integers("kernel_shape"), shape_of(b.operand(weights_index))
    if kernel is not None and weights is not None:
        window = weights[2:]
        agrees = len(kernel) == len(window) and all(
            known in (size, DYNAMIC) for size, known in zip(kernel, window, strict=True)
        )
        if not agrees:
            raise b.error(f"kernel_shape {list(kernel)} is not that of the weights {list(window)}")


@onnx_op("DeformConv", since=19)
def deform_conv(b: NodeBuilder) -> Sequence[SSAValue]:
    """The window's shape is that of the weights; the attribute may only repeat it."""
    operands, properties = inputs(b, "deform_conv")
    check_kernel(b)
    return b.emit("deform_conv", operands, {**properties, **read_attributes(b, _DEFORMED)})


RULES: tuple[Rule, ...] = (
    row("CausalConvWithState", 27, "activation: string"),
    row("Col2Im", 18, "dilations: ints, pads: ints, strides: ints"),
    conv,
    conv_transpose,
    deform_conv,
)
"""The rules of this family."""
