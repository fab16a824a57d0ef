"""onnxruntime's attention of quantized data means here what it means there."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import pyflame_rt

ort = pytest.importorskip("onnxruntime")

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)
BATCH, LENGTH, INPUTS, HIDDEN, HEADS = 2, 5, 16, 8, 2
COLUMNS = RNG.uniform(0.001, 0.01, 3 * HIDDEN).astype(np.float32)
PAST = RNG.standard_normal((2, BATCH, HEADS, 3, HIDDEN // HEADS)).astype(np.float32)
KEYS = np.array([[1, 1, 2, 0, -1], [0, 1, 1, 1, 1]], np.int32)
SOME = {"mask_filter_value": -1.0}


def _model(
    feeds: dict[str, Array], constants: dict[str, Array], outputs: int, **attributes: object
) -> bytes:
    """One node with inputs x, w, b, sx, sw, mask, zx, zw, past, of which some may be absent."""
    order = ("x", "w", "b", "sx", "sw", "mask", "zx", "zw", "past")
    names = [name if name in feeds or name in constants else "" for name in order]
    while not names[-1]:
        names.pop()
    made = ["y", "present"][:outputs]
    node = helper.make_node(
        "QAttention", names, made, domain="com.microsoft", num_heads=HEADS, **attributes
    )
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in feeds.items()
    ]
    results = [helper.make_empty_tensor_value_info(name) for name in made]
    initializers = [onnx.numpy_helper.from_array(a, n) for n, a in constants.items()]
    graph = helper.make_graph([node], "one", values, results, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


@pytest.mark.parametrize(
    ("mask", "past", "attributes"),
    [
        (None, False, {}),
        (None, False, {"scale": 0.3, "unidirectional": 1}),
        (KEYS, False, SOME),
        (KEYS, False, {"unidirectional": 1}),
        (np.array([3, 5], np.int32), False, SOME),
        (np.array([3, 5, 1, 2], np.int32), False, SOME),
        (RNG.integers(0, 2, (BATCH, LENGTH, LENGTH)).astype(np.int32), False, SOME),
        (None, True, {"unidirectional": 1}),
        (RNG.integers(0, 2, (BATCH, LENGTH + 3)).astype(np.int32), True, {"unidirectional": 1}),
        (np.array([4, 8], np.int32), True, SOME),
    ],
)
@pytest.mark.parametrize("columns", [False, True])
def test_attention_of_quantized_data(
    mask: Array | None, past: bool, attributes: dict[str, object], columns: bool
) -> None:
    """Masks of keys, of queries and keys, and of lengths; a past; scales of weights one or a column."""
    kind = np.int8 if columns else np.uint8
    limits = np.iinfo(kind)
    weights = RNG.integers(limits.min, limits.max, (INPUTS, 3 * HIDDEN)).astype(kind)
    feeds = {"x": RNG.integers(0, 256, (BATCH, LENGTH, INPUTS)).astype(np.uint8)}
    constants: dict[str, Array] = {
        "w": weights, "b": RNG.standard_normal(3 * HIDDEN).astype(np.float32),
        "sx": np.array(0.02, np.float32), "sw": COLUMNS if columns else np.array(0.005, np.float32),
        "zx": np.array(120, np.uint8),
        "zw": np.zeros(3 * HIDDEN, kind) if columns else np.array(130, kind),
    }  # fmt: skip
    if mask is not None:
        feeds["mask"] = mask
    if past:
        feeds["past"] = PAST
    model = _model(feeds, constants, 1 + past, **attributes)
    theirs = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)
    ours = pyflame_rt.InferenceSession(model).run(None, feeds)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-5)


def test_what_attention_is_not_supported_is_said() -> None:
    feeds = {"x": np.zeros((1, 2, 4), np.uint8)}
    constants: dict[str, Array] = {
        "w": np.zeros((4, 24), np.int8), "b": np.zeros(24, np.float32),
        "sx": np.array(1, np.float32), "sw": np.array(1, np.float32),
    }  # fmt: skip
    with pytest.raises(pyflame_rt.errors.PyFlameRTError, match="rotary"):
        pyflame_rt.InferenceSession(_model(feeds, constants, 1, do_rotary=1))
