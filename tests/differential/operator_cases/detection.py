"""Boxes that overlap, and regions pooled."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    FLAG,
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_some,
    ints,
)

_OVERLAPS = st.sampled_from((0.0, 0.25, 0.5, 1.0))


@st.composite
def non_max_suppression(draw: Draw) -> Case:
    """Equal scores, boxes that touch, flipped ones and empty ones; parameters there or not."""
    opset = draw_opset(draw, "NonMaxSuppression")
    images, classes, count = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, 2)),
        draw(st.integers(0, 6)),
    )
    boxes = draw_array(draw, np.float32, (images, count, 4), special=False, low=0, high=2)
    scores = draw_array(draw, np.float32, (images, classes, count), special=False, low=-1, high=1)
    shape = draw(st.sampled_from(((), (1,))))
    parameters: list[Array | None] = [
        np.full(shape, draw(st.integers(-1, 4)), np.int64),
        np.full(shape, draw(_OVERLAPS), np.float32) if draw(st.booleans()) else None,
        np.full(shape, draw(st.sampled_from((-0.5, 0.25))), np.float32),
    ]
    inputs = [boxes, scores, *parameters[: draw(st.sampled_from((3, 3, 2, 1, 0)))]]
    attributes = draw_some(draw, center_point_box=FLAG)
    return draw_case(draw, "NonMaxSuppression", opset, inputs, attributes, parameters=(2, 3, 4))


@st.composite
def max_roi_pool(draw: Draw) -> Case:
    """Regions inside, across the border and outside."""
    # ONNX Runtime has no kernel of opset 22.
    opset = 7
    batch, count = draw(st.integers(1, 2)), draw(st.integers(0, 3))
    sides = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    dtype = draw_dtype(draw, "f4 f2")
    x = draw_array(draw, dtype, (batch, 2, *sides), special=False)
    corners = draw_array(draw, dtype, (count, 4), special=False, low=-3, high=9)
    images = ints(draw(st.integers(0, batch - 1)) for _ in range(count)).reshape(-1, 1)
    rois = np.concatenate([images.astype(dtype), corners], axis=1)
    attributes = {"pooled_shape": [draw(st.integers(1, 3)), draw(st.integers(1, 3))]}
    attributes |= draw_some(draw, spatial_scale=st.sampled_from((0.5, 1.0, 2.0)))
    return draw_case(draw, "MaxRoiPool", opset, [x, rois], attributes)


CASES: dict[str, Cases] = {
    "MaxRoiPool": max_roi_pool(),
    "NonMaxSuppression": non_max_suppression(),
}
"""The operators of this family."""
