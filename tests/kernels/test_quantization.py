"""Quantization against ONNX's reference, and products of integers against exact ones.

ONNX Runtime judges what it has kernels for in tests/differential.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator

from pyflame_rt import dtypes
from pyflame_rt.kernels import quantization as kernels
from pyflame_rt.kernels.convolution import conv
from pyflame_rt.kernels.epilogue import Activation

KINDS = [
    row.numpy for row in dtypes.table() if row.numpy.name in kernels.QUANTIZED
]  # every type that quantized tensors have


def onnx_result(op_type: str, inputs: list[np.ndarray | None], **attributes: Any) -> np.ndarray:
    """What ONNX's reference implementation computes."""
    names = ["" if array is None else f"i{k}" for k, array in enumerate(inputs)]
    feed = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
    node = helper.make_node(op_type, names, ["y"], **attributes)
    values = [
        helper.make_tensor_value_info(name, dtypes.by_numpy()[array.dtype].onnx, array.shape)
        for name, array in feed.items()
    ]
    outputs = [helper.make_empty_tensor_value_info("y")]
    graph = helper.make_graph([node], "one_node", values, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)])
    with np.errstate(all="ignore"):
        (result,) = ReferenceEvaluator(model).run(None, feed)
    return np.asarray(result)


def bits(array: np.ndarray) -> np.ndarray:
    """What is compared where NaN is a value like others."""
    return array.view(f"u{array.dtype.itemsize}")


@st.composite
def granularities(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]:
    """A shape, the shape of its scales, and the attributes that say so."""
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    match draw(st.integers(0, 2)):
        case 0:
            return shape, draw(st.sampled_from(((), (1,)))), {}
        case 1:
            return shape, (shape[axis],), {"axis": axis}
        case _:
            block = draw(st.integers(1, 6))
            blocks = list(shape)
            blocks[axis] = -(-shape[axis] // block)
            return shape, tuple(blocks), {"axis": axis, "block_size": block}


@given(form=granularities(), kind=st.sampled_from(KINDS), seed=st.integers(0, 999), data=st.data())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_quantize_linear_is_onnxs(form: Any, kind: Any, seed: int, data: st.DataObject):
    """To every type, one scale or many, with and without saturation."""
    shape, scales, attributes = form
    rng = np.random.default_rng(seed)
    x = (rng.integers(-4000, 4001, shape) / 8).astype(np.float32)
    scale = rng.choice(np.array([0.5, 1, 2, 0.37, 100], np.float32), scales)
    saturate = data.draw(st.booleans())
    zero_point = None
    if data.draw(st.booleans()):
        # Zero points of 8-bit floats are not added by the reference.
        zero = kind.name.startswith("float")
        zero_point = np.asarray(rng.integers(0, 1 if zero else 2, scales)).astype(kind)
    scale = np.asarray(scale)
    code = dtypes.by_numpy()[kind].onnx
    inputs = [x, scale, zero_point]
    want = onnx_result(
        "QuantizeLinear", inputs, output_dtype=code, saturate=int(saturate), **attributes
    )
    got = kernels.quantize_linear(*inputs, output_dtype=kind, saturate=saturate, **attributes)
    assert got.dtype == want.dtype == kind
    np.testing.assert_array_equal(bits(got), bits(want))


@given(form=granularities(), seed=st.integers(0, 999), data=st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_dequantize_linear_is_onnxs(form: Any, seed: int, data: st.DataObject):
    """From every type to every type, with scales of each."""
    shape, scales, attributes = form
    kind = data.draw(st.sampled_from([*KINDS, np.dtype(np.int32)]))
    to = np.dtype(data.draw(st.sampled_from([np.float32, np.float16, ml_dtypes.bfloat16])))
    scale_type = data.draw(st.sampled_from([np.float32, np.float16, ml_dtypes.float8_e8m0fnu]))
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, shape).astype(np.float32).astype(kind)
    scale = np.asarray(rng.choice([0.5, 1, 2, 0.25], scales)).astype(scale_type)
    zero_point = None
    if kind != np.int32 and not kind.name.startswith("float") and data.draw(st.booleans()):
        zero_point = np.asarray(rng.integers(0, 2, scales)).astype(kind)
    code = dtypes.by_numpy()[to].onnx
    inputs = [x, scale, zero_point]
    want = onnx_result("DequantizeLinear", inputs, output_dtype=code, **attributes)
    got = kernels.dequantize_linear(*inputs, output_dtype=to, **attributes)
    assert got.dtype == want.dtype == to
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))


def test_quantizing_rounds_to_even_before_the_zero_point_is_added():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5], np.float32)
    got = kernels.quantize_linear(x, np.array(1, np.float32), np.array(1, np.int8))
    assert got.tolist() == [1, 3, 3, 1, -1]


