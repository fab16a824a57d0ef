"""Recurrent networks of other cells than LSTM's."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import Cases, Draw, draw_array, draw_case, draw_opset

_GATES = {"GRU": 3, "RNN": 1}
_FUNCTIONS = {"GRU": ["HardSigmoid", "Relu"], "RNN": ["Relu"]}


@st.composite
def cell(draw: Draw, op: str) -> Case:
    """Each direction, each optional input, sequences of different lengths, either output."""
    direction = draw(st.sampled_from(("forward", "reverse", "bidirectional")))
    ways, gates = 2 if direction == "bidirectional" else 1, _GATES[op]
    length, batch, features, hidden = (draw(st.integers(1, 3)) for _ in range(4))

    def array(*shape: int):
        return draw_array(draw, np.float32, shape, special=False, low=-1, high=1)

    inputs = [
        array(length, batch, features),
        array(ways, gates * hidden, features),
        array(ways, gates * hidden, hidden),
        array(ways, 2 * gates * hidden) if draw(st.booleans()) else None,
        np.array([draw(st.integers(1, length)) for _ in range(batch)], np.int32)
        if draw(st.booleans())
        else None,
        array(ways, batch, hidden) if draw(st.booleans()) else None,
    ]
    attributes: dict[str, object] = {"hidden_size": hidden, "direction": direction}
    if op == "GRU" and draw(st.booleans()):
        attributes["linear_before_reset"] = 1
    if draw(st.booleans()):
        attributes["clip"] = 0.5
    if draw(st.booleans()):
        attributes["activations"] = _FUNCTIONS[op] * ways
    return draw_case(
        draw,
        op,
        draw_opset(draw, op),
        inputs,
        attributes,
        parameters=(1, 2, 3),
        outputs=draw(st.integers(1, 2)),
        magnitude=1,
    )


CASES: dict[str, Cases] = {op: cell(op) for op in _GATES}
"""The operators of this family."""
