"""Type inference and costs of recurrent networks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32
from xdsl.utils.test_value import create_ssa_value

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.recurrent import GruOp, LstmOp, RecurrentOp, RnnOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of

CELLS: list[type[RecurrentOp]] = [LstmOp, GruOp, RnnOp]


def ones(*shape: int) -> np.ndarray:
    """A float32 array."""
    return np.ones(shape, np.float32)


@settings(max_examples=90, deadline=None, derandomize=True)
@given(
    data=st.data(),
    cell=st.sampled_from(CELLS),
    direction=st.sampled_from(["forward", "reverse", "bidirectional"]),
    layout=st.integers(0, 1),
)
def test_inference_agrees_with_the_kernel(
    check_inference: Callable[..., PfrtOp],
    data: st.DataObject,
    cell: type[RecurrentOp],
    direction: str,
    layout: int,
):
    """Every direction and layout, with and without the optional operands, and empty ones."""
    steps, batch = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 2))
    inputs, hidden = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    count, rows = 2 if direction == "bidirectional" else 1, cell.GATES * hidden
    state = ones(batch, count, hidden) if layout else ones(count, batch, hidden)
    arrays = [
        ones(batch, steps, inputs) if layout else ones(steps, batch, inputs),
        ones(count, rows, inputs),
        ones(count, rows, hidden),
    ]
    optional = [ones(count, 2 * rows), np.full(batch, steps, np.int32), state]
    if cell is LstmOp:
        optional += [state, ones(count, 3 * hidden)]
    arrays += [array if data.draw(st.booleans()) else None for array in optional]
    op = check_inference(cell, arrays, {"direction": direction, "layout": layout})
    assert op.flops() == 2 * steps * batch * count * rows * (inputs + hidden)


@pytest.mark.parametrize("cell", CELLS)
def test_activations_are_strings(check_inference: Callable[..., PfrtOp], cell: type[RecurrentOp]):
    """Names, and the parameters of those that have some."""
    rows = cell.GATES * 2
    how = {
        "activations": ("LeakyRelu",) * cell.FUNCTIONS,
        "activation_alpha": np.array([0.5], np.float32),
        "clip": 2.0,
    }
    absent = [None] * (5 if cell is LstmOp else 3)
    check_inference(cell, [ones(3, 1, 2), ones(1, rows, 2), ones(1, rows, 2), *absent], how)


def test_the_hidden_size_comes_from_any_weights():
    """From rows of either, where the columns of r are unknown."""
    x = create_ssa_value(TensorType(f32, [DYNAMIC, DYNAMIC, 3]))
    w = create_ssa_value(TensorType(f32, [1, 12, 3]))
    r = create_ssa_value(TensorType(f32, [1, DYNAMIC, DYNAMIC]))
    op = GruOp.create_op([x, w, r, None, None, None])
    assert shape_of(op.y) == (DYNAMIC, 1, DYNAMIC, 4)
    assert op.flops() is None
