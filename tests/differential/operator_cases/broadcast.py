"""Operators of several inputs that broadcast, beyond arithmetic and logic."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    FLOATS,
    INTEGERS,
    Cases,
    Draw,
    draw_array,
    draw_broadcast,
    draw_case,
    draw_dtype,
    draw_opset,
)

_SEVERAL: Mapping[str, str] = {"Mean": "f4 f2", "Sum": FLOATS}


@st.composite
def bitwise(draw: Draw, op: str) -> Case:
    """Any two integers of one type."""
    dtype = draw_dtype(draw, INTEGERS)
    inputs = [draw_array(draw, dtype, shape) for shape in draw_broadcast(draw, 2)]
    return draw_case(draw, op, draw_opset(draw, op), inputs, parameters=(1,))


@st.composite
def bit_shift(draw: Draw) -> Case:
    """By less than the width of the type: the rest is up to the machine."""
    dtype = draw_dtype(draw, "u1 u4 u8")
    of_value, of_count = draw_broadcast(draw, 2)
    count = draw_array(draw, dtype, of_count) % (8 * dtype.itemsize)
    inputs = [draw_array(draw, dtype, of_value), np.asarray(count, dtype)]
    attributes = {"direction": draw(st.sampled_from(("LEFT", "RIGHT")))}
    opset = draw_opset(draw, "BitShift")
    return draw_case(draw, "BitShift", opset, inputs, attributes, parameters=(1,))


@st.composite
def several(draw: Draw, op: str) -> Case:
    """Any number of inputs; broadcasting came with opset 8."""
    opset = draw_opset(draw, op)
    dtype = draw_dtype(draw, _SEVERAL[op])
    shapes = draw_broadcast(draw, draw(st.integers(1, 4)))
    shapes = shapes if opset >= 8 else (shapes[0],) * len(shapes)
    inputs = [draw_array(draw, dtype, shape) for shape in shapes]
    return draw_case(draw, op, opset, inputs, magnitude=4)


@st.composite
def prelu(draw: Draw) -> Case:
    """The slope broadcasts to the input, not the other way around."""
    opset = draw_opset(draw, "PRelu")
    dtype = draw_dtype(draw, {7: "f4 f2", 16: "f4 f8 f2 i4 i8", 26: "f4 f2"}, opset)
    (shape,) = draw_broadcast(draw, 1)
    ones = draw(st.integers(0, 15))
    sides = [1 if ones >> axis & 1 else side for axis, side in enumerate(shape)]
    slope = draw_array(draw, dtype, tuple(sides[draw(st.integers(0, len(sides))) :]), special=False)
    x = draw_array(draw, dtype, shape, special=dtype.kind == "f")
    return draw_case(draw, "PRelu", opset, [x, slope], parameters=(1,))


CASES: dict[str, Cases] = {
    **{op: bitwise(op) for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")},
    **{op: several(op) for op in _SEVERAL},
    "BitShift": bit_shift(),
    "PRelu": prelu(),
}
"""The operators of this family."""
