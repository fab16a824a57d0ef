"""Recurrent networks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import Cases, Draw, draw_array, draw_case, draw_opset


@st.composite
def lstm(draw: Draw) -> Case:
    """Each direction, each optional input, sequences of different lengths, any of the outputs."""
    opset = draw_opset(draw, "LSTM")
    direction = draw(st.sampled_from(("forward", "reverse", "bidirectional")))
    ways = 2 if direction == "bidirectional" else 1
    length, batch, features, hidden = (draw(st.integers(1, 3)) for _ in range(4))

    def array(*shape: int):
        return draw_array(draw, np.float32, shape, special=False, low=-1, high=1)

    inputs = [
        array(length, batch, features),
        array(ways, 4 * hidden, features),
        array(ways, 4 * hidden, hidden),
        array(ways, 8 * hidden) if draw(st.booleans()) else None,
        np.array([draw(st.integers(1, length)) for _ in range(batch)], np.int32)
        if draw(st.booleans())
        else None,
        array(ways, batch, hidden) if draw(st.booleans()) else None,
        array(ways, batch, hidden) if draw(st.booleans()) else None,
        array(ways, 3 * hidden) if draw(st.booleans()) else None,
    ]
    attributes: dict[str, object] = {"hidden_size": hidden}
    if ways == 2 or direction == "reverse" or draw(st.booleans()):
        attributes["direction"] = direction
    if draw(st.booleans()):
        attributes["clip"] = 0.5
    if draw(st.booleans()):
        attributes["activations"] = ["HardSigmoid", "Relu", "Tanh"] * ways
    return draw_case(
        draw,
        "LSTM",
        opset,
        inputs,
        attributes,
        parameters=(1, 2, 3, 7),
        outputs=draw(st.integers(1, 3)),
        magnitude=1,
    )


CASES: dict[str, Cases] = {"LSTM": lstm()}
"""The operators of this family."""
