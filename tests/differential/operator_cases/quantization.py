"""Quantization and products of quantized tensors: what ONNX Runtime has kernels for."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Array, Case
from operator_cases.strategies import (
    Cases,
    Draw,
    Shape,
    draw_array,
    draw_axis,
    draw_broadcast,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
)
from operator_cases.windows import draw_window

_BYTES = "i1 u1"
_SCALES = st.sampled_from((1.0, 0.5, 0.1, 0.037, 3.0, 1e-3))
_SIDE = st.sampled_from((2, 3, 1, 4, 5, 0))


def _draw_scale(draw: Draw, dtype: str, shape: Shape, unit: float = 1) -> Array:
    """Positive scales, in no pattern."""
    steps = draw_array(draw, np.float32, shape, special=False, low=0.25, high=4)
    return np.asarray(steps * (draw(_SCALES) * unit)).astype(dtype)


def _draw_granularity(draw: Draw, opset: int, shape: Shape) -> tuple[Shape, dict[str, int]]:
    """The shape of scales and the attributes: for all of x, for slices, for blocks."""
    form = draw(st.integers(0, 2))
    if opset < 13 or form == 0 or not shape or 0 in shape:
        return draw(st.sampled_from(((), (1,)))), {}
    axis = draw_axis(draw, len(shape))
    if opset < 21 or form == 1:
        return (shape[axis],), {"axis": axis}
    size, block = shape[axis], draw(st.integers(1, 4))
    position = axis % len(shape)
    blocks = (*shape[:position], -(-size // block), *shape[position + 1 :])
    return blocks, {"axis": axis, "block_size": block}


@st.composite
def quantize_linear(draw: Draw) -> Case:
    """Every granularity; NaN, infinities and what is out of range too."""
    opset = draw_opset(draw, "QuantizeLinear")
    real = draw_dtype(draw, {10: "f4", 19: "f4 f2"}, opset)
    kind = draw_dtype(draw, {10: _BYTES, 21: "i1 u1 i2 u2"}, opset)
    shape = draw_shape(draw)
    scales, attributes = _draw_granularity(draw, opset, shape)
    x = draw_array(draw, real, shape, low=-40, high=40)
    inputs: list[Array | None] = [x, _draw_scale(draw, real, scales)]
    if kind != np.uint8 or draw(st.booleans()):
        inputs.append(draw_array(draw, kind, scales))
    if opset >= 19:
        attributes |= draw_some(draw, saturate=st.integers(0, 1))
    return draw_case(draw, "QuantizeLinear", opset, inputs, attributes, parameters=(1, 2))


@st.composite
def dequantize_linear(draw: Draw) -> Case:
    """Every granularity, with and without zero points."""
    opset = draw_opset(draw, "DequantizeLinear")
    real = draw_dtype(draw, {10: "f4", 19: "f4 f2"}, opset)
    kind = draw_dtype(draw, {10: "i1 u1 i4", 21: "i1 u1 i2 u2 i4"}, opset)
    shape = draw_shape(draw)
    scales, attributes = _draw_granularity(draw, opset, shape)
    inputs: list[Array | None] = [draw_array(draw, kind, shape), _draw_scale(draw, real, scales)]
    if kind != np.int32 and draw(st.booleans()):
        inputs.append(draw_array(draw, kind, scales))
    return draw_case(draw, "DequantizeLinear", opset, inputs, attributes, parameters=(1, 2))


@st.composite
def dynamic_quantize_linear(draw: Draw) -> Case:
    """Ranges on either side of 0 and around it."""
    opset = draw_opset(draw, "DynamicQuantizeLinear")
    shape = draw_shape(draw, empty=False)
    low = draw(st.sampled_from((-4, 0, -0.5, -9)))
    x = draw_array(draw, np.float32, shape, special=False, low=low, high=draw(st.integers(0, 9)))
    return draw_case(draw, "DynamicQuantizeLinear", opset, [x], outputs=3)


def _draw_matrices(draw: Draw, left: str, right: str) -> tuple[Array, Array]:
    m, k, n = (draw(_SIDE.filter(bool)) for _ in range(3))
    batches = draw_broadcast(draw, 2, 2)
    form = draw(st.integers(0, 5))
    a = (k,) if form in (0, 1) else (*batches[0], m, k)
    b = (k,) if form in (0, 2) else (*batches[1], k, n)
    return draw_array(draw, left, a), draw_array(draw, right, b)


@st.composite
def matmul_integer(draw: Draw) -> Case:
    """Vectors, matrices and batches; a zero point for each column of b."""
    left, right = draw_dtype(draw, _BYTES), draw_dtype(draw, _BYTES)
    a, b = _draw_matrices(draw, left, right)
    columns = b.ndim == 2 and draw(st.booleans())
    inputs: list[Array | None] = [a, b, None, None]
    if draw(st.booleans()):
        inputs[2] = draw_array(draw, left, ())
    if draw(st.booleans()):
        inputs[3] = draw_array(draw, right, b.shape[-1:] if columns else ())
    while inputs[-1] is None:
        inputs.pop()
    opset = draw_opset(draw, "MatMulInteger")
    return draw_case(draw, "MatMulInteger", opset, inputs, parameters=(1, 2, 3))


@st.composite
def qlinear_matmul(draw: Draw) -> Case:
    """Scales for all of b or for each column, so that some results saturate."""
    left = draw_dtype(draw, _BYTES)
    right = draw_dtype(draw, _BYTES) if left == np.uint8 else left
    a, b = _draw_matrices(draw, left, right)
    shape = b.shape[-1:] if b.ndim == 2 and draw(st.booleans()) else ()
    inputs = [
        a, _draw_scale(draw, "f4", ()), draw_array(draw, left, ()),
        b, _draw_scale(draw, "f4", shape), draw_array(draw, right, shape),
        _draw_scale(draw, "f4", (), 500), draw_array(draw, left, ()),
    ]  # fmt: skip
    opset = draw_opset(draw, "QLinearMatMul")
    return draw_case(draw, "QLinearMatMul", opset, inputs, parameters=(1, 2, 3, 4, 5, 6, 7))


def _draw_convolution(draw: Draw, left: str, right: str) -> tuple[Array, Array, dict[str, object]]:
    window = draw_window(draw)
    group = draw(st.integers(1, 2))
    inside, outside = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x = draw_array(draw, left, (draw(st.integers(1, 2)), group * inside, *window.spatial))
    w = draw_array(draw, right, (group * outside, inside, *window.kernel))
    attributes: dict[str, object] = dict(window.attributes)
    if group > 1 or draw(st.booleans()):
        attributes["group"] = group
    return x, w, attributes


@st.composite
def conv_integer(draw: Draw) -> Case:
    """Zero points of both, and what is padded is x's."""
    left, right = draw_dtype(draw, _BYTES), draw_dtype(draw, _BYTES)
    x, w, attributes = _draw_convolution(draw, left, right)
    inputs: list[Array | None] = [x, w]
    if draw(st.booleans()):
        inputs.append(draw_array(draw, left, ()))
        if draw(st.booleans()):
            inputs.append(draw_array(draw, right, ()))
    opset = draw_opset(draw, "ConvInteger")
    return draw_case(draw, "ConvInteger", opset, inputs, attributes, parameters=(1, 2, 3))


