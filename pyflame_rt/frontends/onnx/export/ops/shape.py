"""What rearranges elements: told by attributes at first, and by inputs since some opset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, from_property, shape_of
from pyflame_rt.frontends.onnx.export.nodes import (
    AttributeValue,
    Input,
    Node,
    Refused,
    fit,
    parts_of,
)
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rank_of, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("reshape")
def reshape(op: Any, target: Target) -> Sequence[Node]:
    """What 0 means matters only where there is one."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    known = properties.get("shape")
    if isinstance(known, tuple) and 0 not in known:
        properties["allowzero"] = False
    return [fit(op, target, replace(parts, properties=properties))]


@rule("pad")
def pad(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 11 pads and value are attributes, and until 18 there are pads for each axis."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    operands: list[Input] = list(parts.operands)
    attributes: dict[str, AttributeValue] = {}
    if (value := properties.pop("constant_value", None)) is not None:
        if target.opset < 11:
            attributes["value"] = float(value)  # pyright: ignore[reportArgumentType]
        else:
            operands[2] = np.array(value, dtype_of(op.operand))
    if target.opset < 18 and "axes" in properties:
        if op.pads_value is not None:
            raise Refused("Pad has no axes before opset 18")
        rank, axes = rank_of(op.operand), from_property(op.axes)
        pads, given = np.zeros((2, rank), np.int64), np.array(properties["pads"]).reshape(2, -1)
        pads[:, [axis % rank for axis in axes]] = given  # pyright: ignore[reportGeneralTypeIssues, reportOperatorIssue, reportUnknownVariableType]
        properties["pads"] = tuple(pads.reshape(-1).tolist())
        del properties["axes"]
    parts = replace(parts, operands=tuple(operands), properties=properties)
    return [fit(op, target, parts, attributes=attributes)]


@rule("split")
def split(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 18 nothing says that parts are equal; the last one may be smaller since."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    count = properties.pop("num_outputs", None)
    attributes: dict[str, AttributeValue] = {}
    if isinstance(count, int):
        if target.opset >= 18:
            attributes["num_outputs"] = count
        elif (size := _size_along(op)) is not None and size % count:
            part = -(-size // count)
            properties["split"] = (*(part,) * (count - 1), size - part * (count - 1))
    return [fit(op, target, replace(parts, properties=properties), attributes=attributes)]


def _size_along(op: Any) -> int | None:
    shape, axis = shape_of(op.operand), cast(int, op.axis.value.data)
    size = DYNAMIC if shape is None else shape[axis]
    return None if size == DYNAMIC else size


RULES: tuple[Rule, ...] = (pad, reshape, split)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
