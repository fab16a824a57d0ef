"""Rules for operators before opset 7, when broadcasting was an attribute of a few of them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, inputs, onnx_op, read_attributes

_BINARY = ("Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor")
_GEMM = attribute_rows("alpha: float, beta: float, transA: flag, transB: flag")


def _aligned(b: NodeBuilder, lhs: SSAValue, rhs: SSAValue, axis: int) -> SSAValue:
    """The right operand with dimensions of 1 appended, so that it starts at `axis` of the left."""
    left, right = shape_of(lhs), shape_of(rhs)
    if left is None or right is None:
        raise b.unsupported("broadcasting along an axis needs operands of known rank")
    missing = len(left) - axis - len(right)
    if axis < 0 or missing < 0:
        raise b.error(f"{rhs.type} does not broadcast to {lhs.type} from axis {axis}")
    if missing == 0:
        return rhs
    axes = tuple(range(len(right), len(right) + missing))
    return b.emit("unsqueeze", [rhs, None], {"axes": axes})[0]


def _binary(op_type: str) -> Rule:
    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        b.limit_inputs(2)
        lhs, rhs, axis = b.operand(0), b.operand(1), b.integer("axis")
        # Without an axis the dimensions match from the last on, as in later opsets.
        if b.flag("broadcast", False) and axis is not None:
            rhs = _aligned(b, lhs, rhs, axis)
        return b.emit(op_name_of(op_type).removeprefix("pfrt."), [lhs, rhs])

    return Rule(op_type, 1, build)


@onnx_op("Gemm")
def gemm(b: NodeBuilder) -> Sequence[SSAValue]:
    """What the attribute allowed is always allowed since."""
    b.flag("broadcast")
    operands, properties = inputs(b, "gemm")
    return b.emit("gemm", operands, {**properties, **read_attributes(b, _GEMM)})


@onnx_op("PRelu")
def prelu(b: NodeBuilder) -> Sequence[SSAValue]:
    """A slope that is a vector has an element a channel."""
    b.limit_inputs(2)
    operand, slope = b.operand(0), b.operand(1)
    shape = shape_of(slope)
    if shape is not None and len(shape) == 1 and shape != (1,):
        slope = _aligned(b, operand, slope, 1)
    return b.emit("prelu", [operand, slope])


RULES: tuple[Rule, ...] = (*map(_binary, _BINARY), gemm, prelu)
"""The rules of this family."""
