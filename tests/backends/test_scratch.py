"""What calls need beside their results is in the plan, where the arena and the limit know of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pyflame_rt as rt
from pyflame_rt import pipelines
from pyflame_rt.backends.numpy_backend import NumpyBackend
from pyflame_rt.backends.watching import memory_limited
from pyflame_rt.dialects.plan.ops import CallOp
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.universe import make_context

_RNG = np.random.default_rng(0)


def _of(op: str, x: np.ndarray, weights: dict[str, np.ndarray], outputs: int, **attributes: Any):
    """A model of one node, its input, and where its scratch is."""
    names = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(op, ["x", *weights], names, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
        [helper.make_empty_tensor_value_info(name) for name in names],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 24)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _lstm() -> tuple[Any, np.ndarray]:
    x = _RNG.standard_normal((20, 3, 16)).astype(np.float32)
    w = _RNG.standard_normal((1, 4 * 24, 16)).astype(np.float32)
    r = _RNG.standard_normal((1, 4 * 24, 24)).astype(np.float32) / 10
    return _of("LSTM", x, {"w": w, "r": r}, 3, hidden_size=24), x


def _top_k() -> tuple[Any, np.ndarray]:
    x = _RNG.standard_normal((64, 100)).astype(np.float32)
    return _of("TopK", x, {"k": np.array([3])}, 2), x


def _integers() -> tuple[Any, np.ndarray]:
    x = _RNG.integers(-1000, 1000, (64, 48))
    return _of("MatMul", x, {"w": _RNG.integers(-1000, 1000, (48, 40))}, 1), x


CASES = {"lstm": _lstm, "top_k": _top_k, "matmul": _integers}


@pytest.mark.parametrize("name", list(CASES))
def test_scratch_is_in_the_plan(name: str) -> None:
    """The call has scratch buffers, fills the right results with them, and again in a second run."""
    model, x = CASES[name]()
    module = import_onnx(model.SerializeToString())
    lowering = "pfrt-optimize{level=2},pfrt-layout,convert-pfrt-to-plan,plan-allocate"
    pipelines.run(make_context(), module, pipelines.parse(lowering), verify=True)
    (call,) = [op for op in module.walk() if isinstance(op, CallOp) and op.algorithm == name]
    assert call.scratch
    executable = NumpyBackend().compile(module, "main")
    expected = ReferenceEvaluator(model).run(None, {"x": x})
    for _ in range(2):
        for result, wanted in zip(executable.run([x]), expected, strict=True):
            np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)
    # The gates of 20 steps, a copy of x, or both operands as f64: more than what goes in.
    with memory_limited(x.nbytes), pytest.raises(rt.BackendError, match="memory_limit"):
        NumpyBackend().compile(module, "main")


def test_rooms_that_calls_share_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy computes products of 8 bits in f32, in memory that the plan does not lay out."""
    monkeypatch.setenv("PYFLAME_RT_JIT", "0")
    x = _RNG.integers(0, 255, (256, 512)).astype(np.uint8)
    w = _RNG.integers(0, 255, (512, 64)).astype(np.uint8)
    model = _of("MatMulInteger", x, {"w": w}, 1).SerializeToString()
    options = rt.SessionOptions()
    options.memory_limit = 4 * 256 * 64 + 1024
    with pytest.raises(rt.BackendError, match="memory_limit"):
        rt.InferenceSession(model, options)
    options.memory_limit = 4 << 20
    (result,) = rt.InferenceSession(model, options).run(None, {"x": x})
    np.testing.assert_array_equal(result, x.astype(np.int32) @ w.astype(np.int32))
    assert result.dtype == helper.tensor_dtype_to_np_dtype(TensorProto.INT32)
