"""What moves, picks and samples elements, beyond shapes and indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    ANY,
    FLAG,
    FLOATS,
    Cases,
    Draw,
    draw_array,
    draw_axis,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
)

_BLOCKS = {7: FLOATS, 13: f"{FLOATS} i1 u1"}
_SIDES = st.integers(1, 3)
_MODES = {16: ("bilinear", "bicubic", "nearest"), 20: ("linear", "cubic", "nearest")}


def _axis_from(draw: Draw, opset: int, negative_since: int, rank: int) -> int:
    """An axis, counted from the end only since an opset."""
    return draw_axis(draw, rank) if opset >= negative_since else draw(st.integers(0, rank - 1))


@st.composite
def compress(draw: Draw) -> Case:
    """Along an axis or of all elements; the condition may be short."""
    opset = draw_opset(draw, "Compress")
    x = draw_array(draw, draw_dtype(draw, ANY), draw_shape(draw, 1, 3, empty=False))
    attributes: dict[str, object] = {}
    length = x.size
    if draw(st.booleans()):
        attributes["axis"] = axis = _axis_from(draw, opset, 11, x.ndim)
        length = x.shape[axis]
    condition = draw_array(draw, bool, (draw(st.integers(1, length)),))
    return draw_case(draw, "Compress", opset, [x, condition], attributes, parameters=(1,))


@st.composite
def blocks(draw: Draw, op: str) -> Case:
    """Blocks of channels to squares of pixels, and back."""
    opset = draw_opset(draw, op)
    size, batch, depth, height, width = (draw(_SIDES) for _ in range(5))
    attributes: dict[str, object] = {"blocksize": size}
    if op == "DepthToSpace":
        depth *= size * size
        if opset >= 11:
            attributes |= draw_some(draw, mode=st.sampled_from(("DCR", "CRD")))
    else:
        height, width = height * size, width * size
    x = draw_array(draw, draw_dtype(draw, _BLOCKS, opset), (batch, depth, height, width))
    return draw_case(draw, op, opset, [x], attributes)


@st.composite
def reverse_sequence(draw: Draw) -> Case:
    """Time and batch on either of the first two axes."""
    opset = draw_opset(draw, "ReverseSequence")
    shape = draw_shape(draw, 2, 4, empty=False)
    attributes = draw(st.sampled_from(({}, {"batch_axis": 0, "time_axis": 1})))
    batch, time = (0, 1) if attributes else (1, 0)
    lengths = np.array([draw(st.integers(1, shape[time])) for _ in range(shape[batch])])
    x = draw_array(draw, draw_dtype(draw, ANY), shape)
    return draw_case(draw, "ReverseSequence", opset, [x, lengths], attributes, parameters=(1,))


@st.composite
def scatter(draw: Draw) -> Case:
    """What ScatterElements was called in opsets 9 and 10; no two updates meet."""
    shape = draw_shape(draw, 1, 3, empty=False)
    axis = draw(st.integers(0, len(shape) - 1))
    sides = [draw(st.integers(1, side)) for side in shape]
    places = np.array(draw(st.permutations(range(shape[axis])))[: sides[axis]])
    wide = [1] * len(shape)
    wide[axis] = -1
    indices = np.broadcast_to(places.reshape(wide), sides).copy()
    dtype = draw_dtype(draw, ANY)
    inputs = [draw_array(draw, dtype, shape), indices, draw_array(draw, dtype, tuple(sides))]
    attributes = {"axis": axis} if axis or draw(st.booleans()) else {}
    opset = draw(st.sampled_from((9, 10)))
    return draw_case(draw, "Scatter", opset, inputs, attributes, parameters=(1, 2))


@st.composite
def unique(draw: Draw) -> Case:
    """Elements or slices along an axis, sorted or as they come, with where and how often."""
    opset = draw_opset(draw, "Unique")
    dtype = draw_dtype(draw, "f4 f8 i1 i8")
    x = draw_array(
        draw, dtype, draw_shape(draw, 1, 3, empty=False), special=False, low=-0.25, high=0.25
    )
    attributes = draw_some(draw, sorted=FLAG)
    if draw(st.booleans()):
        attributes["axis"] = draw_axis(draw, x.ndim)
    return draw_case(draw, "Unique", opset, [x], attributes, outputs=draw(st.integers(1, 4)))


@st.composite
def grid_sample(draw: Draw) -> Case:
    """Points inside and outside, in each way to interpolate and to go on at the border."""
    opset = draw_opset(draw, "GridSample")
    # ONNX Runtime's cubic is of images only.
    modes: Sequence[str] = _MODES[16 if opset < 20 else 20]
    mode = draw(st.sampled_from(modes))
    rank = 2 if opset < 20 or "cubic" in mode else draw(st.integers(2, 3))
    batch, channels = draw(_SIDES), draw(_SIDES)
    sides = [draw(st.integers(1, 4)) for _ in range(rank)]
    points = [draw(_SIDES) for _ in range(rank)]
    x = draw_array(draw, "f4", (batch, channels, *sides), special=False)
    # Sixteenths plus a little: a point in the middle of two would round either way.
    grid = draw_array(draw, "f4", (batch, *points, rank), special=False, low=-1, high=1)
    grid = (grid * np.float32(1.25) + np.float32(0.03)).astype(np.float32)
    attributes = {"mode": mode}
    attributes |= draw_some(
        draw,
        align_corners=FLAG,
        padding_mode=st.sampled_from(("zeros", "border", "reflection")),
    )
    return draw_case(draw, "GridSample", opset, [x, grid], attributes, magnitude=16)


@st.composite
def upsample(draw: Draw) -> Case:
    """Scales as an attribute, in opset 9 as an input."""
    opset = draw(st.sampled_from((7, 8, 9)))
    x = draw_array(draw, "f4", (1, draw(_SIDES), draw(_SIDES), draw(_SIDES)), special=False)
    scales = [1.0, 1.0, draw(st.sampled_from((1.0, 2.0, 3.0))), draw(st.sampled_from((1.0, 2.0)))]
    attributes: dict[str, object] = draw_some(draw, mode=st.sampled_from(("nearest", "linear")))
    if opset < 9:
        return draw_case(draw, "Upsample", opset, [x], {**attributes, "scales": scales})
    inputs = [x, np.array(scales, np.float32)]
    return draw_case(draw, "Upsample", opset, inputs, attributes, parameters=(1,), magnitude=4)


CASES: dict[str, Cases] = {
    "Compress": compress(),
    "DepthToSpace": blocks("DepthToSpace"),
    "GridSample": grid_sample(),
    "ReverseSequence": reverse_sequence(),
    "Scatter": scatter(),
    "SpaceToDepth": blocks("SpaceToDepth"),
    "Unique": unique(),
    "Upsample": upsample(),
}
"""The operators of this family."""
