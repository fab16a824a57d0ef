"""Rules for convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, inputs, onnx_op, read_attributes

_WINDOW = attribute_rows("auto_pad: string, dilations: ints, group: int, pads: ints, strides: ints")


@onnx_op("Conv")
def conv(b: NodeBuilder) -> Sequence[SSAValue]:
    """The window's shape is that of the weights; the attribute may only repeat it."""
    operands, properties = inputs(b, "conv")
    kernel, weights = b.integers("kernel_shape"), shape_of(b.operand(1))
    if kernel is not None and weights is not None:
        window = weights[2:]
        agrees = len(kernel) == len(window) and all(
            known in (size, DYNAMIC) for size, known in zip(kernel, window, strict=True)
        )
        if not agrees:
            raise b.error(f"kernel_shape {list(kernel)} is not that of the weights {list(window)}")
    return b.emit("conv", operands, {**properties, **read_attributes(b, _WINDOW)})


RULES: tuple[Rule, ...] = (conv,)
"""The rules of this family."""