@pytest.mark.parametrize("kind", KINDS)
def test_quantizing_what_no_type_holds(kind: np.dtype[Any]):
    """Integers saturate, NaN is the least of them; floats are those of a cast."""
    x = np.array([np.inf, -np.inf, 1e30, -1e30, np.nan], np.float32)
    got = kernels.quantize_linear(x, np.array(2, np.float32), output_dtype=kind)
    limits = ml_dtypes.finfo(kind) if kind.name.startswith("float") else ml_dtypes.iinfo(kind)
    low, high = float(limits.min), float(limits.max)
    assert got[:4].astype(np.float64).tolist() == [high, low, high, low]
    if not kind.name.startswith("float"):
        assert float(got[4]) == low


def test_the_scale_or_precision_says_how_precise_the_quotient_is():
    """5 / 3e-4 is 16670.525, of which float16 holds 16670."""
    x, scale = np.array([5], np.float16), np.array(0.0003, np.float16)
    to = np.dtype(np.int16)
    assert kernels.quantize_linear(x, scale, output_dtype=to).tolist() == [16672]
    precise = np.dtype(np.float32)
    quotient = np.float32(5) / np.float32(scale)
    got = kernels.quantize_linear(x, scale, output_dtype=to, precision=precise)
    assert got.tolist() == [int(np.rint(quotient))] != [16672]
    big = np.array([2**24 + 1], np.int32)
    assert kernels.quantize_linear(big, np.array(2**20, np.int32)).tolist() == [16]


@pytest.mark.parametrize(
    ("scales", "attributes", "text"),
    [
        ((2,), {"axis": 1}, "shape [2], not [3]"),
        ((2, 3), {"axis": 1, "block_size": 2}, "shape [2, 3], not [2, 2]"),
        ((2,), {"axis": 2}, "axis 2 is outside the 2 dimensions"),
    ],
)
def test_scales_that_do_not_fit(scales: Any, attributes: Any, text: str):
    """Known only at run time where dimensions are."""
    with pytest.raises(ValueError) as error:
        kernels.quantize_linear(
            np.zeros((2, 3), np.float32), np.ones(scales, np.float32), **attributes
        )
    assert text in str(error.value)


def test_blocks_may_be_larger_than_anything():
    x = np.array([[2, 4]], np.float32)
    scale = np.array([[2, 4]], np.float32)
    got = kernels.quantize_linear(x, scale, axis=0, block_size=2**62)
    assert got.tolist() == [[1, 1]]


@pytest.mark.parametrize("x", [[], [0, 0], [np.nan], [1, np.nan, -3], [np.inf, 1]])
def test_dynamic_quantization_of_odd_ranges(x: list[float]):
    """NaN has no part in the range, an empty one has scale 1, as in ONNX Runtime."""
    y, scale, zero_point = kernels.dynamic_quantize_linear(np.array(x, np.float32))
    assert (y.dtype, scale.dtype, zero_point.dtype) == (np.uint8, np.float32, np.uint8)
    assert (scale.shape, zero_point.shape) == ((), ())
    match len(x), x:
        case 3, _:
            assert (float(scale), int(zero_point)) == (np.float32(4) / np.float32(255), 191)
            assert y.tolist() == [255, 0, 0]
        case _, [np.inf, *_]:
            assert (float(scale), int(zero_point), y.tolist()) == (np.inf, 0, [0, 0])
        case _:
            assert (float(scale), int(zero_point)) == (1, 0)
            assert y.tolist() == [0] * len(x)


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The low 32 bits of the product of integers."""
    return (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32)


@pytest.mark.parametrize("depth", [1, 258, 259, 40_000])
def test_integer_products_are_exact_and_wrap(depth: int):
    """Around the depth up to which float32 holds every sum, and beyond int32."""
    a = np.full((2, depth), 255, np.uint8)
    b = np.full((depth, 1), 255, np.uint8)
    b[0] = 254
    got = kernels.matmul_integer(a, b)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, exact_product(a, b))
    low = kernels.matmul_integer(a.view(np.int8), b, np.array(127, np.int8))
    np.testing.assert_array_equal(low, exact_product(np.full(a.shape, -128), b))


def test_zero_points_of_rows_and_columns():
    """Vectors for matrices, matrices for batches: which ONNX Runtime has only for columns."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (5, 2, 3)).astype(np.uint8), rng.integers(-128, 128, (5, 3, 4))
    b = b.astype(np.int8)
    rows, columns = rng.integers(0, 256, (5, 2, 1)), rng.integers(-128, 128, (5, 1, 4))
    got = kernels.matmul_integer(a, b, rows.astype(np.uint8), columns.astype(np.int8))
    np.testing.assert_array_equal(got, exact_product(a - rows, b - columns))
    vector = rng.integers(0, 256, 2).astype(np.uint8)
    got = kernels.matmul_integer(a, b, vector)
    np.testing.assert_array_equal(got, exact_product(a - vector[:, None].astype(int), b))
    got = kernels.matmul_integer(a, b[0, :, 0], vector)
    want = exact_product(a - vector[:, None].astype(int), b[0, :, 0])
    np.testing.assert_array_equal(got, want)


