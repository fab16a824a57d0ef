"""Constants, and what describes or converts tensors."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from onnx import numpy_helper

from operator_cases.case import Case
from operator_cases.strategies import (
    ANY,
    FLOATS,
    INTEGERS,
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
from pyflame_rt import dtypes


@st.composite
def cast(draw: Draw) -> Case:
    """Between any two types; what does not fit a type is left to the C compiler."""
    opset = draw_opset(draw, "Cast")
    source, target = draw_dtype(draw, ANY), draw_dtype(draw, ANY)
    special = source.kind == "b" or target.kind in "fb"
    low = 0 if target.kind == "u" else -4
    x = draw_array(draw, source, draw_shape(draw), special=special, low=low)
    return draw_case(draw, "Cast", opset, [x], {"to": dtypes.by_numpy()[target].onnx})


@st.composite
def constant(draw: Draw) -> Case:
    """The value in each of its attributes."""
    opset = draw_opset(draw, "Constant")
    form = draw(
        st.sampled_from(
            ("value", "value_float", "value_floats", "value_int", "value_ints")
            if opset >= 12
            else ("value",)
        )
    )
    numbers = [draw(st.integers(-9, 9)) for _ in range(draw(st.integers(1, 3)))]
    match form:
        case "value":
            array = draw_array(draw, draw_dtype(draw, ANY), draw_shape(draw))
            value = numpy_helper.from_array(array)
        case "value_float":
            value = numbers[0] / 8
        case "value_floats":
            value = [number / 8 for number in numbers]
        case "value_int":
            value = numbers[0]
        case _:
            value = numbers
    return Case("Constant", opset, (), {form: value})


@st.composite
def constant_of_shape(draw: Draw) -> Case:
    """A value of any type, or zeros."""
    opset = draw_opset(draw, "ConstantOfShape")
    attributes = {}
    if draw(st.booleans()):
        value = draw_array(draw, draw_dtype(draw, f"{FLOATS} {INTEGERS} ?"), (1,))
        attributes["value"] = numpy_helper.from_array(value)
    shape = ints(draw_shape(draw))
    return draw_case(draw, "ConstantOfShape", opset, [shape], attributes, parameters=(0,))


@st.composite
def range_(draw: Draw) -> Case:
    """Up, down, nothing."""
    opset = draw_opset(draw, "Range")
    dtype = draw_dtype(draw, "f4 f8 i2 i4 i8")
    start, limit = (draw(st.integers(-6, 6)) for _ in range(2))
    delta = draw(st.integers(1, 3)) * draw(st.sampled_from((1, -1)))
    scale = 4 if dtype.kind == "f" else 1
    inputs = [np.array(number / scale).astype(dtype) for number in (start, limit, delta)]
    return draw_case(draw, "Range", opset, inputs, parameters=(0, 1, 2))


@st.composite
def shape_(draw: Draw) -> Case:
    """All dimensions, or some since opset 15."""
    opset = draw_opset(draw, "Shape")
    x = draw_array(draw, draw_dtype(draw, ANY), draw_shape(draw))
    bounds = st.integers(-6, 6)
    attributes = draw_some(draw, start=bounds, end=bounds) if opset >= 15 else {}
    return draw_case(draw, "Shape", opset, [x], attributes)


@st.composite
def bit_cast(draw: Draw) -> Case:
    """Between any two types of numbers of one size."""
    kinds = f"{FLOATS} {INTEGERS}"
    source = draw_dtype(draw, kinds)
    of_size = [kind for kind in kinds.split() if np.dtype(kind).itemsize == source.itemsize]
    target = draw_dtype(draw, " ".join(of_size))
    x = draw_array(draw, source, draw_shape(draw))
    attributes = {"to": dtypes.by_numpy()[target].onnx}
    return draw_case(draw, "BitCast", draw_opset(draw, "BitCast"), [x], attributes)


CASES: dict[str, Cases] = {
    "BitCast": bit_cast(),
    "Cast": cast(),
    "Constant": constant(),
    "ConstantOfShape": constant_of_shape(),
    "Range": range_(),
    "Shape": shape_(),
}
"""The operators of this family."""
