"""Convolutions."""

from __future__ import annotations

from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_some,
)
from operator_cases.windows import draw_window


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
    """The other way round, with padding of the output."""
    opset = draw_opset(draw, "ConvTranspose")
    dtype = draw_dtype(draw, "f4 f2")
    rank = draw(st.integers(1, 2))
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    strides = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilations = [draw(st.integers(1, 2)) for _ in range(rank)]
    spatial = [draw(st.integers(1, 4)) for _ in range(rank)]
    group, inside, outside = (draw(st.integers(1, 2)) for _ in range(3))
    # No more is cut off at either end than there is.
    full = zip(spatial, strides, kernel, dilations, strict=True)
    most = [min(2, ((n - 1) * s + (k - 1) * d) // 2) for n, s, k, d in full]
    pads = [draw(st.integers(0, m)) for m in (*most, *most)]
    attributes = draw_some(draw, group=st.just(group))
    group = attributes.get("group", 1)
    attributes |= {"strides": strides, "dilations": dilations, "pads": pads}
    extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(strides, dilations, strict=True)]
    if draw(st.booleans()):
        attributes["output_padding"] = extra
    x = draw_array(draw, dtype, (draw(st.integers(1, 2)), group * inside, *spatial), special=False)
    w = draw_array(draw, dtype, (group * inside, outside, *kernel), special=False)
    inputs = [x, w]
    if draw(st.booleans()):
        inputs.append(draw_array(draw, dtype, (group * outside,), special=False))
    return draw_case(
        draw, "ConvTranspose", opset, inputs, attributes, parameters=(1, 2), magnitude=4
    )


CASES: dict[str, Cases] = {"Conv": conv(), "ConvTranspose": conv_transpose()}
"""The operators of this family."""
