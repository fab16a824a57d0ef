"""Rules for convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, inputs, onnx_op, read_attributes

_ATTRIBUTES = "auto_pad: string, dilations: ints, group: int, pads: ints, strides: ints"
_WINDOW = attribute_rows(_ATTRIBUTES)
_TRANSPOSED = attribute_rows(f"{_ATTRIBUTES}, output_padding: ints")


@onnx_op("Conv")
def conv(b: NodeBuilder) -> Sequence[SSAValue]:
    """The window's shape is that of the weights; the attribute may only repeat it."""
    operands, properties = inputs(b, "conv")
    _check_kernel(b)
    return b.emit("conv", operands, {**properties, **read_attributes(b, _WINDOW)})


@onnx_op("ConvTranspose")
def conv_transpose(b: NodeBuilder) -> Sequence[SSAValue]:
    """output_shape may also list batch and channels."""
    operands, properties = inputs(b, "conv_transpose")
    _check_kernel(b)
    weights, shape = shape_of(b.operand(1)), b.integers("output_shape")
    if shape is not None and weights is not None and len(shape) == len(weights):
        shape = shape[2:]
    given = {**properties, **read_attributes(b, _TRANSPOSED), "output_shape": shape}
    return b.emit("conv_transpose", operands, given)


def _check_kernel(b: NodeBuilder) -> None:
    kernel, weights = b.integers("kernel_shape"), shape_of(b.operand(1))
    if kernel is not None and weights is not None:
        window = weights[2:]
        agrees = len(kernel) == len(window) and all(
            known in (size, DYNAMIC) for size, known in zip(kernel, window, strict=True)
        )
        if not agrees:
            raise b.error(f"kernel_shape {list(kernel)} is not that of the weights {list(window)}")


RULES: tuple[Rule, ...] = (conv, conv_transpose)
"""The rules of this family."""
