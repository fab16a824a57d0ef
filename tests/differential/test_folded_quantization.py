"""Ops of reals between dequantization and quantization mean here what they mean in onnxruntime.

Each is within one quantum of onnxruntime with all its optimizations, as the reals that the model
spells (level 0) and as integers (level 2, where `pfrt-fold-quantization` makes them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import pyflame_rt

ort = pytest.importorskip("onnxruntime")

Array = np.ndarray[Any, Any]
SCALES = [0.5, 0.25, 2.0**-6, 0.013, 0.0371]


class Model:
    """A graph of quantized values: operands are dequantized, the result is quantized."""

    def __init__(self, data: st.DataObject) -> None:
        self._draw = data.draw
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        self.dtype = data.draw(st.sampled_from((np.uint8, np.int8)))
        self._constants: list[onnx.TensorProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._feeds: dict[str, Array] = {}

    def size(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def one_of(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def constant(self, array: Array) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def parameters(self, factor: float = 1.0) -> list[str]:
        """A scale and a zero point."""
        limits = np.iinfo(self.dtype)
        zero = self.rng.integers(limits.min, limits.max, endpoint=True)
        scale = np.float32(self.rng.choice(SCALES) * factor)
        return [self.constant(np.array(scale)), self.constant(np.array(zero, self.dtype))]

    def data(self, shape: Sequence[int], parameters: list[str] | None = None) -> str:
        """An operand that is fed, as reals; saturated ones are frequent."""
        limits = np.iinfo(self.dtype)
        array = self.rng.integers(limits.min, limits.max, shape, endpoint=True).astype(self.dtype)
        if self.one_of(False, True):
            array = self.rng.choice([limits.min, limits.max], shape).astype(self.dtype)
        name = f"x{len(self._feeds)}"
        self._feeds[name] = array
        return self.add("DequantizeLinear", [name, *(parameters or self.parameters())])

    def weights(self, shape: Sequence[int], axis: int) -> tuple[str, Array]:
        """Constant i8 as reals, with one scale or one along an axis; and the scales."""
        array = self.constant(self.rng.integers(-127, 127, shape, endpoint=True).astype(np.int8))
        count = () if self.one_of(False, True) else (shape[axis],)
        scales = self.rng.choice(SCALES, count).astype(np.float32)
        zeros = self.constant(np.zeros(count, np.int8))
        inputs = [array, self.constant(scales), zeros]
        return self.add("DequantizeLinear", inputs, axis=axis), scales

    def bias(self, count: int, scales: Array) -> str:
        """Constant i32 in the scale of the sums, as reals."""
        array = self.rng.integers(-3000, 3000, count).astype(np.int32)
        scale = np.broadcast_to(scales, (count,)).copy() if scales.ndim else scales
        zeros = self.constant(np.zeros(scale.shape, np.int32))
        return self.add(
            "DequantizeLinear", [self.constant(array), self.constant(scale), zeros], axis=0
        )

    def add(self, op_type: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(op_type, inputs, [name], **attributes))
        return name

    def check(self, value: str, parameters: list[str]) -> None:
        """Quantize a value, and compare what the two sides say."""
        self._nodes.append(helper.make_node("QuantizeLinear", [value, *parameters], ["y"]))
        kinds: Mapping[Any, int] = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}
        kind = kinds[self.dtype]
        inputs = [helper.make_tensor_value_info(n, kind, a.shape) for n, a in self._feeds.items()]
        outputs = [helper.make_tensor_value_info("y", kind, None)]
        graph = helper.make_graph(self._nodes, "g", inputs, outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        text = model.SerializeToString()
        (theirs,) = ort.InferenceSession(text, providers=["CPUExecutionProvider"]).run(
            None, self._feeds
        )
        for level in (0, 2):
            options = pyflame_rt.SessionOptions()
            options.optimization_level = level
            (ours,) = pyflame_rt.InferenceSession(text, options).run(None, self._feeds)
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
            assert np.abs(ours.astype(int) - theirs.astype(int)).max(initial=0) <= 1


def _acted(model: Model, value: str) -> str:
    match model.one_of("", "Relu", "Clip"):
        case "Relu":
            return model.add("Relu", [value])
        case "Clip":
            bounds = [model.constant(np.array(v, np.float32)) for v in (-1.5, 6.0)]
            return model.add("Clip", [value, *bounds])
        case _:
            return value


def _scale_of(model: Model, parameters: list[str]) -> Array:
    return next(numpy_helper.to_array(c) for c in model._constants if c.name == parameters[0])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_convolutions(data: st.DataObject) -> None:
    """Groups, depthwise, strides, pads, one or two dimensions; bias; activations."""
    model = Model(data)
    groups, inner = model.size(1, 3), model.size(1, 3)
    outer, rank, kernel = model.size(1, 3), model.size(1, 2), model.size(1, 3)
    given_as = model.parameters()
    x = model.data((2, groups * inner, *(7,) * rank), given_as)
    w, scales = model.weights((groups * outer, inner, *(kernel,) * rank), 0)
    inputs = [x, w]
    if model.one_of(False, True):
        inputs.append(model.bias(groups * outer, _scale_of(model, given_as) * scales))
    pad = model.size(0, 1)
    sums = model.add(
        "Conv", inputs, group=groups, pads=[pad] * 2 * rank, strides=[model.size(1, 2)] * rank
    )
    model.check(_acted(model, sums), model.parameters(64))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_matrices(data: st.DataObject) -> None:
    """Gemm with and without transposition and bias, matmul of batches and of two fed factors."""
    model = Model(data)
    depth, columns = model.size(1, 9), model.size(1, 5)
    given_as = model.parameters()
    match model.one_of("gemm", "matmul", "fed"):
        case "gemm":
            turned = model.one_of(0, 1)
            x = model.data((3, depth), given_as)
            shape = (columns, depth) if turned else (depth, columns)
            w, scales = model.weights(shape, 0 if turned else 1)
            inputs = [x, w]
            if model.one_of(False, True):
                inputs.append(model.bias(columns, _scale_of(model, given_as) * scales))
            sums = model.add("Gemm", inputs, transB=turned)
        case "matmul":
            w, _ = model.weights((depth, columns), 1)
            sums = model.add("MatMul", [model.data((2, 3, depth), given_as), w])
        case _:
            sums = model.add("MatMul", [model.data((2, 3, depth)), model.data((2, depth, columns))])
    model.check(_acted(model, sums), model.parameters(64))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.data())
def test_other_ops(data: st.DataObject) -> None:
    """Movements of one scale, sums, products, pools, and functions of one value."""
    model = Model(data)
    same = model.parameters()
    x = model.data((2, 4, 6, 6), same)
    match model.one_of("move", "pool", "max", "add", "mul", "concat", "sigmoid", "softmax", "mean"):
        case "move":
            moved = model.add("Transpose", [x], perm=[0, 2, 3, 1])
            shape = model.constant(np.array([2, -1], np.int64))
            model.check(model.add("Reshape", [moved, shape]), same)
        case "max":
            pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
            model.check(model.add("MaxPool", [x], **pool), same)
        case "pool":
            model.check(model.add("AveragePool", [x], kernel_shape=[3, 3]), model.parameters())
        case "mean":
            model.check(model.add("GlobalAveragePool", [x]), model.parameters())
        case "add":
            model.check(model.add("Add", [x, model.data((2, 4, 6, 6))]), model.parameters())
        case "mul":
            model.check(model.add("Mul", [x, model.data((4, 1, 1))]), model.parameters(8))
        case "concat":
            other = model.data((2, 3, 6, 6), model.one_of(same, model.parameters()))
            model.check(model.add("Concat", [x, other], axis=1), same)
        case "sigmoid":
            model.check(model.add("Sigmoid", [x]), model.parameters(1 / 16))
        case _:
            # What is 1 must not saturate: onnxruntime's softmax of integers makes it 0 then.
            scale = model.constant(np.array(1 / 256, np.float32))
            low = model.constant(np.array(np.iinfo(model.dtype).min, model.dtype))
            model.check(model.add("Softmax", [x], axis=-1), [scale, low])
