"""Convolutions of bytes whose results are reals, from the models that say them to onnxruntime and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

import pyflame_rt
from pyflame_rt import pipelines
from pyflame_rt.frontends.onnx import import_onnx
from pyflame_rt.frontends.onnx.export import export_onnx
from pyflame_rt.universe import make_context

ort = pytest.importorskip("onnxruntime")

Array = np.ndarray[Any, Any]
LEVEL = "pfrt-optimize{level=2}"
NAME = "pfrt.conv_integer_to_float"


class Graph:
    """A network of one convolution, as hypothesis chose it."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.group, across, each = self.one(1, 1, 2, 5), self.one(1, 3), self.one(1, 4)
        rank = self.one(1, 2)
        self.features, self.shape = self.group * each, (2, self.group * across, *(7,) * rank)
        taps, stride, pad = self.one(1, 3), self.one(1, 2), self.one(0, 1)
        self.window = {"group": self.group, "strides": [stride] * rank, "pads": [pad] * 2 * rank}
        self.trailing = (1,) * rank
        self.weights = self.rng.integers(
            -127, 128, (self.features, across, *(taps,) * rank)
        ).astype(np.int8)
        size = (7 + 2 * pad - taps) // stride + 1
        self.result = (2, self.features, *(size,) * rank)
        self.bias = self.rng.standard_normal(self.features).astype(np.float32)
        self.x = self.rng.standard_normal(self.shape).astype(np.float32)
        self.r = self.rng.standard_normal(self.result).astype(np.float32)

    def one(self, *values: Any) -> Any:
        return self._data.draw(st.sampled_from(values))

    def constant(self, array: Array) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(
        self, op_type: str, inputs: list[str], outputs: int = 1, **attributes: Any
    ) -> list[str]:
        names = [f"v{len(self._nodes)}_{k}" for k in range(outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, names, **attributes))
        return names

    def scales(self) -> Array:
        """One, or one a feature."""
        return self.rng.uniform(0.005, 0.02, self.one((), (self.features,))).astype(np.float32)

    def static(self) -> str:
        """Dequantized factors and a bias of reals."""
        kind = self.one(np.uint8, np.int8)
        scale, zero = self.constant(np.float32(0.03)), self.constant(np.array(5, kind))
        scales = self.scales()
        (q,) = self.add("QuantizeLinear", ["x", scale, zero])
        (a,) = self.add("DequantizeLinear", [q, scale, zero])
        zeros = self.constant(np.full(scales.shape, self.one(0, 3), np.int8))
        given = [self.constant(self.weights), self.constant(scales), zeros]
        (b,) = self.add("DequantizeLinear", given, axis=0)
        bias = [self.constant(self.bias)] if self.one(True, False) else []
        (y,) = self.add("Conv", [a, b, *bias], **self.window)
        return y

    def dynamic(self) -> str:
        """What onnxruntime's quantizer writes where ranges are measured in a run."""
        q, scale, zero = self.add("DynamicQuantizeLinear", ["x"], 3)
        w, v = self.constant(self.weights), self.constant(np.array(0, np.int8))
        scales = self.scales()
        shape = (-1, *self.trailing) if scales.ndim else ()
        (sums,) = self.add("ConvInteger", [q, w, zero, v], **self.window)
        (real,) = self.add("Cast", [sums], to=TensorProto.FLOAT)
        (factor,) = self.add("Mul", [scale, self.constant(scales.reshape(shape))])
        (y,) = self.add("Mul", [real, factor])
        if self.one(True, False):
            bias = self.constant(self.bias.reshape(1, -1, *self.trailing))
            (y,) = self.add("Add", [y, bias])
        return y

    def model(self, y: str) -> ModelProto:
        """With a residual or without, and a function."""
        if self.one(True, False):
            (y,) = self.add("Add", [y, "r"])
        if self.one(True, False):
            (y,) = self.add("Relu", [y])
        self._nodes.append(helper.make_node("Identity", [y], ["y"]))
        given = {"x": self.shape, "r": self.result}
        inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in given.items()]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, self.result)]
        graph = helper.make_graph(self._nodes, "g", inputs, outputs, self._constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.data())
def test_networks(data: st.DataObject) -> None:
    """What sessions compute is what onnxruntime does but for rounding, as is what the optimized module is
    written as, which becomes the same op when it is read again."""
    graph = Graph(data)
    model = graph.model(graph.one(graph.static, graph.dynamic)())
    text, feeds = model.SerializeToString(), {"x": graph.x, "r": graph.r}
    theirs = _run(text, feeds)
    close = {"rtol": 1e-4, "atol": 1e-5 * float(np.abs(theirs).max(initial=1))}
    (ours,) = pyflame_rt.InferenceSession(text).run(None, feeds)
    np.testing.assert_allclose(ours, theirs, **close)
    module = import_onnx(text)
    pipelines.run(make_context(), module, pipelines.parse(LEVEL))
    assert [op.name for op in module.walk()].count(NAME) == 1
    written = export_onnx(module).SerializeToString()
    np.testing.assert_allclose(_run(written, feeds), theirs, **close)
    again = import_onnx(written)
    pipelines.run(make_context(), again, pipelines.parse(LEVEL))
    assert [op.name for op in again.walk()].count(NAME) == 1


def _run(text: bytes, feeds: dict[str, Array]) -> Array:
    session = ort.InferenceSession(text, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    (found,) = session.run(None, {n: a for n, a in feeds.items() if n in names})
    return found
