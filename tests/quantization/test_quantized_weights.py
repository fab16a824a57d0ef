"""Weights of four bits in blocks: what is stored, what feedback of errors gains, what others read."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from pyflame_rt import Graph, InferenceSession, load_model
from pyflame_rt.errors import ValidationError
from pyflame_rt.frontends.onnx.export import save_onnx
from pyflame_rt.passes.quantization.blocks import BlockRounding
from pyflame_rt.quantization import quantize_weights

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
IMAGES = np.load(DIGITS / "test.npz")["images"].astype(np.float32)
SEEN, HELD_OUT = IMAGES[:20], IMAGES[200:]
INT4 = np.dtype(ml_dtypes.int4)
Array = npt.NDArray[np.float32]


def answers(graph: Graph, images: Array) -> Array:
    (logits,) = InferenceSession(graph).run(None, {"images": images})
    return logits


def decibels(x: Array, y: Array) -> float:
    return float(10 * np.log10(np.square(x).sum() / np.square(x - y).sum()))


@pytest.mark.parametrize(("name", "symmetric"), [("mlp", True), ("mlp", False), ("cnn", True)])
def test_feedback_beats_rounding_to_the_nearest(name: str, symmetric: bool):
    """By 5 dB at least, on what was recorded and on what was not."""
    graph = load_model(DIGITS / f"{name}.onnx")
    found = {}
    for method in ("nearest", "gptq"):
        data = {"images": SEEN} if method == "gptq" else None
        result = quantize_weights(graph, 4, 32, data, method, symmetric=symmetric)  # type: ignore[arg-type]
        assert result.quantized_graph is not None
        assert result.stats.compression_ratio() > 5.4
        found[method] = [
            decibels(answers(graph, images), answers(result.quantized_graph, images))
            for images in (SEEN, HELD_OUT)
        ]
    assert min(found["nearest"]) > 17
    for better, worse in zip(found["gptq"], found["nearest"], strict=True):
        assert better > worse + 5


def test_each_number_becomes_the_nearest_of_its_block():
    """No integer is nearer, and the largest of a block is met but for rounding."""
    w = np.random.default_rng(0).normal(size=(5, 21)).astype(np.float32)
    blocked = BlockRounding(INT4, 8).nearest(w)
    assert blocked.scale.shape == (5, 3)
    scales = np.repeat(blocked.scale, 8, axis=1)[:, :21]
    assert (np.abs(blocked.reals() - w) <= scales / 2 * (1 + 1e-6)).all()
    assert (np.abs(blocked.values.astype(np.int32)) <= 7).all()
    for start in (0, 8, 16):
        part = np.abs(blocked.values[:, start : start + 8].astype(np.int32))
        assert (part.max(axis=1) == 7).all()


def test_feedback_without_correlation_is_rounding():
    """With inputs that know nothing of each other there is nobody to make up for an error."""
    w = np.random.default_rng(1).normal(size=(4, 16)).astype(np.float32)
    rounding = BlockRounding(INT4, 8)
    alone, nearest = rounding.with_feedback(w, np.eye(16)), rounding.nearest(w)
    np.testing.assert_array_equal(alone.values, nearest.values)
    np.testing.assert_array_equal(alone.scale, nearest.scale)


def test_feedback_lessens_the_error_of_the_output():
    """w x over correlated x is nearer by a third at least."""
    rng = np.random.default_rng(2)
    w = rng.normal(size=(8, 64)).astype(np.float32)
    x = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 64)) + 0.1 * rng.normal(size=(500, 64))
    rounding = BlockRounding(INT4, 32, symmetric=False)
    errors = [
        float(np.square((found.reals() - w) @ x.T).sum())
        for found in (rounding.nearest(w), rounding.with_feedback(w, x.T @ x))
    ]
    assert errors[1] < errors[0] / 1.5


def test_onnxruntime_reads_blocks(tmp_path: Path):
    """From opset 21 on; before, the export says what it needs."""
    onnxruntime = pytest.importorskip("onnxruntime")
    result = quantize_weights(load_model(DIGITS / "cnn.onnx"), symmetric=False)
    assert result.quantized_graph is not None
    module = result.quantized_graph.program().module
    save_onnx(module, tmp_path / "w4.onnx", opset=21)
    session = onnxruntime.InferenceSession(tmp_path / "w4.onnx")
    (theirs,) = session.run(None, {"images": HELD_OUT[:10]})
    ours = answers(result.quantized_graph, HELD_OUT[:10])
    np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)
    again = load_model(tmp_path / "w4.onnx")
    np.testing.assert_allclose(answers(again, HELD_OUT[:10]), ours, rtol=1e-5, atol=1e-5)


def test_depthwise_weights_stay_and_groups_are_rounded():
    """Nine inputs are fewer than a block; each group has inputs of its own."""
    rng = np.random.default_rng(3)
    graph = Graph("groups")
    graph.add_input("x", [None, 8, 6, 6])
    graph.add_initializer("dw", rng.normal(size=(8, 1, 3, 3)).astype(np.float32))
    graph.add_initializer("gw", rng.normal(size=(8, 4, 3, 3)).astype(np.float32))
    graph.add_node("a", "Conv", ["x", "dw"], ["a"], group=8)
    graph.add_node("b", "Conv", ["a", "gw"], ["b"], group=2)
    graph.add_output("b", [None, 8, 2, 2])
    x = rng.normal(size=(20, 8, 6, 6)).astype(np.float32)
    wanted = InferenceSession(graph).run(None, {"x": x})[0]
    noise = []
    for method in ("nearest", "gptq"):
        result = quantize_weights(graph, 4, 12, {"x": x}, method)  # type: ignore[arg-type]
        assert result.quantized_graph is not None
        assert [why for _, why in result.stats.skipped] == [
            "its 9 inputs are fewer than a block of 12"
        ]
        found = InferenceSession(result.quantized_graph).run(None, {"x": x})[0]
        noise.append(float(np.square(found - wanted).sum()))
    assert 0 < noise[1] < noise[0]


def test_a_matrix_that_two_products_share_is_stored_once():
    rng = np.random.default_rng(4)
    graph = Graph("shared")
    graph.add_input("x", [None, 32])
    graph.add_initializer("w", rng.normal(size=(32, 32)).astype(np.float32))
    graph.add_node("a", "MatMul", ["x", "w"], ["a"])
    graph.add_node("b", "MatMul", ["a", "w"], ["b"])
    graph.add_output("b", [None, 32])
    result = quantize_weights(graph, bits=8)
    assert result.stats.nodes_quantized == 2
    assert result.stats.weights_quantized == 1
    assert result.stats.quantized_size_bytes == 32 * 32 + 32 * 4


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"bits": 3}, "bits must be 4 or 8"),
        ({"bits": [4]}, "bits must be 4 or 8"),
        ({"block_size": 0}, "block_size must be at least 1"),
        ({"block_size": "32"}, "block_size must be at least 1, got '32'"),
        ({"method": "gptq"}, "needs data"),
        ({"method": "best"}, "method must be"),
    ],
)
def test_wrong_arguments_are_refused(given: dict[str, object], why: str):
    with pytest.raises(ValidationError, match=why):
        quantize_weights(load_model(DIGITS / "mlp.onnx"), **given)  # type: ignore[arg-type]