@st.composite
def qlinear_conv(draw: Draw) -> Case:
    """Scales for all features or for each, with a bias."""
    left = draw_dtype(draw, _BYTES)
    right = draw_dtype(draw, _BYTES) if left == np.uint8 else left
    x, w, attributes = _draw_convolution(draw, left, right)
    shape = w.shape[:1] if draw(st.booleans()) else ()
    zeros = np.full(shape, draw_array(draw, right, ()), right)
    inputs = [
        x, _draw_scale(draw, "f4", ()), draw_array(draw, left, ()),
        w, _draw_scale(draw, "f4", shape), zeros,
        _draw_scale(draw, "f4", (), 500), draw_array(draw, left, ()),
    ]  # fmt: skip
    if draw(st.booleans()):
        inputs.append(draw_array(draw, np.int32, w.shape[:1], special=False, low=-999, high=999))
    opset = draw_opset(draw, "QLinearConv")
    return draw_case(draw, "QLinearConv", opset, inputs, attributes, constant=range(1, len(inputs)))


CASES: dict[str, Cases] = {
    "ConvInteger": conv_integer(),
    "DequantizeLinear": dequantize_linear(),
    "DynamicQuantizeLinear": dynamic_quantize_linear(),
    "MatMulInteger": matmul_integer(),
    "QLinearConv": qlinear_conv(),
    "QLinearMatMul": qlinear_matmul(),
    "QuantizeLinear": quantize_linear(),
}
"""The operators of this family."""
