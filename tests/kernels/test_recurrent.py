"""LSTM, GRU and RNN against ONNX Runtime.

Where ONNX Runtime 1.31 is no judge: it aborts the process on a batch of 0; it knows no layout 1,
float16 or, for LSTM, float64; Affine, ScaledTanh and ThresholdedRelu without parameters give 0
instead of what ONNX's operators of these names default to. These cases are compared with the
kernel's own other forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels import table
from pyflame_rt.kernels.recurrent import ACTIVATIONS, gru, lstm, rnn

CELLS = {"LSTM": (4, 3), "GRU": (3, 2), "RNN": (1, 1)}
"""Gates and functions of each."""

WITHOUT_DEFAULT = ("Affine", "ScaledTanh", "ThresholdedRelu")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(np.float32)


def run(op: str, arrays: list[np.ndarray | None], how: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """The kernel's results, from ONNX's attributes."""
    properties = {
        key: np.array(value, np.float32) if key.startswith("activation_") else value
        for key, value in how.items()
    }
    for flag in ("input_forget", "linear_before_reset"):
        if flag in properties:
            properties[flag] = bool(properties[flag])
    return table()[op.lower()](*arrays, **properties)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data(), op=st.sampled_from(sorted(CELLS)))
def test_equals_onnxruntime(onnxruntime_result: Callable[..., Any], data: st.DataObject, op: str):
    """Directions, lengths, states, peepholes, clip, activations with and without parameters."""
    gates, functions = CELLS[op]
    steps, batch, inputs, hidden = (data.draw(st.integers(1, 4)) for _ in range(4))
    direction = data.draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    count = 2 if direction == "bidirectional" else 1

    def maybe(array: np.ndarray) -> np.ndarray | None:
        return array if data.draw(st.booleans()) else None

    lengths = [data.draw(st.integers(0, steps)) for _ in range(batch)]
    state = (count, batch, hidden)
    arrays = [
        normal(steps, batch, inputs),
        normal(count, gates * hidden, inputs),
        normal(count, gates * hidden, hidden, seed=1),
        maybe(normal(count, 2 * gates * hidden)),
        maybe(np.array(lengths, np.int32)),
        maybe(normal(*state)),
    ]
    how: dict[str, Any] = {"direction": direction}
    if data.draw(st.booleans()):
        how["clip"] = data.draw(st.sampled_from([0.25, 1.0]))
    if op == "LSTM":
        arrays += [maybe(normal(*state, seed=2)), maybe(normal(count, 3 * hidden))]
        how["input_forget"] = data.draw(st.integers(0, 1))
    if op == "GRU":
        how["linear_before_reset"] = data.draw(st.integers(0, 1))
    if data.draw(st.booleans()):
        given_numbers = data.draw(st.booleans())
        names = [n for n in ACTIVATIONS if given_numbers or n not in WITHOUT_DEFAULT]
        how["activations"] = [data.draw(st.sampled_from(names)) for _ in range(count * functions)]
        for key in ("alpha", "beta") if given_numbers else ():
            wanted = sum(key in ACTIVATIONS[name][1] for name in how["activations"])
            if wanted:
                how[f"activation_{key}"] = [0.25 + at / 8 for at in range(wanted)]
    got = run(op, arrays, how)
    outputs = len(got)
    want = onnxruntime_result(op, arrays, outputs, opset=14, hidden_size=hidden, **how)
    for one, other in zip(got, want, strict=True):
        assert one.shape == other.shape
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("op", sorted(CELLS))
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_layout_swaps_steps_and_batch(op: str, direction: str):
    """Layout 1 has the batch first in operands and results, as ONNX lists them."""
    gates, _ = CELLS[op]
    count = 2 if direction == "bidirectional" else 1
    x, w, r = normal(5, 2, 3), normal(count, 4 * gates, 3), normal(count, 4 * gates, 4, seed=1)
    h = normal(count, 2, 4)
    lengths = np.array([5, 3], np.int32)
    y, *last = run(op, [x, w, r, None, lengths, h], {"direction": direction})
    swapped = [x.swapaxes(0, 1), w, r, None, lengths, h.swapaxes(0, 1)]
    got, *states = run(op, swapped, {"direction": direction, "layout": 1})
    np.testing.assert_array_equal(got, y.transpose(2, 0, 1, 3))
    for one, other in zip(states, last, strict=True):
        np.testing.assert_array_equal(one, other.swapaxes(0, 1))


@pytest.mark.parametrize("op", sorted(CELLS))
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats(op: str, dtype: Any):
    """f16 is computed as f32 and rounded at the end; f64 throughout."""
    gates, _ = CELLS[op]
    arrays = [normal(4, 2, 3), normal(1, 4 * gates, 3), normal(1, 4 * gates, 4, seed=1)]
    narrow = [array.astype(np.float16) for array in arrays]
    exact = run(op, [array.astype(np.float64) for array in narrow], {})
    got = run(op, [array.astype(dtype) for array in narrow], {})
    for one, other in zip(got, exact, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("op", sorted(CELLS))
@pytest.mark.parametrize(("steps", "batch"), [(0, 2), (3, 0), (0, 0)])
def test_nothing_to_do(op: str, steps: int, batch: int):
    """No steps or no batch give results of these sizes, the last state being zero."""
    gates, _ = CELLS[op]
    y, *last = run(
        op, [normal(steps, batch, 3), normal(1, 4 * gates, 3), normal(1, 4 * gates, 4)], {}
    )
    assert y.shape == (steps, 1, batch, 4)
    assert all(state.shape == (1, batch, 4) and not state.any() for state in last)


def test_defaults_of_activations_are_those_of_onnx():
    """Affine is the identity, ScaledTanh tanh, and ThresholdedRelu has the threshold 1."""
    x, w, r = np.array([[[0.5], [2.0]]], np.float32), np.ones((1, 1, 1), np.float32), None
    r = np.zeros((1, 1, 1), np.float32)
    for name, expected in (
        ("Affine", [0.5, 2.0]),
        ("ScaledTanh", np.tanh([0.5, 2.0])),
        ("ThresholdedRelu", [0.0, 2.0]),
    ):
        _, last = rnn(x, w, r, activations=(name,))
        np.testing.assert_allclose(last.ravel(), expected, rtol=1e-6)


def test_operands_that_do_not_fit_are_errors():
    """Shapes and lengths that are known only at run time."""
    x, w, r = normal(3, 2, 3), normal(1, 12, 3), normal(1, 12, 4)
    with pytest.raises(ValueError, match="sequence_lens must be 2 numbers from 0 to 3"):
        gru(x, w, r, None, np.array([4, 1], np.int32))
    with pytest.raises(ValueError, match="sequence_lens must be 2 numbers"):
        gru(x, w, r, None, np.array([1], np.int32))
    with pytest.raises(ValueError, match=r"an initial state of shape \[1, 3, 4\], not \[1, 2, 4\]"):
        gru(x, w, r, None, None, normal(1, 3, 4))
    with pytest.raises(ValueError, match=r"a bias of shape \[1, 3\]"):
        lstm(x, normal(1, 16, 3), normal(1, 16, 4), normal(1, 3))
