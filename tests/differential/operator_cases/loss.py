"""Losses."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_dtype,
    draw_opset,
    draw_shape,
    draw_some,
)

_REDUCTION = st.sampled_from(("mean", "none", "sum"))


@st.composite
def loss(draw: Draw, op: str, outputs: int) -> Case:
    """With and without weights and targets that do not count."""
    classes = draw(st.integers(1, 4))
    batch, *spatial = draw_shape(draw, 1, 3, empty=False)
    dtype = draw_dtype(draw, "f4 f8")
    target = draw_array(draw, draw_dtype(draw, "i4 i8"), (batch, *spatial), special=False)
    target = np.abs(target) % classes
    attributes = draw_some(draw, reduction=_REDUCTION)
    if draw(st.booleans()):
        attributes["ignore_index"] = draw(st.sampled_from((-1, 0, 99)))
        others = draw_array(draw, "?", target.shape)
        target = np.where(others, target, target.dtype.type(attributes["ignore_index"]))
    inputs = [draw_array(draw, dtype, (batch, classes, *spatial), special=False), target]
    if draw(st.booleans()):
        inputs.append(draw_array(draw, dtype, (classes,), special=False, low=0.5))
    opset = draw_opset(draw, op)
    count = draw(st.integers(1, outputs))
    return draw_case(
        draw, op, opset, inputs, attributes, parameters=(2,), outputs=count, magnitude=8
    )


CASES: dict[str, Cases] = {
    "NegativeLogLikelihoodLoss": loss("NegativeLogLikelihoodLoss", 1),
    "SoftmaxCrossEntropyLoss": loss("SoftmaxCrossEntropyLoss", 2),
}
"""The operators of this family."""
