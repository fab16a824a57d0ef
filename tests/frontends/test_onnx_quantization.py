"""Rules for quantization: what names no type, what contradicts itself, types that NumPy lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

from pyflame_rt import InferenceSession, dtypes
from pyflame_rt.errors import InvalidModelError, PyFlameRTError


def model(
    op_type: str, inputs: Sequence[np.ndarray], opset: int, shape: Any = None, **attributes: Any
) -> bytes:
    """A model of one node, whose first input has the declared shape."""
    names = [f"i{k}" for k in range(len(inputs))]
    shapes = [shape or inputs[0].shape, *(array.shape for array in inputs[1:])]
    values = [
        helper.make_tensor_value_info(name, dtypes.by_numpy()[array.dtype].onnx, dims)
        for name, array, dims in zip(names, inputs, shapes, strict=True)
    ]
    node = helper.make_node(op_type, names, ["y"], **attributes)
    graph = helper.make_graph([node], "g", values, [helper.make_empty_tensor_value_info("y")])
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets).SerializeToString()


def run(op_type: str, inputs: Sequence[np.ndarray], opset: int, **attributes: Any) -> np.ndarray:
    session = InferenceSession(model(op_type, inputs, opset, **attributes))
    (result,) = session.run(None, {f"i{k}": array for k, array in enumerate(inputs)})
    return result


X = np.array([[-3, 0.5, 2], [7, 100, -100]], np.float32)
ONE = np.array(1, np.float32)


def test_zero_names_no_type():
    """The defaults of output_dtype and precision, which exporters write too."""
    got = run("QuantizeLinear", [X, ONE], 23, output_dtype=0, precision=0, block_size=0)
    assert got.dtype == np.uint8
    assert got.tolist() == [[0, 0, 2], [7, 100, 0]]


@pytest.mark.parametrize("to", ["int2", "uint2", "int4", "uint4", "float4_e2m1fn", "float8_e5m2"])
def test_types_that_numpy_lacks_go_there_and_back(to: str):
    """Through plans for any number of rows."""
    kind = np.dtype(getattr(ml_dtypes, to))
    scale = np.array([1, 1, 50], np.float32)
    code = dtypes.by_numpy()[kind].onnx
    small = run("QuantizeLinear", [X, scale], 25, shape=["N", 3], output_dtype=code)
    assert (small.dtype, small.shape) == (kind, X.shape)
    back = run("DequantizeLinear", [small, scale], 25, shape=["N", 3])
    limits = ml_dtypes.finfo(kind) if "float" in to else ml_dtypes.iinfo(kind)
    quotient = np.clip(X / scale, float(limits.min), float(limits.max))
    want = quotient.astype(kind) if "float" in to else np.rint(quotient)
    np.testing.assert_array_equal(back, want.astype(np.float32) * scale)


def test_what_contradicts_itself():
    """Told with the node and the constraint of the op."""
    code = TensorProto.INT8
    with pytest.raises(
        InvalidModelError, match="C3: output_dtype is i8, the zero point's type ui8"
    ):
        run("QuantizeLinear", [X, ONE, np.array(0, np.uint8)], 21, output_dtype=code)
    with pytest.raises(InvalidModelError, match="axis 1 is outside"):
        run("DequantizeLinear", [np.zeros(3, np.int8), np.ones(3, np.float32)], 13)
    x, w = np.zeros((1, 1, 4), np.uint8), np.zeros((2, 1, 3), np.int8)
    with pytest.raises(InvalidModelError, match=r"kernel_shape \[2\] is not that of the weights"):
        run("ConvInteger", [x, w], 10, kernel_shape=[2])
    zero = np.array(0, np.uint8)
    operands = [x, ONE, zero, w, ONE, np.array(0, np.int8), ONE, zero]
    with pytest.raises(InvalidModelError, match=r"kernel_shape \[2\] is not that of the weights"):
        run("QLinearConv", operands, 10, kernel_shape=[2])


def test_scales_that_only_a_run_can_know():
    """A dimension of unknown size does not fit three scales."""
    session = InferenceSession(
        model("QuantizeLinear", [X, np.ones(3, np.float32)], 13, shape=[2, "N"])
    )
    with pytest.raises(PyFlameRTError, match=r"shape \[3\], not \[4\]"):
        session.run(None, {"i0": np.zeros((2, 4), np.float32), "i1": np.ones(3, np.float32)})
