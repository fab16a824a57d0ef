"""Activation kernels against ONNX Runtime, and where it cannot judge, against the formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyflame_rt.kernels import activation

UNARY: dict[str, dict[str, Any]] = {
    "Celu": {"alpha": 1.5},
    "Elu": {"alpha": 0.5},
    "Erf": {},
    "Gelu": {"approximate": "none"},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.1},
    "Mish": {},
    "Relu": {},
    "Selu": {"alpha": 1.5, "gamma": 1.25},
    "Sigmoid": {},
    "Softplus": {},
    "Softsign": {},
    "Swish": {"alpha": 1.5},
    "Tanh": {},
    "ThresholdedRelu": {"alpha": 0.75},
}
NAMES = {
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "LeakyRelu": "leaky_relu",
    "ThresholdedRelu": "thresholded_relu",
}


def kernel(op_type: str) -> Callable[..., np.ndarray]:
    """The kernel of an ONNX operator."""
    return getattr(activation, NAMES.get(op_type, op_type.lower()))


@pytest.mark.parametrize("op_type", UNARY)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 0, 3), (3, 40)])
def test_unary_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], op_type: str, shape: tuple[int, ...]
):
    """Values, shape and dtype, also of scalars and empty tensors."""
    x = np.asarray(np.random.default_rng(0).normal(size=shape) * 4, np.float32)
    attributes = UNARY[op_type]
    got = kernel(op_type)(x, **attributes)
    want = onnxruntime_result(op_type, [x], opset=24, **attributes)
    assert got.dtype == np.float32
    assert got.shape == shape
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


def test_gelu_by_tanh_equals_onnxruntime(onnxruntime_result: Callable[..., Any]):
    """The approximation is another function, 1e-3 away."""
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    want = onnxruntime_result("Gelu", [x], approximate="tanh")
    np.testing.assert_allclose(activation.gelu(x, approximate="tanh"), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op_type", UNARY)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_narrow_and_wide_floats_are_the_rounded_exact_result(op_type: str, dtype: Any):
    """f16 and bf16 differ from the float64 result by one rounding; f64 stays f64."""
    x = np.linspace(-5, 5, 41).astype(dtype)
    got = kernel(op_type)(x, **UNARY[op_type])
    exact = kernel(op_type)(x.astype(np.float64), **UNARY[op_type])
    assert got.dtype == dtype
    step = float(ml_dtypes.finfo(np.dtype(dtype)).eps)
    np.testing.assert_allclose(got.astype(np.float64), exact, rtol=step, atol=1e-7)


@pytest.mark.parametrize("op_type", UNARY)
def test_extremes_give_ieee_values_without_a_warning(op_type: str):
    """NaN in, NaN out (but where a threshold maps it to 0); infinities and overflow stay silent."""
    x = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38], np.float32)
    got = kernel(op_type)(x, **UNARY[op_type])
    assert np.isnan(got[0]) or (op_type == "ThresholdedRelu" and got[0] == 0)
    limits = {"Relu": (np.inf, 0), "Sigmoid": (1, 0), "Tanh": (1, -1), "Softplus": (np.inf, 0)}
    if op_type in limits:
        assert (got[1], got[2]) == limits[op_type]


def test_relu_of_integers_keeps_their_type():
    """ONNX's Relu takes signed integers too."""
    got = activation.relu(np.array([-3, 0, 7], np.int8))
    assert got.dtype == np.int8
    assert got.tolist() == [0, 0, 7]


def test_erf_is_exact_in_double():
    """It is the C library's, not an approximation."""
    x = np.array([-2.5, -0.1, 0.0, 1e-9, 0.7, 6.0])
    assert activation.erf(x).tolist() == [math.erf(v) for v in x]


@pytest.mark.parametrize("slope_shape", [(), (1,), (3,), (2, 1), (4, 1, 1), (4, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_prelu_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], slope_shape: tuple[int, ...], dtype: Any
):
    """The slope broadcasts to the data, one way."""
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(4, 2, 3)) * 5).astype(dtype)
    slope = np.asarray(rng.normal(size=slope_shape) * 3, dtype)
    if dtype == np.int32:
        want = np.where(x < 0, x * slope, x)
    else:
        want = onnxruntime_result("PRelu", [x, slope])
    got = activation.prelu(x, slope)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, want, rtol=1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    data=st.data(),
    dtype=st.sampled_from([np.float32, np.float64, np.int8, np.uint8, np.int64, np.uint64]),
)
def test_clip_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, dtype: Any
):
    """Any present or absent bounds, as operands or as properties, also with min above max."""
    finite = {"allow_nan": False, "allow_infinity": False} if np.dtype(dtype).kind == "f" else {}
    elements = hnp.from_dtype(np.dtype(dtype), **finite)
    x = data.draw(
        hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0), elements=elements)
    )
    bounds = [data.draw(st.none() | elements), data.draw(st.none() | elements)]
    operands = [None if b is None else np.asarray(b, dtype) for b in bounds]
    want = onnxruntime_result("Clip", [x, *operands])
    for got in (
        activation.clip(x, *operands),
        activation.clip(x, min=bounds[0], max=bounds[1]),
    ):
        assert got.dtype == x.dtype
        assert got.shape == x.shape
        np.testing.assert_array_equal(got, want)


def test_clip_of_a_bound_stored_as_signed_wraps_back():
    """A uint64 bound beyond 2^63 is an i64 attribute of the same bits."""
    x = np.array([1, 2**64 - 2], np.uint64)
    assert activation.clip(x, min=5, max=-1).tolist() == [5, 2**64 - 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int64, np.uint8, np.uint64])
@pytest.mark.parametrize(("bias", "lambd"), [(0.0, 0.5), (2.0, 1.0), (0.5, 0.0)])
def test_shrink_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], dtype: Any, bias: float, lambd: float
):
    """What is not an integer is truncated."""
    x = np.arange(0 if np.dtype(dtype).kind == "u" else -6, 6).astype(dtype)
    got = activation.shrink(x, bias=bias, lambd=lambd)
    assert got.dtype == dtype
    want = onnxruntime_result("Shrink", [x], opset=9, bias=bias, lambd=lambd)
    np.testing.assert_array_equal(got, want)


def test_shrink_leaves_long_integers_alone():
    """Without a bias nothing is computed in floats; with one, what does not fit saturates."""
    x = np.array([2**62 + 1, -5], np.int64)
    assert activation.shrink(x, bias=0.0, lambd=0.5).tolist() == [2**62 + 1, -5]
    low = np.array([1, 0], np.uint8)
    assert activation.shrink(low, bias=3.0, lambd=0.5).tolist() == [0, 0]
