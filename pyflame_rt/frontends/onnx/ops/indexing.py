"""Rules for operators that pick, write or find elements by their indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from xdsl.ir import Attribute, SSAValue

from pyflame_rt.dialects.pfrt import operations
from pyflame_rt.dialects.pfrt.base import OperandArg, PfrtOp
from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.dialects.pfrt.types import PropertyValue, dtype_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, attribute_rows, onnx_op, read_attributes, row


def _number(
    b: NodeBuilder, name: str, at: int, parameter: str
) -> tuple[OperandArg, dict[str, PropertyValue | Attribute | None]]:
    """Input `at`, one number: a property of `pfrt.<name>` when it is known, else an operand."""
    kind = cast("type[PfrtOp]", operations()[f"pfrt.{name}"])
    array = b.known(at)
    known = None if array is None else kind.constant_property(parameter, array)
    return (b.optional(at) if known is None else None), {parameter: known}


def _numbered(op_type: str, since: int, parameter: str, attributes: str) -> Rule:
    """A row whose second input, the last, is one number."""
    rows = attribute_rows(attributes)
    name = op_name_of(op_type).removeprefix("pfrt.")

    def build(b: NodeBuilder) -> Sequence[SSAValue]:
        b.limit_inputs(2)
        value, known = _number(b, name, 1, parameter)
        return b.emit(name, [b.operand(0), value], {**read_attributes(b, rows), **known})

    return Rule(op_type, since, build)


def _one_hot(b: NodeBuilder, indices: SSAValue) -> Sequence[SSAValue]:
    b.limit_inputs(3)
    depth, known = _number(b, "one_hot", 1, "depth")
    properties = {**known, "axis": b.integer("axis")}
    return b.emit("one_hot", [indices, depth, b.operand(2)], properties)


@onnx_op("OneHot", since=9)
def one_hot_9(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 11 negative indices have no place."""
    indices = b.operand(0)
    if dtype_of(indices).kind == "u":
        return _one_hot(b, indices)
    (wide,) = b.emit("cast", [indices], {"to": np.dtype(np.int64)})
    (negative,) = b.emit("less", [wide, b.constant(np.array(0, np.int64))])
    nowhere = b.constant(np.array(np.iinfo(np.int64).min))
    return _one_hot(b, b.emit("where", [negative, nowhere, wide])[0])


@onnx_op("OneHot", since=11)
def one_hot_11(b: NodeBuilder) -> Sequence[SSAValue]:
    return _one_hot(b, b.operand(0))


@onnx_op("Scatter", since=9)
def scatter_9(b: NodeBuilder) -> Sequence[SSAValue]:
    """The former name of ScatterElements."""
    b.limit_inputs(3)
    operands = [b.operand(index) for index in range(3)]
    return b.emit("scatter_elements", operands, {"axis": b.integer("axis")})


RULES: tuple[Rule, ...] = (
    row("Compress", 9, "axis: int"),
    _numbered("CumProd", 26, "axis", "exclusive: flag, reverse: flag"),
    _numbered("CumSum", 11, "axis", "exclusive: flag, reverse: flag"),
    row("EyeLike", 9, "dtype: dtype, k: int"),
    row("GatherElements", 11, "axis: int"),
    row("GatherND", 11),
    row("GatherND", 12, "batch_dims: int"),
    row("NonZero", 9),
    one_hot_9,
    one_hot_11,
    row("ReverseSequence", 10, "batch_axis: int, time_axis: int"),
    scatter_9,
    Rule("Scatter", 11, why="ScatterElements took its place in opset 11"),
    row("ScatterElements", 11, "axis: int"),
    row("ScatterElements", 16, "axis: int, reduction: string"),
    row("ScatterND", 11),
    row("ScatterND", 16, "reduction: string"),
    row("TensorScatter", 24, "axis: int, mode: string"),
    row("TopK", 1, "axis: int, k: int!", most=1),
    _numbered("TopK", 10, "k", "axis: int"),
    _numbered("TopK", 11, "k", "axis: int, largest: flag, sorted: flag"),
    _numbered("Trilu", 14, "k", "upper: flag"),
    row("Unique", 11, "axis: int, sorted: flag"),
)
"""The rules of this family."""
