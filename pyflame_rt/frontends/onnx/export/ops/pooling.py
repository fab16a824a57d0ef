"""Pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyflame_rt.dialects.pfrt.types import DYNAMIC
from pyflame_rt.frontends.onnx.export.nodes import Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule
from pyflame_rt.frontends.onnx.export.schemas import Target

_WINDOWED = {
    "average_pool": "AveragePool",
    "lp_pool": "LpPool",
    "max_pool": "MaxPool",
    "max_pool_with_indices": "MaxPool",
}


def _pool(name: str, op_type: str) -> Rule:
    """Until opset 22 a last window may start in the padding, if sizes are rounded up."""

    def nodes(op: Any, target: Target) -> Sequence[Node]:
        if target.opset < 22 and op.rounds_up and _starts_in_padding(op):
            raise Refused(f"{op_type} has windows in the padding before opset 22")
        return [fit(op, target, parts_of(op), op_type=op_type)]

    return Rule(f"pfrt.{name}", nodes)


def _starts_in_padding(op: Any) -> bool:
    """Whether a window that would start in the padding at the end is left out, as far as known."""
    shape, axes = op.data_shape, op.window_axes()
    if shape is None or axes is None or op.auto_pad.data != "NOTSET":
        return False
    for size, axis in zip(shape[2:], axes, strict=True):
        if size == DYNAMIC:
            continue
        begin, end = axis.resolved_pads(size)
        rounded_up = -(-(size + begin + end - axis.extent) // axis.stride) + 1
        if axis.output_size(size) != rounded_up:
            return True
    return False


RULES: tuple[Rule, ...] = tuple(_pool(name, op_type) for name, op_type in _WINDOWED.items())
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
