"""Ops on images, whose operators changed a lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import DYNAMIC, from_property, shape_of
from pyflame_rt.frontends.onnx.export.nodes import Array, Input, Node, Parts, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import (
    Expansion,
    ExpansionRule,
    Rule,
    expansion,
    rule,
)
from pyflame_rt.frontends.onnx.export.schemas import Target

_MODES_BEFORE_20 = {"linear": "bilinear", "cubic": "bicubic"}
_NOTHING: Array = np.zeros(0, np.float32)


@rule("resize")
def resize(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 13 a region and scales are always inputs, until 18 they are for all axes."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    if target.opset < 18 and (axes := properties.pop("axes", None)) is not None:
        _for_all_axes(op, properties, axes)
    parts = replace(parts, properties=properties)
    if target.opset < 11:
        return [_resize_10(op, target, parts)]
    if properties["nearest_mode"] == "simple":
        properties["nearest_mode"] = _nearest_of_10(op, properties)
    if target.opset >= 13:
        return [fit(op, target, parts)]
    operands: list[Input] = list(parts.operands)
    for index, name in ((1, "roi"), (2, "scales")):
        if operands[index] is None and name not in properties:
            operands[index] = _NOTHING
    return [fit(op, target, replace(parts, operands=tuple(operands)))]


def _for_all_axes(op: Any, properties: dict[str, Any], axes: Any) -> None:
    """Parameters of some axes as those of all. Raises Refused where those are not known."""
    shape = shape_of(op.operand)
    if shape is None or not all(value is None for value in (op.roi_value, op.scales_value)):
        raise Refused("Resize has no axes before opset 18")
    where = [axis % len(shape) for axis in axes]
    if (scales := properties.get("scales")) is not None:
        properties["scales"] = _placed(np.ones(len(shape), np.float32), where, scales)
    if (sizes := properties.get("sizes")) is not None:
        rest = [size for axis, size in enumerate(shape) if axis not in where]
        if DYNAMIC in rest or op.keep_aspect_ratio_policy.data != "stretch":
            raise Refused("Resize has no axes before opset 18")
        properties["sizes"] = tuple(_placed(np.array(shape), where, sizes).tolist())
    if op.sizes_value is not None:
        raise Refused("Resize has no axes before opset 18")
    if (roi := properties.get("roi")) is not None:
        starts = _placed(np.zeros(len(shape), np.float32), where, roi[: len(where)])
        ends = _placed(np.ones(len(shape), np.float32), where, roi[len(where) :])
        properties["roi"] = np.concatenate([starts, ends])


def _placed(array: Array, where: list[int], values: Any) -> Array:
    array[where] = values
    return array


def _nearest_of_10(op: Any, properties: dict[str, Any]) -> str:
    """What rounds as opset 10 does, if all axes shrink or all grow."""
    scales = properties.get("scales")
    if properties["mode"] != "nearest" or (scales is not None and bool((scales >= 1).all())):
        return "floor"
    if scales is not None and bool((scales <= 1).all()):
        return "ceil"
    raise Refused("Resize rounds otherwise since opset 11")


def _resize_10(op: Any, target: Target, parts: Parts) -> Node:
    """Resize, and Upsample before it, as they were until opset 11."""
    properties = dict(parts.properties)
    modes = properties["coordinate_transformation_mode"], properties["nearest_mode"]
    scales: Input = op.scales_value
    if isinstance(known := properties.pop("scales", None), np.ndarray):
        scales = known
    alike = properties["mode"] != "nearest" or "simple" in modes
    if not alike and isinstance(scales, np.ndarray):
        alike = modes[1] == _nearest_of_10(op, {**properties, "scales": scales})
    if modes[0] != "asymmetric" or scales is None or not alike or op.roi_value is not None:
        raise Refused("Resize computes something else before opset 11")
    for name in ("coordinate_transformation_mode", "nearest_mode", "roi"):
        properties.pop(name, None)
    name = "Resize" if target.opset == 10 else "Upsample"
    if target.opset >= 9:
        operands, dynamic = (op.operand, scales), (None, None)
        parts = Parts(operands, dynamic, properties, parts.results, parts.defaults)
        return fit(op, target, parts, op_type=name)
    if isinstance(scales, SSAValue):
        raise Refused("Upsample cannot have scales as an input before opset 9")
    properties["scales"] = scales
    parts = Parts((op.operand,), (None,), properties, parts.results, parts.defaults)
    return fit(op, target, parts, op_type=name)


@expansion("resize")
def resize_in_two(e: Expansion, op: Any) -> Sequence[SSAValue]:
    """Nearest elements where axes shrink and grow: those that shrink by themselves, then the rest."""
    properties = {name: item for name, item in parts_of(op).properties.items() if name != "scales"}
    if properties["nearest_mode"] != "simple" or op.sizes is not None or op.sizes_value is not None:
        raise Refused("Resize rounds otherwise since opset 11")
    scales = op.scales_value
    if scales is None:
        scales = e.constant(cast(Array, from_property(op.scales)))
    value = op.operand
    for rounding, limit in (("ceil", "min"), ("floor", "max")):
        part = e.one(limit, [scales, e.scalar(1, scales)])
        properties["nearest_mode"] = rounding
        (value,) = e.emit("resize", [value, None, part, None], properties)
    return [value]


@rule("roi_align")
def roi_align(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 16 regions are not shifted by half a pixel."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    mode = properties.pop("coordinate_transformation_mode") if target.opset < 16 else None
    if mode not in (None, "output_half_pixel"):
        raise Refused("RoiAlign has no coordinate_transformation_mode before opset 16")
    return [fit(op, target, replace(parts, properties=properties))]


@rule("grid_sample")
def grid_sample(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 20 modes have the names that they have in two dimensions."""
    parts = parts_of(op)
    properties = dict(parts.properties)
    if target.opset < 20:
        if len(shape_of(op.x) or (0,) * 4) != 4:
            raise Refused("GridSample has 2 dimensions before opset 20")
        mode = str(properties["mode"])
        properties["mode"] = _MODES_BEFORE_20.get(mode, mode)
    return [fit(op, target, replace(parts, properties=properties))]


RULES: tuple[Rule, ...] = (grid_sample, resize, roi_align)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (resize_in_two,)
"""The expansions of this family."""
