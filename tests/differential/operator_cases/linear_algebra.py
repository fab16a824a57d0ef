"""Linear algebra."""

from __future__ import annotations

from hypothesis import strategies as st

from operator_cases.case import Case
from operator_cases.strategies import (
    Cases,
    Draw,
    draw_array,
    draw_case,
    draw_opset,
    draw_shape,
)


@st.composite
def det(draw: Draw) -> Case:
    """Of one matrix and of stacks of them."""
    side = draw(st.integers(1, 4))
    shape = (*draw_shape(draw, 0, 2, empty=False), side, side)
    x = draw_array(draw, "f4", shape, special=False)
    return draw_case(draw, "Det", draw_opset(draw, "Det"), [x], magnitude=4.0**side)


CASES: dict[str, Cases] = {"Det": det()}
"""The operators of this family."""