def test_zero_points_must_fit():
    """They never make a matrix larger."""
    a, b = np.zeros((1, 3), np.int8), np.zeros((3, 1), np.int8)
    with pytest.raises(ValueError, match="do not fit"):
        kernels.matmul_integer(a, b, np.zeros(5, np.int8))
    with pytest.raises(ValueError, match="do not fit"):
        kernels.matmul_integer(a, b, None, np.zeros(5, np.int8))


def test_quantized_product_with_scales_of_rows_and_columns():
    """Requantized in float32, to even, saturated."""
    a, b = np.array([[3, 1], [100, 7]], np.int8), np.array([[1, 2], [0, 5]], np.int8)
    one, zero = np.array(1, np.float32), np.array(0, np.int8)
    rows, columns = np.array([0.5, 2], np.float32), np.array([1, 0.25], np.float32)
    got = kernels.qlinear_matmul(
        a, rows, np.zeros(2, np.int8), b, columns, np.zeros(2, np.int8), one, zero
    )
    # [[3, 11], [100, 235]] times [[0.5, 0.125], [2, 0.5]]
    assert got.tolist() == [[2, 1], [127, 118]]


def test_quantized_product_of_floats():
    a = np.array([[0.5, 2]], ml_dtypes.float8_e4m3fn)
    b = np.array([[1], [448]], ml_dtypes.float8_e5m2)
    one, zero = np.array(1, np.float16), np.zeros((), ml_dtypes.float8_e4m3fn)
    got = kernels.qlinear_matmul(a, one, zero, b, one, b[0, 0] * 0, one * 2, zero)
    assert got.dtype == a.dtype
    assert got.astype(float).tolist() == [[448]]


def test_integer_convolution_has_a_zero_point_for_each_feature():
    """Which ONNX Runtime lacks; what is padded is x's zero point."""
    x = np.arange(4, dtype=np.uint8).reshape(1, 1, 4)
    w = np.array([[[1, 2]], [[3, 4]]], np.uint8)
    zero, zeros = np.array(2, np.uint8), np.array([1, 3], np.uint8)
    got = kernels.conv_integer(x, w, zero, zeros, pads=(1, 1))
    assert got.dtype == np.int32
    # x - 2 is -2 -1 0 1, w - its zero points [0, 1] for both.
    assert got.tolist() == [[[-2, -1, 0, 1, 0], [-2, -1, 0, 1, 0]]]


def test_quantized_convolution_of_several_axes_has_a_scale_for_each_feature():
    x = np.full((1, 1, 2, 2, 2), 3, np.uint8)
    w = np.ones((2, 1, 2, 2, 2), np.int8)
    one, zero = np.array(1, np.float32), np.array(0, np.uint8)
    got = kernels.qlinear_conv(
        x, one, zero, w, np.array([0.5, 100], np.float32), np.zeros(2, np.int8), one, zero,
        np.array([1, 2], np.int32),
    )  # fmt: skip
    # (24 + 1) * 0.5 to even, (24 + 2) * 100 saturated
    assert got.reshape(-1).tolist() == [12, 255]


def test_convolution_to_reals_is_that_of_what_integers_stand_for():
    """By scales of which every step is exact: groups, bias, residual, function, either layout."""
    rng = np.random.default_rng(0)
    x, zero = rng.integers(0, 256, (2, 4, 5, 6)).astype(np.uint8), np.array(7, np.uint8)
    w, zeros = rng.integers(-128, 128, (6, 2, 3, 3)).astype(np.int8), np.arange(6).astype(np.int8)
    scale, scales = np.array(0.5, np.float32), 2.0 ** -np.arange(6).astype(np.float32)
    bias, window = np.arange(6).astype(np.float32), {"group": 2, "pads": (1, 1, 1, 1)}
    residual = rng.integers(-9, 9, (2, 6, 5, 6)).astype(np.float32)
    real = (x.astype(float) - 7) * 0.5
    weights = (w - np.arange(6.0).reshape(-1, 1, 1, 1)) * scales.astype(float).reshape(-1, 1, 1, 1)
    wanted = np.maximum(conv(real, weights, bias.astype(float), **window) + residual, 0)
    operands = (w, scale, scales, zero, zeros, bias)
    params = {**window, "activation": Activation("relu")}
    got = kernels.conv_integer_to_float(x, *operands, residual, **params)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, wanted)
    turned = [np.moveaxis(array, 1, -1) for array in (x, residual)]
    last = kernels.conv_integer_to_float(turned[0], *operands, turned[1], **params, layout="nhwc")
    np.testing.assert_array_equal(last, np.moveaxis(wanted, 1, -1))


def test_parameters_of_features_must_fit():
    x, w = np.zeros((1, 1, 4), np.uint8), np.zeros((2, 1, 3), np.uint8)
    with pytest.raises(ValueError, match="parameters for 2 features"):
        kernels.conv_integer(x, w, None, np.zeros(3, np.uint8))
    with pytest.raises(ValueError, match="the zero point of x has 2 elements"):
        kernels.conv_integer(x, w, np.zeros(2, np.uint8))
