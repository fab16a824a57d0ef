"""Rules for pools."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, onnx_op, read_attributes, row

_WINDOW = (
    "auto_pad: string, ceil_mode: flag, dilations: ints, kernel_shape: ints!, pads: ints, "
    "strides: ints"
)
_MAX_POOL = attribute_rows(_WINDOW)


@onnx_op("MaxPool")
def max_pool(b: NodeBuilder) -> Sequence[SSAValue]:
    """A second output makes it another op, the only one that knows an order of storage."""
    b.limit_inputs(1)
    operands, properties = [b.operand(0)], read_attributes(b, _MAX_POOL)
    order = b.integer("storage_order")
    if len(b.node.outputs) > 1 and b.node.outputs[1]:
        return b.emit("max_pool_with_indices", operands, {**properties, "storage_order": order})
    return b.emit("max_pool", operands, properties)


RULES: tuple[Rule, ...] = (
    row("AveragePool", 1, f"{_WINDOW}, count_include_pad: flag"),
    row("GlobalAveragePool", 1),
    # In opset 1 p is a float.
    row("GlobalLpPool", 2, "p: int"),
    row("GlobalMaxPool", 1),
    row("LpPool", 2, f"{_WINDOW}, p: int"),
    max_pool,
    row("MaxUnpool", 9, "kernel_shape: ints!, pads: ints, strides: ints"),
)
"""The rules of this family."""
