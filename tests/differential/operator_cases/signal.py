"""Signals transformed, and what they are multiplied by."""

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
    draw_shape,
    draw_some,
)

_TYPES = st.sampled_from((1, 11, 6, 7))


def _scalar(draw: Draw, number: float) -> Array:
    return np.array(number, draw(st.sampled_from((np.int64, np.int32))))


@st.composite
def dft(draw: Draw) -> Case:
    """Real and complex, there and back, cut and filled up, along each axis."""
    opset = draw_opset(draw, "DFT")
    shape = draw_shape(draw, 2, 3, empty=False)
    attributes = draw_some(draw, inverse=FLAG, onesided=FLAG)
    parts = draw(st.integers(1, 2))
    if attributes.get("onesided"):
        parts = 1 + attributes.get("inverse", 0)
    x = draw_array(draw, draw_dtype(draw, "f4 f8"), (*shape, parts), special=False)
    axis = draw(st.integers(0, len(shape) - 1))
    length = _scalar(draw, draw(st.integers(1, 7))) if draw(st.booleans()) else None
    axis = axis - len(x.shape) if draw(st.booleans()) else axis
    if opset < 20:
        attributes["axis"] = axis
        inputs = [x] if length is None else [x, length]
    else:
        inputs = [x, length, np.array(axis, np.int64)] if draw(st.booleans()) else [x, length]
    return draw_case(draw, "DFT", opset, inputs, attributes, parameters=(1, 2), magnitude=16)


@st.composite
def stft(draw: Draw) -> Case:
    """Frames of a window, of a length, or of both."""
    opset = draw_opset(draw, "STFT")
    length, parts = draw(st.integers(1, 9)), draw(st.integers(1, 2))
    dtype = draw_dtype(draw, "f4 f8")
    shape = (draw(st.integers(1, 2)), length + draw(st.integers(0, 6)), parts)
    x = draw_array(draw, dtype, shape, special=False)
    window = draw_array(draw, dtype, (length,), special=False, low=0, high=1)
    integer = draw(st.sampled_from((np.int64, np.int32)))
    inputs: list[Array | None] = [x, np.array(draw(st.integers(1, 4)), integer)]
    given = draw(st.sampled_from(("window", "length", "both")))
    inputs.append(None if given == "length" else window)
    if given != "window":
        inputs.append(np.array(length, integer))
    attributes = {"onesided": 0} if parts == 2 else draw_some(draw, onesided=FLAG)
    return draw_case(draw, "STFT", opset, inputs, attributes, parameters=(1, 2, 3), magnitude=16)


def _window(op: str) -> Cases:
    @st.composite
    def window(draw: Draw) -> Case:
        """Of a few elements."""
        opset = draw_opset(draw, op)
        size = _scalar(draw, draw(st.integers(1, 9)))
        attributes = draw_some(draw, periodic=FLAG, output_datatype=_TYPES)
        return draw_case(draw, op, opset, [size], attributes, parameters=(0,), magnitude=1)

    return window()


@st.composite
def mel_weight_matrix(draw: Draw) -> Case:
    """Wide and narrow filters."""
    opset = draw_opset(draw, "MelWeightMatrix")
    integer = draw(st.sampled_from((np.int64, np.int32)))
    whole = (
        draw(st.integers(1, 9)),
        draw(st.integers(4, 33)),
        draw(st.sampled_from((8192, 16000))),
    )
    edges = (draw(st.sampled_from((0, 100, 125.5))), draw(st.sampled_from((900, 2000.5, 3800))))
    inputs = [*(np.array(n, integer) for n in whole), *(np.array(e, np.float32) for e in edges)]
    attributes = draw_some(draw, output_datatype=st.sampled_from((1, 11)))
    return draw_case(
        draw, "MelWeightMatrix", opset, inputs, attributes, parameters=range(5), magnitude=1
    )


CASES: dict[str, Cases] = {
    "BlackmanWindow": _window("BlackmanWindow"),
    "DFT": dft(),
    "HammingWindow": _window("HammingWindow"),
    "HannWindow": _window("HannWindow"),
    "MelWeightMatrix": mel_weight_matrix(),
    "STFT": stft(),
}
"""The operators of this family."""
