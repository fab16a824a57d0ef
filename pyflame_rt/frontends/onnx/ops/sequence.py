"""Rules for sequences and optionals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import Rule, onnx_op, row


@onnx_op("SequenceEmpty", 11)
def sequence_empty(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(0)
    return b.emit("sequence_empty", [], {"dtype": b.dtype("dtype") or np.dtype(np.float32)})


@onnx_op("Optional", 15)
def optional(b: NodeBuilder) -> Sequence[SSAValue]:
    b.limit_inputs(1)
    held, kind = b.any_value(0), b.type_("type")
    # The type of what is there is known better than the one declared.
    return b.emit("optional", [held], {"type": kind if held is None else None})


RULES: tuple[Rule, ...] = (
    row("ConcatFromSequence", 11, "axis: int!, new_axis: flag"),
    optional,
    row("OptionalGetElement", 15),
    row("OptionalHasElement", 15),
    row("SequenceAt", 11),
    row("SequenceConstruct", 11),
    sequence_empty,
    row("SequenceErase", 11),
    row("SequenceInsert", 11),
    row("SequenceLength", 11),
    row("SplitToSequence", 11, "axis: int, keepdims: flag"),
)
"""The rules of this family."""
