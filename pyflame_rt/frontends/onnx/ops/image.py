"""Rules for ops on images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.types import PropertyValue, shape_of
from pyflame_rt.frontends.onnx.builder import NodeBuilder
from pyflame_rt.frontends.onnx.rules import (
    Rule,
    attribute_rows,
    inputs,
    onnx_op,
    read_attributes,
    row,
)

_RESIZE = attribute_rows(
    "antialias: flag, axes: ints, coordinate_transformation_mode: string, cubic_coeff_a: float, "
    "exclude_outside: flag, extrapolation_value: float, keep_aspect_ratio_policy: string, "
    "mode: string, nearest_mode: string"
)
_ROI_ALIGN = attribute_rows(
    "mode: string, output_height: int, output_width: int, sampling_ratio: int, spatial_scale: float"
)
_GRID_SAMPLE = attribute_rows("padding_mode: string, align_corners: flag")


def _floats(b: NodeBuilder, index: int) -> tuple[SSAValue | None, PropertyValue | None]:
    """An input as an operand, or as a property if it is known; an empty one is absent."""
    if not b.has_input(index):
        return None, None
    array = b.known(index)
    if array is None:
        value = b.operand(index)
        return (None if shape_of(value) == (0,) else value), None
    return None, (array.astype(np.float32).reshape(-1) if array.size else None)


@onnx_op("Resize", since=11)
def resize_11(b: NodeBuilder) -> Sequence[SSAValue]:
    """What is not used, or is given as an empty tensor, is absent."""
    b.limit_inputs(4)
    properties = read_attributes(b, _RESIZE)
    roi_value, roi = _floats(b, 1)
    if properties["coordinate_transformation_mode"] != "tf_crop_and_resize":
        roi_value, roi = None, None
    scales_value, scales = _floats(b, 2)
    known = b.known(3)
    absent = not b.has_input(3) or (known is not None and known.size == 0)
    sizes = None if absent or known is None else tuple(int(size) for size in known.reshape(-1))
    sizes_value = None if absent or known is not None else b.operand(3)
    return b.emit(
        "resize",
        [b.operand(0), roi_value, scales_value, sizes_value],
        {**properties, "roi": roi, "scales": scales, "sizes": sizes},
    )


def _resize_10(
    b: NodeBuilder, scales_value: SSAValue | None, scales: PropertyValue | None
) -> Sequence[SSAValue]:
    """Until opset 11 coordinates are asymmetric, and "nearest" depends on what happens to an axis."""
    nearest = "simple"
    if isinstance(scales, np.ndarray) and (scales >= 1).all():
        nearest = "floor"
    elif isinstance(scales, np.ndarray) and (scales <= 1).all():
        nearest = "ceil"
    properties = {
        "mode": b.text("mode"),
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": nearest,
        "scales": scales,
    }
    return b.emit("resize", [b.operand(0), None, scales_value, None], properties)


@onnx_op("Upsample", since=7)
def upsample_7(b: NodeBuilder) -> Sequence[SSAValue]:
    """The scales were an attribute."""
    b.limit_inputs(1)
    if (scales := b.numbers("scales")) is None:
        raise b.missing("scales")
    return _resize_10(b, None, np.array(scales, np.float32))


@onnx_op("Resize", since=10)
def resize_10(b: NodeBuilder) -> Sequence[SSAValue]:
    """The scales are the second input, as of Upsample since opset 9."""
    b.limit_inputs(2)
    return _resize_10(b, *_floats(b, 1))


@onnx_op("RoiAlign", since=16)
def roi_align_16(b: NodeBuilder) -> Sequence[SSAValue]:
    operands, _ = inputs(b, "roi_align")
    where = b.text("coordinate_transformation_mode")
    properties = {**read_attributes(b, _ROI_ALIGN), "coordinate_transformation_mode": where}
    return b.emit("roi_align", operands, properties)


@onnx_op("RoiAlign", since=10)
def roi_align_10(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 16 regions are not shifted by half a pixel."""
    operands, _ = inputs(b, "roi_align")
    where = {"coordinate_transformation_mode": "output_half_pixel"}
    return b.emit("roi_align", operands, {**read_attributes(b, _ROI_ALIGN), **where})


@onnx_op("GridSample", since=16)
def grid_sample(b: NodeBuilder) -> Sequence[SSAValue]:
    """Until opset 20 the modes had the names that they have in two dimensions."""
    operands, _ = inputs(b, "grid_sample")
    mode = b.text("mode")
    if b.node.opset < 20:
        names = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}
        mode = None if mode is None else names.get(mode, f"{mode} of opset {b.node.opset}")
    return b.emit("grid_sample", operands, {**read_attributes(b, _GRID_SAMPLE), "mode": mode})


RULES: tuple[Rule, ...] = (
    row("AffineGrid", 20, "align_corners: flag"),
    row("DepthToSpace", 1, "blocksize: int!"),
    row("DepthToSpace", 11, "blocksize: int!, mode: string"),
    grid_sample,
    row("ImageDecoder", 20, "pixel_format: string"),
    resize_10,
    resize_11,
    roi_align_10,
    roi_align_16,
    row("SpaceToDepth", 1, "blocksize: int!"),
    row("SpaceToDepth", 28, "blocksize: int!, mode: string"),
    upsample_7,
    replace(resize_10, op_type="Upsample", since=9),
    Rule("Upsample", 10, why="removed in opset 10, where Resize takes its place"),
)
"""The rules of this family."""
