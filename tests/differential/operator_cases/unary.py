"""What maps each element by itself, and casts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    ANY,
    FLAG,
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
)

_NARROW = {7: "f4 f2"}
_DTYPES: Mapping[str, Mapping[int, str]] = {
    "Acosh": _NARROW,
    "Asin": _NARROW,
    "Asinh": _NARROW,
    "Atan": _NARROW,
    "Atanh": _NARROW,
    "BitwiseNot": {7: INTEGERS},
    "Celu": {7: "f4"},
    "Cosh": _NARROW,
    "Elu": _NARROW,
    "Gelu": _NARROW,
    "IsInf": {7: "f4 f8", 20: FLOATS},
    "IsNaN": {7: FLOATS},
    "Mish": {7: FLOATS, 22: "f4 f2"},
    "Round": {7: FLOATS},
    "Selu": _NARROW,
    "Sinh": _NARROW,
    "Size": {7: ANY},
    "Softplus": _NARROW,
    "Softsign": _NARROW,
    "Swish": {7: FLOATS},
    "Tan": _NARROW,
    "ThresholdedRelu": _NARROW,
}
_FACTOR = st.sampled_from((0.125, 0.5, 1.0, 1.5, 3.0))
_ATTRIBUTES: Mapping[str, Mapping[str, st.SearchStrategy[object]]] = {
    "Celu": {"alpha": _FACTOR},
    "Elu": {"alpha": _FACTOR},
    "Gelu": {"approximate": st.sampled_from(("none", "tanh"))},
    "IsInf": {"detect_negative": FLAG, "detect_positive": FLAG},
    "Selu": {"alpha": _FACTOR, "gamma": _FACTOR},
    "Swish": {"alpha": _FACTOR},
    "ThresholdedRelu": {"alpha": _FACTOR},
}
_NEWEST = {"Swish": 24}
"""The newest opset for which ONNX Runtime has a kernel, where that is not the newest of all."""
_TARGETS = "f4 f8 i4 i8 ?"


@st.composite
def unary(draw: Draw, op: str) -> Case:
    """Each parameter given or not."""
    opset = min(draw_opset(draw, op), _NEWEST.get(op, 100))
    x = draw_array(draw, draw_dtype(draw, _DTYPES[op], opset), draw_shape(draw))
    return draw_case(draw, op, opset, [x], draw_some(draw, **_ATTRIBUTES.get(op, {})))


@st.composite
def cast_like(draw: Draw) -> Case:
    """Numbers that fit the type of the second input, which is not otherwise used."""
    x = draw_array(draw, draw_dtype(draw, f"{_TARGETS} f2"), draw_shape(draw), special=False)
    like = np.zeros(draw_shape(draw, 0, 1), draw_dtype(draw, _TARGETS))
    return draw_case(draw, "CastLike", draw_opset(draw, "CastLike"), [x, like], parameters=(1,))


@st.composite
def dropout(draw: Draw) -> Case:
    """Not in training it does nothing, whatever the ratio."""
    opset = draw_opset(draw, "Dropout")
    x = draw_array(draw, draw_dtype(draw, FLOATS), draw_shape(draw))
    ratio = draw(st.sampled_from((0.0, 0.25, 0.75)))
    # ONNX Runtime has no mask before opset 10.
    outputs = draw(st.integers(1, 2)) if opset >= 10 else 1
    if opset < 12:
        attributes = {"ratio": ratio} if draw(st.booleans()) else {}
        return draw_case(draw, "Dropout", opset, [x], attributes, outputs=outputs)
    inputs = [x, np.array(ratio, np.float32)] if draw(st.booleans()) else [x]
    return draw_case(draw, "Dropout", opset, inputs, parameters=(1,), outputs=outputs)


CASES: dict[str, Cases] = {
    **{op: unary(op) for op in _DTYPES},
    "CastLike": cast_like(),
    "Dropout": dropout(),
}
"""The operators of this family."""
