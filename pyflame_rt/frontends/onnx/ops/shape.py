"""Rules for ops that rearrange elements.

What they do was told by attributes at first, and by inputs since an opset that differs by operator.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt.base import OperandArg
from pyflame_rt.dialects.pfrt.pieces import scalar_attr
from pyflame_rt.dialects.pfrt.types import PropertyValue, dtype_of, type_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, inputs, onnx_op, row


@onnx_op("Pad", since=1)
def pad_1(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 11 pads and value are attributes; in opset 1 the pads are called paddings."""
    b.limit_inputs(1)
    name = "pads" if b.node.opset > 1 else "paddings"
    if (pads := b.integers(name)) is None:
        raise b.missing(name)
    properties = {"pads": pads, "mode": b.text("mode"), "constant_value": b.number("value")}
    return b.emit("pad", [b.operand(0), None, None, None], properties)


@onnx_op("Pad", since=11)
def pad_11(b: NodeBuilder) -> Sequence[SSAValue]:
    """A known value to fill with becomes a property, of the operand's type."""
    operands, properties = inputs(b, "pad")
    array = b.known(2)
    if array is not None and array.size == 1 and array.dtype == dtype_of(b.operand(0)):
        fill = scalar_attr(array, type_of(b.operand(0)).element_type)
        if fill is not None:
            properties["constant_value"] = fill
            operands[2] = None
    return b.emit("pad", operands, {**properties, "mode": b.text("mode")})


def _split(
    b: NodeBuilder, operands: Sequence[OperandArg], split: PropertyValue | Attribute | None
) -> Sequence[SSAValue]:
    count = len(b.node.outputs)
    if b.integer("num_outputs", count) != count:
        raise b.error(f"num_outputs is not the number of its outputs, {count}")
    equal = split is None and operands[1] is None
    properties = {
        "split": split,
        "num_outputs": count if equal else None,
        "axis": b.integer("axis"),
    }
    return b.emit("split", operands, properties, names=b.node.outputs)


@onnx_op("Split", since=2)
def split_2(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 13 the sizes are an attribute."""
    b.limit_inputs(1)
    return _split(b, [b.operand(0), None], b.integers("split"))


@onnx_op("Split", since=13)
def split_13(b: NodeBuilder) -> Sequence[SSAValue]:
    operands, properties = inputs(b, "split")
    return _split(b, operands, properties.get("split"))


RULES: tuple[Rule, ...] = (
    row("CenterCropPad", 18, "axes: ints"),
    row("Concat", 4, "axis: int!"),
    row("Expand", 8),
    row("Flatten", 1, "axis: int"),
    row("Gather", 1, "axis: int"),
    row("Identity", 1),
    pad_1,
    pad_11,
    row("Reshape", 1, "shape: ints!", most=1),
    row("Reshape", 5, "allowzero: flag"),
    row("Slice", 1, "axes: ints, ends: ints!, starts: ints!", most=1),
    row("Slice", 10),
    split_2,
    split_13,
    row("Squeeze", 1, "axes: ints", most=1),
    row("Squeeze", 13),
    row("Tile", 6),
    row("Transpose", 1, "perm: ints"),
    row("Unsqueeze", 1, "axes: ints!", most=1),
    row("Unsqueeze", 13),
)
"""The rules of this family."""
