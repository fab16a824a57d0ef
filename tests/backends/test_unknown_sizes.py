"""Calls whose shapes only a run tells: products divided between threads, convolutions in little
memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from pyflame_rt import InferenceSession, SessionOptions, kernels, pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.dialects.plan.ops import SHARES, CallOp
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.universe import make_context


def model(nodes: list[Any], shape: list[int | str], weights: dict[str, np.ndarray]) -> bytes:
    """Nodes from an input x to an output y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 24)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def compiled(source: bytes, split: str) -> tuple[Any, list[CallOp]]:
    """The dynamic plan, and its calls."""
    module = import_onnx(source)
    text = f"pfrt-optimize{{level=2}},pfrt-layout,convert-pfrt-to-plan{split},plan-allocate"
    pipelines.run(make_context(), module, pipelines.parse(text), verify=True)
    calls = [op for op in module.walk() if isinstance(op, CallOp)]
    return NumpyBackend().compile(module, "main"), calls


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_products_of_unknown_rows_are_divided(data: st.DataObject) -> None:
    """Rows and columns that threads share, with what follows in the same call, for rows of any number."""
    draw, rng = data.draw, np.random.default_rng(0)
    columns = draw(st.sampled_from([10, 128, 200, 320]))
    is_gemm, transposed = draw(st.booleans()), draw(st.integers(0, 1))
    shape = (columns, 24) if is_gemm and transposed else (24, columns)
    weights = {
        "w": rng.standard_normal(shape).astype(np.float32),
        "b": rng.standard_normal(columns).astype(np.float32),
    }
    if is_gemm:
        nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["s"], transB=transposed)]
    else:
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["m"]),
            helper.make_node("Add", ["m", "b"], ["s"]),
        ]
    nodes.append(helper.make_node(draw(st.sampled_from(["Relu", "Gelu", "Tanh"])), ["s"], ["y"]))
    source = model(nodes, ["rows", 24], weights)
    threads = draw(st.integers(2, 3))
    whole, _ = compiled(source, "")
    divided, calls = compiled(source, f",plan-split{{threads={threads} worth=0}}")
    assert [call.shares for call in calls if SHARES in call.attributes] == [threads]
    for rows in draw(st.lists(st.sampled_from([0, 1, 2, 7, 40, 100]), min_size=2, max_size=4)):
        x = rng.standard_normal((rows, 24)).astype(np.float32)
        (expected,), (got,) = whole.run([x]), divided.run([x])
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-5)


def test_large_products_of_a_session_are_divided() -> None:
    """A model of unknown batch, whose weights are worth it, and the number of threads a session has."""
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal((768, 1024)).astype(np.float32)}
    source = model([helper.make_node("MatMul", ["x", "w"], ["y"])], ["rows", 768], weights)
    results: list[np.ndarray] = []
    x = rng.standard_normal((3, 768)).astype(np.float32)
    for threads in (1, 2):
        options = SessionOptions()
        options.num_threads, options.specialize_after = threads, 0
        results += InferenceSession(source, options).run(None, {"x": x})
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-4)
    _, calls = compiled(source, ",plan-split{threads=2}")
    assert [call.shares for call in calls if call.algorithm == "matmul"] == [2]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_convolutions_of_an_unknown_batch(data: st.DataObject) -> None:
    """What the plan computes piece by piece is what the kernel does at once."""
    draw, rng = data.draw, np.random.default_rng(0)
    group = draw(st.sampled_from([1, 2, 6]))
    features, rank = 6 * draw(st.integers(1, 2)), draw(st.integers(1, 3))
    kernel = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    sizes = draw(st.lists(st.integers(5, 9), min_size=rank, max_size=rank))
    params = {
        "strides": draw(st.lists(st.integers(1, 2), min_size=rank, max_size=rank)),
        "dilations": draw(st.lists(st.integers(1, 2), min_size=rank, max_size=rank)),
        "pads": draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank)),
        "group": group,
    }
    w = rng.standard_normal((features, 6 // group, *kernel)).astype(np.float32)
    b = rng.standard_normal(features).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w", "b"], ["s"], **params)
    source = model(
        [node, helper.make_node("Relu", ["s"], ["y"])], ["batch", 6, *sizes], {"w": w, "b": b}
    )
    executable, _ = compiled(source, "")
    for batch in (1, 3):
        x = rng.standard_normal((batch, 6, *sizes)).astype(np.float32)
        expected = np.maximum(kernels.table()["conv"](x, w, b, **params), 0)
        for _ in range(2):
            (result,) = executable.run([x])
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("group", [1, 32])
def test_convolutions_of_an_unknown_batch_take_little_memory(group: int) -> None:
    """What windows see is not laid out for all of an image, nor for all channels."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((32, 32 // group, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], group=group)
    executable, _ = compiled(model([node], ["batch", 32, 112, 112], {"w": w}), "")
    x = rng.standard_normal((1, 32, 112, 112)).astype(np.float32)
    executable.run([x])
    tracemalloc.start()
    try:
        executable.run([x])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The result, and x with its border.
    assert peak < 2.5 * x.nbytes
