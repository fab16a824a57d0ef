"""onnxruntime's own quantized operators mean here what they mean there, within one quantum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import pyflame_rt

ort = pytest.importorskip("onnxruntime")

Arrays = Mapping[str, np.ndarray[Any, Any]]
RNG = np.random.default_rng(12)
X = RNG.integers(0, 256, (2, 4, 6, 6)).astype(np.uint8)
Y = RNG.integers(-128, 128, (4, 1, 1)).astype(np.int8)
XS, XZ = np.float32(0.031), np.uint8(120)
YS, YZ = np.float32(0.02), np.int8(-3)
RS, RZ = np.float32(0.043), np.uint8(101)
MATRIX = RNG.integers(0, 256, (3, 8)).astype(np.uint8)
WEIGHTS = RNG.integers(-128, 128, (8, 5)).astype(np.int8)
COLUMNS = RNG.uniform(0.01, 0.03, 5).astype(np.float32)
ZEROS = np.zeros(5, np.int8)
REALS = RNG.normal(size=(3, 8)).astype(np.float32)
BIAS = RNG.normal(size=5).astype(np.float32)
SEQUENCE = RNG.normal(size=(7, 2, 3)).astype(np.float32)
GATES = RNG.integers(-128, 128, (1, 3, 16)).astype(np.int8)
STATES = RNG.integers(-128, 128, (1, 4, 16)).astype(np.int8)


def _session_outputs(
    op_type: str,
    inputs: Sequence[np.ndarray[Any, Any] | np.generic | None],
    attributes: Mapping[str, object],
    known: Sequence[int] = (),
) -> tuple[list[Any], list[Any]]:
    """A model of one node: what onnxruntime and the session here answer. `known`: initializers."""
    names = [f"i{k}" if value is not None else "" for k, value in enumerate(inputs)]
    arrays = {n: np.asarray(v) for n, v in zip(names, inputs, strict=True) if v is not None}
    node = helper.make_node(op_type, names, ["y"], domain="com.microsoft", **attributes)
    constants = [onnx.numpy_helper.from_array(arrays[f"i{k}"], f"i{k}") for k in known]
    fed = {n: a for n, a in arrays.items() if int(n[1:]) not in known}
    values = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in fed.items()
    ]
    graph = helper.make_graph(
        [node], "one", values, [helper.make_empty_tensor_value_info("y")], constants
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    theirs = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = pyflame_rt.InferenceSession(model.SerializeToString())
    return theirs.run(None, fed), ours.run(None, fed)


QUANTIZED = [
    ("QLinearAdd", [X, XS, XZ, X[::-1].copy(), YS, XZ, RS, RZ], {}),
    ("QLinearMul", [X, XS, XZ, X[::-1].copy(), YS, XZ, RS, RZ], {}),
    ("QLinearSigmoid", [X, XS, XZ, np.float32(1 / 256), np.uint8(0)], {}),
    ("QLinearLeakyRelu", [X, XS, XZ, RS, RZ], {"alpha": 0.25}),
    (
        "QLinearSoftmax",
        [MATRIX, XS, XZ, np.float32(1 / 256), np.uint8(0)],
        {"axis": -1, "opset": 13},
    ),
    ("QLinearGlobalAveragePool", [X, XS, XZ, XS, XZ], {"channels_last": 0}),
    (
        "QLinearAveragePool",
        [X, XS, XZ, RS, RZ],
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    ),
    ("QLinearConcat", [RS, RZ, X, XS, XZ, X, YS, RZ], {"axis": 1}),
    ("QLinearWhere", [X > 99, X, XS, XZ, X[::-1].copy(), YS, RZ, RS, RZ], {}),
    (
        "QGemm",
        [MATRIX, XS, XZ, WEIGHTS, COLUMNS, ZEROS, np.arange(5, dtype=np.int32), RS, RZ],
        {},
    ),
    (
        "QGemm",
        [MATRIX, XS, XZ, WEIGHTS.T.copy(), YS, np.int8(2), np.arange(5, dtype=np.int32), RS, RZ],
        {"transB": 1},
    ),
]


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes"), QUANTIZED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_quantized_results_agree_within_one_quantum(
    op_type: str, inputs: list[Any], attributes: dict[str, object]
) -> None:
    known = [k for k, value in enumerate(inputs) if np.ndim(value) == 0]
    if op_type == "QGemm":
        known += [3, 4, 5]
    (theirs,), (ours,) = _session_outputs(op_type, inputs, attributes, sorted(set(known)))
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    assert len(np.unique(ours)) > 4


REAL = [
    (
        "QGemm",
        [MATRIX, XS, XZ, WEIGHTS, COLUMNS, ZEROS, np.arange(5, dtype=np.int32)],
        {},
        [1, 2, 3, 4, 5],
    ),
    ("MatMulIntegerToFloat", [MATRIX, WEIGHTS, XS, COLUMNS, XZ, ZEROS, BIAS], {}, [1, 3, 5]),
    ("DynamicQuantizeMatMul", [REALS, WEIGHTS, COLUMNS, ZEROS, BIAS], {}, [1, 2, 3]),
]


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes", "known"),
    REAL,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_real_results_of_integer_products_agree(
    op_type: str, inputs: list[Any], attributes: dict[str, object], known: list[int]
) -> None:
    (theirs,), (ours,) = _session_outputs(op_type, inputs, attributes, known)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("columns", [False, True])
def test_an_lstm_of_byte_weights_agrees_to_the_noise_of_its_quantized_inputs(columns: bool) -> None:
    scales = RNG.uniform(0.005, 0.01, (1, 16) if columns else (1,)).astype(np.float32)
    zeros = np.zeros_like(scales, np.int8)
    inputs = [SEQUENCE, GATES, STATES, None, None, None, None, None, scales, zeros, scales, zeros]
    (theirs,), (ours,) = _session_outputs(
        "DynamicQuantizeLSTM", inputs, {"hidden_size": 4}, [1, 2, 8, 9, 10, 11]
    )
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=0.03)


@pytest.mark.parametrize(("bits", "zero_points"), [(4, False), (4, True), (8, True)])
def test_blocks_of_weights_agree(bits: int, zero_points: bool) -> None:
    depth, columns, block = 40, 6, 16
    blocks = 3
    x = RNG.normal(size=(2, depth)).astype(np.float32)
    packed = RNG.integers(0, 256, (columns, blocks, block * bits // 8)).astype(np.uint8)
    scales = RNG.uniform(0.01, 0.03, (columns, blocks)).astype(np.float32)
    row = -(-blocks * bits // 8)
    points = RNG.integers(0, 256, (columns, row)).astype(np.uint8) if zero_points else None
    attributes = {"bits": bits, "block_size": block, "K": depth, "N": columns}
    inputs = [x, packed, scales, points]
    known = [1, 2, 3] if zero_points else [1, 2]
    (theirs,), (ours,) = _session_outputs("MatMulNBits", inputs, attributes, known)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
