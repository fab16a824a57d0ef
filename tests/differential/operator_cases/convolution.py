"""Convolutions."""

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
from operator_cases.windows import draw_window, positions


@st.composite
def conv(draw: Draw) -> Case:
    """Groups, strides, dilations and every padding over one to three axes."""
    opset = draw_opset(draw, "Conv")
    dtype = draw_dtype(draw, "f4 f2")
    window = draw_window(draw)
    group = draw(st.integers(1, 3))
    inside, outside = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    batch = draw(st.sampled_from((1, 2, 0)))
    x = draw_array(draw, dtype, (batch, group * inside, *window.spatial), special=False)
    w = draw_array(draw, dtype, (group * outside, inside, *window.kernel), special=False)
    attributes = dict(window.attributes)
    if group > 1 or draw(st.booleans()):
        attributes["group"] = group
    if draw(st.booleans()):
        attributes["kernel_shape"] = list(window.kernel)
    inputs = [x, w]
    if draw(st.booleans()):
        inputs.append(draw_array(draw, dtype, (group * outside,), special=False))
    return draw_case(draw, "Conv", opset, inputs, attributes, parameters=(1, 2), magnitude=4)


@st.composite
def conv_transpose(draw: Draw) -> Case:
    """The other way round: one to three axes, cut by pads, auto_pad or an output_shape."""
    opset = draw_opset(draw, "ConvTranspose")
    dtype = draw_dtype(draw, "f4 f2")
    rank = draw(st.sampled_from((2, 1, 3)))
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    strides = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilations = [draw(st.integers(1, 2)) for _ in range(rank)]
    spatial = [draw(st.integers(1, 4)) for _ in range(rank)]
    group, inside, outside = (draw(st.integers(1, 2)) for _ in range(3))
    attributes = draw_some(draw, group=st.just(group))
    group = attributes.get("group", 1)
    attributes |= {"strides": strides, "dilations": dilations}
    sides = zip(spatial, strides, kernel, dilations, strict=True)
    full = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in sides]
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)]
    how = draw(st.sampled_from(("pads", "pads", "auto_pad", "output_shape")))
    if how == "pads":
        # No more is cut off at either end than there is.
        most = [min(2, (size - 1) // 2) for size in full]
        attributes["pads"] = [draw(st.integers(0, m)) for m in (*most, *most)]
    else:
        same = st.sampled_from(("SAME_UPPER", "SAME_LOWER"))
        attributes |= draw_some(draw, auto_pad=same) if how == "output_shape" else {}
    if how == "output_shape":
        attributes["output_shape"] = [draw(st.integers(max(1, size - 2), size)) for size in full]
    elif how == "auto_pad":
        attributes["auto_pad"] = draw(st.sampled_from(("VALID", "SAME_UPPER", "SAME_LOWER")))
    if how != "output_shape" and draw(st.booleans()):
        attributes["output_padding"] = extra
    x = draw_array(draw, dtype, (draw(st.integers(1, 2)), group * inside, *spatial), special=False)
    w = draw_array(draw, dtype, (group * inside, outside, *kernel), special=False)
    inputs = [x, w]
    if draw(st.booleans()):
        inputs.append(draw_array(draw, dtype, (group * outside,), special=False))
    return draw_case(
        draw, "ConvTranspose", opset, inputs, attributes, parameters=(1, 2), magnitude=4
    )


@st.composite
def deform_conv(draw: Draw) -> Case:
    """Groups of channels and of offsets, with and without a bias and a mask.

    ONNX Runtime has two spatial axes only.
    """
    opset = draw_opset(draw, "DeformConv")
    window = draw_window(draw, rank=2, auto_pad=False)
    group, sharing = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    outputs, taps = positions(window), sharing * int(np.prod(window.kernel))
    dtype = draw_dtype(draw, "f4 f8")
    attributes = {**window.attributes, "group": group, "offset_group": sharing}
    if draw(st.booleans()):
        attributes["kernel_shape"] = list(window.kernel)

    def array(*shape: int) -> Array:
        return draw_array(draw, dtype, shape, special=False)

    inputs = [
        array(2, group * sharing, *window.spatial),
        array(2 * group, sharing, *window.kernel),
        array(2, 2 * taps, *outputs),
        array(2 * group) if draw(st.booleans()) else None,
        array(2, taps, *outputs),
    ]
    inputs = inputs[: draw(st.sampled_from((3, 4, 5)))]
    return draw_case(draw, "DeformConv", opset, inputs, attributes, parameters=(1, 3), magnitude=32)


@st.composite
def col2im(draw: Draw) -> Case:
    """Blocks that overlap or leave gaps, partly outside, of one to three axes."""
    opset = draw_opset(draw, "Col2Im")
    window = draw_window(draw, auto_pad=False)
    depth, blocks = 2 * int(np.prod(window.kernel)), int(np.prod(positions(window)))
    x = draw_array(draw, np.float32, (draw(st.integers(1, 2)), depth, blocks), special=False)
    inputs = [x, ints(window.spatial), ints(window.kernel)]
    return draw_case(
        draw, "Col2Im", opset, inputs, window.attributes, parameters=(1, 2), magnitude=16
    )


CASES: dict[str, Cases] = {
    "Col2Im": col2im(),
    "Conv": conv(),
    "ConvTranspose": conv_transpose(),
    "DeformConv": deform_conv(),
}
"""The operators of this family."""
