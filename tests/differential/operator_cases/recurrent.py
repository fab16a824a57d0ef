"""Recurrent networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import Cases, Draw, draw_array, draw_case, draw_opset

_ACTIVATIONS = st.sampled_from(
    ("Sigmoid", "Tanh", "Relu", "HardSigmoid", "LeakyRelu", "ScaledTanh", "Affine", "Elu")
)
_TAKES_ALPHA = ("HardSigmoid", "LeakyRelu", "ScaledTanh", "Affine", "Elu")
_TAKES_BETA = ("HardSigmoid", "ScaledTanh", "Affine")
_WITHOUT_DEFAULTS = {"ScaledTanh", "Affine"}
"""What these do without numbers, ONNX leaves open."""


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
    attributes: dict[str, Any] = {"hidden_size": hidden}
    if ways == 2 or direction == "reverse" or draw(st.booleans()):
        attributes["direction"] = direction
    if draw(st.booleans()):
        attributes["clip"] = 0.5
    if draw(st.booleans()):
        attributes["activations"] = [draw(_ACTIVATIONS) for _ in range(3 * ways)]
        for name, taking in (("alpha", _TAKES_ALPHA), ("beta", _TAKES_BETA)):
            # One number for each activation that takes one, in their order.
            count = sum(kind in taking for kind in attributes["activations"])
            needed = not _WITHOUT_DEFAULTS.isdisjoint(attributes["activations"])
            if count and (needed or draw(st.booleans())):
                attributes[f"activation_{name}"] = [0.25 + 0.125 * k for k in range(count)]
    if draw(st.integers(0, 3)) == 0:
        attributes["input_forget"] = 1
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
