"""Reductions."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    FLAG,
    FLOATS,
    Cases,
    Draw,
    draw_array,
    draw_axes,
    draw_axis,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
    ints,
)

_SUMS = {7: f"{FLOATS} i4 i8"}
_EXTREMA = {7: f"{FLOATS} i4 i8", 12: f"{FLOATS} i1 i4 i8 u1", 20: f"{FLOATS} i1 i4 i8 u1 ?"}
_DTYPES: Mapping[str, Mapping[int, str]] = {
    "ReduceMax": _EXTREMA,
    "ReduceMean": _SUMS,
    "ReduceMin": _EXTREMA,
    "ReduceProd": _SUMS,
    "ReduceSum": _SUMS,
}
_AXES_ARE_AN_INPUT = {"ReduceSum": 13}


@st.composite
def reduction(draw: Draw, op: str) -> Case:
    """Axes as an attribute or an input, absent, empty, all."""
    opset = draw_opset(draw, op)
    dtype = draw_dtype(draw, _DTYPES[op], opset)
    shape = draw_shape(draw)
    x = draw_array(
        draw, dtype, shape, special=dtype.kind != "i" or op in ("ReduceMax", "ReduceMin")
    )
    attributes = draw_some(draw, keepdims=FLAG)
    axes = draw_axes(draw, len(shape)) if draw(st.booleans()) else None
    inputs = [x]
    if opset >= _AXES_ARE_AN_INPUT.get(op, 18):
        attributes |= draw_some(draw, noop_with_empty_axes=FLAG)
        if axes is not None:
            inputs.append(ints(axes))
    elif axes:
        if opset < 11:
            axes = [axis % len(shape) for axis in axes]
        attributes["axes"] = axes
    magnitude = 1 if op in ("ReduceMean", "ReduceSum") else 0
    return draw_case(draw, op, opset, inputs, attributes, parameters=(1,), magnitude=magnitude)


@st.composite
def arg_max(draw: Draw) -> Case:
    """The first or the last of equal elements."""
    opset = draw_opset(draw, "ArgMax")
    shape = draw_shape(draw, 1, empty=False)
    axis = draw_axis(draw, len(shape)) if opset >= 11 else draw(st.integers(0, len(shape) - 1))
    attributes = draw_some(draw, axis=st.just(axis), keepdims=FLAG)
    if opset >= 12:
        attributes |= draw_some(draw, select_last_index=FLAG)
    x = draw_array(draw, draw_dtype(draw, f"{FLOATS} i1 i4 i8 u1"), shape, low=-1, high=1)
    return draw_case(draw, "ArgMax", opset, [x], attributes)


CASES: dict[str, Cases] = {**{op: reduction(op) for op in _DTYPES}, "ArgMax": arg_max()}
"""The operators of this family."""
