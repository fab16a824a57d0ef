"""Arithmetic, comparison, logic."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    ANY,
    FLOATS,
    INTEGERS,
    Cases,
    Draw,
    draw_array,
    draw_broadcast,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
)

_ARITHMETIC = {7: f"{FLOATS} i4 i8 u4 u8", 14: f"{FLOATS} {INTEGERS}"}
_ORDER = {7: FLOATS, 9: f"{FLOATS} {INTEGERS}"}
_EXTREMA = {7: "f4 f2", 8: FLOATS, 12: f"{FLOATS} i1 i4 i8 u1 u4 u8"}
_UNARY: Mapping[str, str] = {
    "Acos": "f4 f2",
    "Abs": f"{FLOATS} {INTEGERS}",
    "Ceil": FLOATS,
    "Cos": FLOATS,
    "Exp": FLOATS,
    "Floor": FLOATS,
    "Log": FLOATS,
    "Neg": f"{FLOATS} i1 i2 i4 i8",
    "Not": "?",
    "Reciprocal": FLOATS,
    "Sign": f"{FLOATS} {INTEGERS}",
    "Sin": FLOATS,
    "Sqrt": FLOATS,
}
_BINARY: Mapping[str, Mapping[int, str]] = {
    "Add": _ARITHMETIC,
    "And": {7: "?"},
    "Div": _ARITHMETIC,
    "Equal": {7: "i4 i8 ?", 11: ANY},
    "Greater": _ORDER,
    "GreaterOrEqual": _ORDER,
    "Less": _ORDER,
    "LessOrEqual": _ORDER,
    "Mul": _ARITHMETIC,
    "Or": {7: "?"},
    "Sub": _ARITHMETIC,
    "Xor": {7: "?"},
}


@st.composite
def unary(draw: Draw, op: str) -> Case:
    """An operator of one input."""
    x = draw_array(draw, draw_dtype(draw, _UNARY[op]), draw_shape(draw))
    return draw_case(draw, op, draw_opset(draw, op), [x])


@st.composite
def binary(draw: Draw, op: str) -> Case:
    """An operator of two inputs that broadcast."""
    opset = draw_opset(draw, op)
    dtype = draw_dtype(draw, _BINARY[op], opset)
    inputs = [draw_array(draw, dtype, shape) for shape in draw_broadcast(draw, 2)]
    return draw_case(draw, op, opset, inputs, parameters=(1,))


@st.composite
def modulo(draw: Draw) -> Case:
    """The sign of the divisor for integers, that of the dividend with fmod."""
    opset = draw_opset(draw, "Mod")
    dtype = draw_dtype(draw, f"{FLOATS} {INTEGERS}")
    inputs = [draw_array(draw, dtype, shape) for shape in draw_broadcast(draw, 2)]
    flag = 1 if dtype.kind == "f" else draw(st.integers(0, 1))
    return draw_case(draw, "Mod", opset, inputs, {"fmod": flag} if flag else {})


@st.composite
def power(draw: Draw) -> Case:
    """The exponent's type is its own since opset 12."""
    opset = draw_opset(draw, "Pow")
    of_base, of_exponent = draw_broadcast(draw, 2)
    dtype = draw_dtype(draw, {7: FLOATS, 12: f"{FLOATS} i4 i8"}, opset)
    other = draw_dtype(draw, "f4 f8 i4 i8") if opset >= 12 else dtype
    whole = dtype.kind == "i"
    base = draw_array(draw, dtype, of_base, special=not whole)
    exponent = draw_array(
        draw, other, of_exponent, special=not whole, low=0 if whole else -3, high=3
    )
    return draw_case(draw, "Pow", opset, [base, exponent], parameters=(1,))


@st.composite
def extremum(draw: Draw, op: str) -> Case:
    """Any number of inputs that broadcast."""
    opset = draw_opset(draw, op)
    dtype = draw_dtype(draw, _EXTREMA, opset)
    shapes = draw_broadcast(draw, draw(st.integers(1, 4)))
    # Broadcasting came with opset 8.
    shapes = shapes if opset >= 8 else [shapes[0]] * len(shapes)
    return draw_case(draw, op, opset, [draw_array(draw, dtype, shape) for shape in shapes])


@st.composite
def where(draw: Draw) -> Case:
    """A condition and two values that broadcast."""
    opset = draw_opset(draw, "Where")
    dtype = draw_dtype(draw, f"{FLOATS} i1 i4 i8 u1 u4")
    condition, *values = draw_broadcast(draw, 3)
    inputs = [
        draw_array(draw, bool, condition),
        *(draw_array(draw, dtype, shape) for shape in values),
    ]
    return draw_case(draw, "Where", opset, inputs, parameters=(0, 1, 2))


CASES: dict[str, Cases] = {
    **{op: unary(op) for op in _UNARY},
    **{op: binary(op) for op in _BINARY},
    "Max": extremum("Max"),
    "Min": extremum("Min"),
    "Mod": modulo(),
    "Pow": power(),
    "Where": where(),
}
"""The operators of this family."""
