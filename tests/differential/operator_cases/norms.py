"""Norms of elements along axes and in windows, and what is least or greatest among them."""

from __future__ import annotations

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
from operator_cases.windows import draw_window

_REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")


@st.composite
def reduction(draw: Draw, op: str) -> Case:
    """Axes as an attribute until opset 18, then as an input."""
    opset = draw_opset(draw, op)
    shape = draw_shape(draw)
    # What a logarithm of a negative sum becomes is tested on floats.
    whole = "" if "Log" in op else " i4 i8"
    x = draw_array(draw, draw_dtype(draw, FLOATS + whole), shape, special=False)
    attributes = draw_some(draw, keepdims=FLAG)
    axes = draw_axes(draw, len(shape)) if draw(st.booleans()) else None
    inputs = [x]
    if opset >= 18:
        attributes |= draw_some(draw, noop_with_empty_axes=FLAG)
        if axes is not None:
            inputs.append(ints(axes))
    elif axes:
        attributes["axes"] = axes if opset >= 11 else [axis % len(shape) for axis in axes]
    return draw_case(draw, op, opset, inputs, attributes, parameters=(1,), magnitude=1)


@st.composite
def arg_min(draw: Draw) -> Case:
    """The first or the last of equal elements."""
    opset = draw_opset(draw, "ArgMin")
    shape = draw_shape(draw, 1, empty=False)
    axis = draw_axis(draw, len(shape)) if opset >= 11 else draw(st.integers(0, len(shape) - 1))
    attributes = draw_some(draw, axis=st.just(axis), keepdims=FLAG)
    if opset >= 12:
        attributes |= draw_some(draw, select_last_index=FLAG)
    x = draw_array(draw, draw_dtype(draw, f"{FLOATS} i1 i4 i8 u1"), shape, low=-1, high=1)
    return draw_case(draw, "ArgMin", opset, [x], attributes)


@st.composite
def lp_pool(draw: Draw) -> Case:
    """The first or the second norm of windows."""
    opset = draw_opset(draw, "LpPool")
    window = draw_window(draw, dilated=opset >= 18, padded_below_kernel=True)
    attributes = {**window.attributes, "kernel_shape": list(window.kernel)}
    attributes |= draw_some(draw, p=st.integers(1, 3))
    if opset >= 18:
        attributes |= draw_some(draw, ceil_mode=FLAG)
    batch, channels = draw(st.sampled_from((1, 2, 0))), draw(st.integers(1, 3))
    x = draw_array(draw, "f4", (batch, channels, *window.spatial), special=False)
    return draw_case(draw, "LpPool", opset, [x], attributes, magnitude=1)


@st.composite
def global_pool(draw: Draw, op: str, newest: int) -> Case:
    """One to three spatial axes."""
    opset = min(draw_opset(draw, op), newest)
    shape = draw_shape(draw, 3, 5, empty=False)
    x = draw_array(draw, draw_dtype(draw, "f4 f2"), shape, special=False)
    attributes = draw_some(draw, p=st.integers(1, 3)) if op == "GlobalLpPool" else {}
    return draw_case(draw, op, opset, [x], attributes, magnitude=1)


@st.composite
def local_response(draw: Draw) -> Case:
    """Windows of an odd number of channels, wider than all of them too."""
    attributes: dict[str, object] = {"size": draw(st.sampled_from((1, 3, 5)))}
    attributes |= draw_some(
        draw,
        alpha=st.sampled_from((0.0001, 0.5, 1.0)),
        beta=st.sampled_from((0.5, 0.75)),
        bias=st.sampled_from((1.0, 2.0)),
    )
    shape = draw_shape(draw, 4, 4, empty=False)
    x = draw_array(draw, "f4", shape, special=False)
    return draw_case(draw, "LRN", draw_opset(draw, "LRN"), [x], attributes, magnitude=1)


CASES: dict[str, Cases] = {
    **{op: reduction(op) for op in _REDUCTIONS},
    "ArgMin": arg_min(),
    # ONNX Runtime has no kernel of opset 22.
    "GlobalLpPool": global_pool("GlobalLpPool", 21),
    "GlobalMaxPool": global_pool("GlobalMaxPool", 100),
    "LRN": local_response(),
    "LpPool": lp_pool(),
}
"""The operators of this family."""
