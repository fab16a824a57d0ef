"""Activations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    FLOATS,
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
)

_FACTOR = st.sampled_from((0.0, 0.125, 0.2, 0.5, 1.0, 1.5, -0.5))
_ATTRIBUTES: Mapping[str, Mapping[str, st.SearchStrategy[float]]] = {
    "HardSigmoid": {"alpha": _FACTOR, "beta": _FACTOR},
    "LeakyRelu": {"alpha": _FACTOR},
}
_DTYPES: Mapping[str, Mapping[int, str]] = {
    "Erf": {7: "f4 f2"},
    "HardSigmoid": {7: "f4 f2"},
    "HardSwish": {7: "f4 f2"},
    "LeakyRelu": {7: "f4 f2", 16: FLOATS, 26: "f4 f2"},
    "Relu": {7: FLOATS, 14: f"{FLOATS} i1 i4"},
    "Sigmoid": {7: FLOATS},
    "Tanh": {7: FLOATS},
}
_CLIP = {7: "f4 f2", 12: f"{FLOATS} i1 i4 i8 u1 u4 u8"}


@st.composite
def unary(draw: Draw, op: str) -> Case:
    """An activation with its parameters."""
    opset = draw_opset(draw, op)
    x = draw_array(draw, draw_dtype(draw, _DTYPES[op], opset), draw_shape(draw))
    return draw_case(draw, op, opset, [x], draw_some(draw, **_ATTRIBUTES.get(op, {})))


@st.composite
def clip(draw: Draw) -> Case:
    """Bounds as attributes or inputs, either absent."""
    opset = draw_opset(draw, "Clip")
    dtype = draw_dtype(draw, _CLIP, opset)
    x = draw_array(draw, dtype, draw_shape(draw))
    if opset < 11:
        bounds = draw_some(draw, min=st.sampled_from((-1.5, 0.0)), max=st.sampled_from((1.5, 0.25)))
        return draw_case(draw, "Clip", opset, [x], bounds)
    low = np.array(draw(st.integers(0, 2)), dtype) if draw(st.booleans()) else None
    high = np.array(draw(st.integers(2, 5)), dtype) if draw(st.booleans()) else None
    return draw_case(draw, "Clip", opset, [x, low, high], parameters=(1, 2))


@st.composite
def shrink(draw: Draw) -> Case:
    """Of numbers of any type."""
    dtype = draw_dtype(draw, f"{FLOATS} i1 i2 i4 i8 u1 u2 u4 u8")
    x = draw_array(draw, dtype, draw_shape(draw), special=dtype.kind == "f")
    attributes = draw_some(
        draw, bias=st.sampled_from((0.0, 0.5, 2.0)), lambd=st.sampled_from((0.0, 1.0, 2.5))
    )
    return draw_case(draw, "Shrink", draw_opset(draw, "Shrink", 9), [x], attributes)


CASES: dict[str, Cases] = {
    **{op: unary(op) for op in _DTYPES},
    "Clip": clip(),
    "Shrink": shrink(),
}
"""The operators of this family."""
