"""Images resized, and regions of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_some,
    ints,
)

_SCALES = st.sampled_from((0.5, 0.75, 1.0, 1.5, 2.0, 3.0))
_COORDINATES = st.sampled_from(("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"))
_ROUNDING = st.sampled_from(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))


@st.composite
def resize(draw: Draw) -> Case:
    """Height and width by scales or to sizes, in each way to interpolate."""
    opset = draw_opset(draw, "Resize")
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *draw_sides(draw))
    modes = ("nearest", "linear") if opset < 11 else ("nearest", "linear", "cubic")
    mode = draw(st.sampled_from(modes))
    x = draw_array(draw, draw_dtype(draw, "f4"), shape, special=False)
    scales = np.array([1, 1, draw(_SCALES), draw(_SCALES)], np.float32)
    # Nothing is left of a side below 1.
    scales = np.maximum(scales, 1 / np.array(shape)).astype(np.float32)
    attributes: dict[str, object] = {"mode": mode}
    if opset < 11:
        return draw_case(draw, "Resize", opset, [x, scales], attributes, parameters=(1,))
    attributes |= draw_some(draw, coordinate_transformation_mode=_COORDINATES)
    if mode == "nearest":
        attributes |= draw_some(draw, nearest_mode=_ROUNDING)
    if mode == "cubic":
        attributes |= draw_some(
            draw, cubic_coeff_a=st.sampled_from((-0.5, -0.75)), exclude_outside=st.integers(0, 1)
        )
    roi = np.zeros(0, np.float32) if opset < 13 else None
    inputs: list[Array | None] = [x, roi, scales]
    if draw(st.booleans()):
        sizes = ints((*shape[:2], draw(st.integers(1, 6)), draw(st.integers(1, 6))))
        inputs = [x, roi, np.zeros(0, np.float32) if opset < 13 else None, sizes]
    placeholders = [k for k, array in enumerate(inputs) if array is not None and not array.size]
    return draw_case(
        draw,
        "Resize",
        opset,
        inputs,
        attributes,
        parameters=(2, 3),
        constant=placeholders,
        magnitude=4,
    )


def draw_sides(draw: Draw) -> tuple[int, int]:
    """Height and width."""
    return draw(st.integers(1, 5)), draw(st.integers(1, 5))


@st.composite
def roi_align(draw: Draw) -> Case:
    """Regions inside and across the border, averaged or the greatest taken."""
    # ONNX Runtime has no kernel of opset 22.
    opset = draw(st.sampled_from((10, 16)))
    batch, count = draw(st.integers(1, 2)), draw(st.integers(0, 3))
    x = draw_array(draw, np.float32, (batch, 2, *draw_sides(draw)), special=False)
    corners = draw_array(draw, np.float32, (count, 2), special=False, low=-1)
    sizes = draw_array(draw, np.float32, (count, 2), special=False, low=0)
    indices = ints(draw(st.integers(0, batch - 1)) for _ in range(count))
    attributes = draw_some(
        draw,
        mode=st.sampled_from(("avg", "max")),
        output_height=st.integers(1, 3),
        output_width=st.integers(1, 3),
        sampling_ratio=st.integers(0, 2),
        spatial_scale=st.sampled_from((0.5, 1.0, 2.0)),
    )
    if opset >= 16:
        attributes |= draw_some(
            draw,
            coordinate_transformation_mode=st.sampled_from(("half_pixel", "output_half_pixel")),
        )
    inputs = [x, np.concatenate([corners, corners + sizes], axis=1), indices]
    return draw_case(draw, "RoiAlign", opset, inputs, attributes, magnitude=4)


CASES: dict[str, Cases] = {"Resize": resize(), "RoiAlign": roi_align()}
"""The operators of this family."""
