"""Attention, FlexAttention and LinearAttention from a model of one node to its results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt import InferenceSession, compiler, dtypes
from pyflame_rt.errors import InvalidModelError

PREVIEW = "ai.onnx.preview"
OPSETS = [helper.make_opsetid("", 26), helper.make_opsetid(PREVIEW, 1)]


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(dtype)


def model_of(
    nodes: Sequence[NodeProto],
    feed: dict[str, np.ndarray],
    results: Sequence[str],
    *,
    shapes: str = "static",
    opsets: Any = OPSETS,
) -> ModelProto:
    """A model of these nodes, the shapes of its inputs declared, named or left out."""
    values: list[Any] = []
    for name, array in feed.items():
        shape: Any = (
            array.shape if shapes == "static" else [f"{name}{k}" for k in range(array.ndim)]
        )
        kind = dtypes.by_numpy()[array.dtype].onnx
        known = None if shapes == "unranked" else shape
        values.append(helper.make_tensor_value_info(name, kind, known))
    shown = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph(nodes, "g", values, shown)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def ways(model: ModelProto, feed: dict[str, np.ndarray]) -> list[list[np.ndarray]]:
    """The results of the reference interpreter and of a session."""
    data = model.SerializeToString()
    program = compiler.load(data)
    reference = compiler.compile_module(program.module, program.ctx, "reference", "")
    return [
        reference.run([feed[spec.name] for spec in reference.inputs]),
        InferenceSession(data).run(None, feed),
    ]


def subgraph(nodes: Sequence[NodeProto], kind: int, constants: Sequence[Any] = ()) -> GraphProto:
    """A graph from `s` to `t`, of four dimensions."""
    ends = [helper.make_tensor_value_info(name, kind, [None] * 4) for name in "st"]
    return helper.make_graph(nodes, "mod", ends[:1], ends[1:], constants)


@pytest.mark.parametrize("shapes", ["static", "symbolic", "unranked"])
def test_optional_outputs(shapes: str):
    """Any of them may be left out, by an empty name or by none."""
    feed = dict(
        zip("qkv", (normal(2, 4, 3, 8), normal(2, 2, 5, 8), normal(2, 2, 5, 6)), strict=True)
    )
    every = helper.make_node("Attention", [*"qkv"], [*"yabs"])
    (all_of_them, _) = ways(model_of([every], feed, "yabs", shapes=shapes), feed)
    for outputs in ("y", "y__s", "y_b", "ya_s", "yab"):
        names = ["" if name == "_" else name for name in outputs]
        node = helper.make_node("Attention", [*"qkv"], names)
        wanted = [all_of_them["yabs".index(name)] for name in names if name]
        model = model_of([node], feed, [name for name in names if name], shapes=shapes)
        for found in ways(model, feed):
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shapes", ["static", "symbolic", "unranked"])
def test_masks_for_one_key(shapes: str):
    """Until opset 24 such a mask broadcasts, from then on other keys are not seen."""
    x, past, mask = normal(1, 1, 3, 4), normal(1, 1, 2, 4), np.array([[1], [0], [1]], np.float32)
    feed = {"x": x, "m": mask, "p": past}
    node = helper.make_node("Attention", [*"xxxmpp"], [*"yab"])
    keys = np.concatenate((past, x), axis=2)[0, 0]
    scores = x[0, 0] @ keys.T / 2 + mask
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    first = np.broadcast_to(keys[0], (3, 4))
    for opset, wanted in ((23, weights @ keys), (24, first)):
        opsets = [helper.make_opsetid("", opset)]
        for y, *_ in ways(model_of([node], feed, "yab", shapes=shapes, opsets=opsets), feed):
            np.testing.assert_allclose(y[0, 0], wanted, rtol=1e-5)


def test_what_opsets_do_not_have():
    """No lengths before opset 24, no windows before 25."""
    x = {"x": normal(1, 1, 3, 4), "n": np.array([2])}
    lengths = helper.make_node("Attention", [*"xxx", "", "", "", "n"], ["y"])
    window = helper.make_node("Attention", [*"xxx"], ["y"], left_window_size=1)
    for opset, node, text in (
        (23, lengths, "has 7 inputs, at most 6"),
        (24, window, 'operator Attention has no attribute "left_window_size"'),
    ):
        model = model_of([node], x, "y", opsets=[helper.make_opsetid("", opset)])
        with pytest.raises(InvalidModelError, match=text):
            compiler.load(model.SerializeToString())


@pytest.mark.parametrize("shapes", ["static", "symbolic", "unranked"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_flex_attention(shapes: str, dtype: Any):
    """Subgraphs with values of the graph around them and their own, heads that share keys."""
    kind = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
    exact = np.float64 if dtype == np.float64 else np.float32
    half = numpy_helper.from_array(np.array(0.5, exact), "half")
    feed = {
        "q": normal(2, 4, 3, 8, dtype=dtype),
        "k": normal(2, 2, 5, 8, dtype=dtype),
        "v": normal(2, 2, 5, 6, dtype=dtype),
        "bias": normal(3, 5, dtype=exact),
    }
    node = helper.make_node(
        "FlexAttention",
        [*"qkv"],
        ["y"],
        domain=PREVIEW,
        score_mod=subgraph([helper.make_node("Add", ["s", "bias"], ["t"])], kind),
        prob_mod=subgraph([helper.make_node("Mul", ["s", "half"], ["t"])], kind, [half]),
    )
    groups = [np.repeat(feed[name].astype(np.float64), 2, axis=1) for name in "kv"]
    scores = feed["q"].astype(np.float64) @ groups[0].swapaxes(2, 3) / np.sqrt(8) + feed["bias"]
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True) / 2
    rtol = {np.float16: 1e-3, np.float32: 1e-5, np.float64: 1e-12}[dtype]
    for (y,) in ways(model_of([node], feed, "y", shapes=shapes), feed):
        assert y.dtype == dtype
        np.testing.assert_allclose(y, weights @ groups[1], rtol=rtol, atol=rtol)


def test_flex_attention_of_another_precision():
    """The subgraphs see the type that the softmax is computed in."""
    feed = dict(zip("qkv", (normal(1, 2, 3, 4, seed=seed) for seed in range(3)), strict=True))
    node = helper.make_node(
        "FlexAttention",
        [*"qkv"],
        ["y"],
        domain=PREVIEW,
        scale=-0.25,
        softmax_precision=TensorProto.DOUBLE,
        score_mod=subgraph([helper.make_node("Tanh", ["s"], ["t"])], TensorProto.DOUBLE),
    )
    q, k, v = (feed[name].astype(np.float64) for name in "qkv")
    powers = np.exp(np.tanh(q @ k.swapaxes(2, 3) * -0.25))
    for (y,) in ways(model_of([node], feed, "y"), feed):
        assert y.dtype == np.float32
        wanted = powers / powers.sum(axis=-1, keepdims=True) @ v
        np.testing.assert_allclose(y, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "heads", "text"),
    [
        ([helper.make_node("Cast", ["s"], ["t"], to=TensorProto.FLOAT16)], 2, "must keep the type"),
        ([helper.make_node("ReduceSum", ["s"], ["t"])], 2, "must keep the type"),
        ([helper.make_node("Tanh", ["nowhere"], ["t"])], 2, "is not defined"),
        ([helper.make_node("Tanh", ["s"], ["t"])], 3, "3 heads of q are no multiple of 2"),
    ],
)
def test_flex_attention_refuses(nodes: list[NodeProto], heads: int, text: str):
    """Subgraphs that give something else, and heads that cannot share."""
    feed = {"q": normal(1, heads, 3, 4), "k": normal(1, 2, 5, 4), "v": normal(1, 2, 5, 4)}
    graph = subgraph(nodes, TensorProto.FLOAT)
    node = helper.make_node("FlexAttention", [*"qkv"], ["y"], domain=PREVIEW, prob_mod=graph)
    with pytest.raises(InvalidModelError, match=text):
        compiler.load(model_of([node], feed, "y").SerializeToString())


@pytest.mark.parametrize("shapes", ["static", "symbolic", "unranked"])
def test_linear_attention(shapes: str):
    """A hint for tuning changes nothing."""
    feed = {"q": normal(2, 3, 8), "k": normal(2, 3, 4), "v": normal(2, 3, 6), "g": normal(2, 3, 2)}
    node = helper.make_node(
        "LinearAttention",
        [*"qkv", "", "g"],
        ["y", "s"],
        q_num_heads=4,
        kv_num_heads=2,
        update_rule="gated",
        chunk_size=2,
    )
    opsets = [helper.make_opsetid("", 27)]
    model = model_of([node], feed, "ys", shapes=shapes, opsets=opsets)
    wanted = ReferenceEvaluator(model_of([node], feed, "ys", opsets=opsets)).run(None, feed)
    for found in ways(model, feed):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
