"""Pools."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    FLAG,
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
    ints,
)
from operator_cases.windows import draw_window

_MAX_POOL = {7: "f4 f2", 8: "f4 f8 f2", 12: "f4 f8 f2 i1 u1"}


@st.composite
def max_pool(draw: Draw) -> Case:
    """With and without the second output."""
    opset = draw_opset(draw, "MaxPool")
    window = draw_window(draw, dilated=opset >= 10, padded_below_kernel=True)
    dtype = draw_dtype(draw, _MAX_POOL, opset)
    outputs = draw(st.integers(1, 2)) if opset >= 8 else 1
    attributes = {**window.attributes, "kernel_shape": list(window.kernel)}
    if opset >= 10:
        attributes |= draw_some(draw, ceil_mode=FLAG)
    if outputs > 1:
        attributes |= draw_some(draw, storage_order=FLAG)
    batch, channels = draw(st.sampled_from((1, 2, 0))), draw(st.integers(1, 3))
    x = draw_array(draw, dtype, (batch, channels, *window.spatial))
    return draw_case(draw, "MaxPool", opset, [x], attributes, outputs=outputs)


@st.composite
def average_pool(draw: Draw) -> Case:
    """Padding that counts or does not; dilation since opset 19."""
    opset = draw_opset(draw, "AveragePool")
    window = draw_window(draw, dilated=opset >= 19, padded_below_kernel=True)
    attributes = {**window.attributes, "kernel_shape": list(window.kernel)}
    attributes |= draw_some(draw, count_include_pad=FLAG)
    if opset >= 10:
        attributes |= draw_some(draw, ceil_mode=FLAG)
    batch, channels = draw(st.sampled_from((1, 2, 0))), draw(st.integers(1, 3))
    x = draw_array(draw, draw_dtype(draw, "f4 f2"), (batch, channels, *window.spatial))
    return draw_case(draw, "AveragePool", opset, [x], attributes, magnitude=1)


@st.composite
def global_average_pool(draw: Draw) -> Case:
    """One to three spatial axes."""
    opset = draw_opset(draw, "GlobalAveragePool")
    shape = draw_shape(draw, 3, 5, empty=False)
    x = draw_array(draw, draw_dtype(draw, "f4 f2"), shape)
    return draw_case(draw, "GlobalAveragePool", opset, [x], magnitude=1)


@st.composite
def max_unpool(draw: Draw) -> Case:
    """Back to where they may have been, or into a larger shape."""
    # ONNX Runtime has no kernel of opset 22.
    opset = draw(st.sampled_from((9, 11)))
    rank = draw(st.integers(1, 3))
    kernel, strides = ([draw(st.integers(1, 3)) for _ in range(rank)] for _ in range(2))
    sizes = [draw(st.integers(1, 3)) for _ in range(rank)]
    least = [(n - 1) * s + k for n, k, s in zip(sizes, kernel, strides, strict=True)]
    attributes: dict[str, object] = {"kernel_shape": kernel, "strides": strides}
    x = draw_array(draw, np.float32, (1, 2, *sizes), special=False)
    places = np.random.default_rng(draw(st.integers(0, 99))).permutation(2 * int(np.prod(least)))
    if len(places) < x.size:
        # Windows that leave gaps have more positions than elements only if some are shared.
        places = np.zeros(x.size, np.int64)
        x = np.ones_like(x)
    inputs = [x, places[: x.size].reshape(x.shape)]
    if draw(st.integers(0, 3)) == 0:
        inputs.append(ints((1, 2, *(n + draw(st.integers(0, 2)) for n in least))))
    return draw_case(draw, "MaxUnpool", opset, inputs, attributes, parameters=(2,))


CASES: dict[str, Cases] = {
    "AveragePool": average_pool(),
    "GlobalAveragePool": global_average_pool(),
    "MaxPool": max_pool(),
    "MaxUnpool": max_unpool(),
}
"""The operators of this family."""
