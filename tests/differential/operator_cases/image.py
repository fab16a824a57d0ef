"""Images resized, and regions of them."""

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

_SCALES = st.sampled_from((0.5, 0.75, 1.0, 1.5, 2.0, 3.0))
_COORDINATES = (
    "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_crop_and_resize",
)  # fmt: skip
_ROUNDING = st.sampled_from(("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
_POLICIES = st.sampled_from(("stretch", "not_larger", "not_smaller"))


@st.composite
def resize(draw: Draw) -> Case:
    """One to three axes by scales or to sizes, in each way to interpolate.

    ONNX Runtime interpolates numbers of two or three axes linearly, of two cubically.
    """
    opset = draw_opset(draw, "Resize")
    modes = ("nearest", "linear") if opset < 11 else ("nearest", "linear", "cubic")
    mode = draw(st.sampled_from(modes))
    space = draw(st.sampled_from({"nearest": (2, 1, 3), "linear": (2, 3), "cubic": (2,)}[mode]))
    sides = [draw(st.integers(1, 5)) for _ in range(space)]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *sides)
    dtype = draw_dtype(draw, "f4 u1 i4" if mode == "nearest" else "f4")
    x = draw_array(draw, dtype, shape, special=False)
    # Nothing is left of a side below 1.
    factors = [max(draw(_SCALES), 1 / side) for side in sides]
    attributes: dict[str, object] = {"mode": mode}
    if opset < 11:
        scales = np.array([1, 1, *factors], np.float32)
        return draw_case(draw, "Resize", opset, [x, scales], attributes, parameters=(1,))
    where = ("half_pixel_symmetric",) if opset >= 19 else ()
    known = st.sampled_from((*_COORDINATES, *where))
    attributes |= draw_some(draw, coordinate_transformation_mode=known)
    if mode == "nearest":
        attributes |= draw_some(draw, nearest_mode=_ROUNDING)
    if mode == "cubic":
        attributes |= draw_some(draw, cubic_coeff_a=st.sampled_from((-0.5, -0.75)))
        attributes |= draw_some(draw, exclude_outside=FLAG)
    lead, by_size = 2, draw(st.booleans())
    if opset >= 18:
        listed = draw(st.booleans())
        lead = 0 if listed else 2
        attributes |= {"axes": list(range(2, 2 + space))} if listed else {}
        if mode != "nearest":
            attributes |= draw_some(draw, antialias=FLAG)
        if by_size and listed:
            attributes |= draw_some(draw, keep_aspect_ratio_policy=_POLICIES)
    empty = np.zeros(0, np.float32) if opset < 13 else None
    roi = empty
    if attributes.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        starts = [draw(st.sampled_from((0.0, 0.25, -0.25))) for _ in range(space)]
        ends = [draw(st.sampled_from((1.0, 0.75, 1.25))) for _ in range(space)]
        roi = np.array([0.0] * lead + starts + [1.0] * lead + ends, np.float32)
        attributes |= draw_some(draw, extrapolation_value=st.just(5.0))
    inputs: list[Array | None] = [x, roi, np.array([1.0] * lead + factors, np.float32)]
    if by_size:
        wanted = [draw(st.integers(1, 6)) for _ in range(space)]
        if "keep_aspect_ratio_policy" in attributes:
            # Nothing is left of what is much shorter than it should be in proportion.
            wanted = [max(wanted) * side for side in sides]
        inputs = [x, roi, empty, ints((*shape[:lead], *wanted))]
    placeholders = [k for k, array in enumerate(inputs) if array is not None and not array.size]
    return draw_case(
        draw,
        "Resize",
        opset,
        inputs,
        attributes,
        parameters=(1, 2, 3),
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


@st.composite
def affine_grid(draw: Draw) -> Case:
    """Two and three spatial axes."""
    opset = draw_opset(draw, "AffineGrid")
    rank, batch = draw(st.integers(2, 3)), draw(st.integers(1, 2))
    theta = draw_array(draw, draw_dtype(draw, "f4 f8"), (batch, rank, rank + 1), special=False)
    size = ints((batch, 2, *(draw(st.integers(1, 4)) for _ in range(rank))))
    attributes = draw_some(draw, align_corners=FLAG)
    return draw_case(
        draw, "AffineGrid", opset, [theta, size], attributes, parameters=(1,), magnitude=8
    )


CASES: dict[str, Cases] = {
    "AffineGrid": affine_grid(),
    "Resize": resize(),
    "RoiAlign": roi_align(),
}
"""The operators of this family."""
