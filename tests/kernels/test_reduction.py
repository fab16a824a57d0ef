"""Reduction kernels against ONNX Runtime, and the corners on which it has no say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels import reduction

KERNELS: dict[str, Callable[..., np.ndarray]] = {
    "ReduceL1": reduction.reduce_l1,
    "ReduceL2": reduction.reduce_l2,
    "ReduceLogSum": reduction.reduce_log_sum,
    "ReduceLogSumExp": reduction.reduce_log_sum_exp,
    "ReduceMax": reduction.reduce_max,
    "ReduceMean": reduction.reduce_mean,
    "ReduceMin": reduction.reduce_min,
    "ReduceProd": reduction.reduce_prod,
    "ReduceSum": reduction.reduce_sum,
    "ReduceSumSquare": reduction.reduce_sum_square,
}
OF_NOTHING = {"ReduceL1": 0, "ReduceL2": 0, "ReduceProd": 1, "ReduceSum": 0, "ReduceSumSquare": 0}
FLAGS = {"keepdims": True, "select_last_index": False}


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """Data of up to three dimensions and which of them to reduce how."""
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    rank = len(shape)
    axes = draw(st.none() | st.lists(st.integers(0, rank - 1), unique=True)) if rank else None
    if axes is not None:
        axes = [axis - rank if draw(st.booleans()) else axis for axis in axes]
    seed = draw(st.integers(0, 9))
    data = np.asarray(np.random.default_rng(seed).normal(size=shape) * 3)
    flags = {"keepdims": draw(st.booleans()), "noop_with_empty_axes": draw(st.booleans())}
    return data, {"axes": axes, **flags}


@pytest.mark.parametrize("op_type", KERNELS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(case=cases(), dtype=st.sampled_from([np.float32, np.float64, np.int32, np.int64]))
def test_reduction_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    op_type: str,
    case: tuple[np.ndarray, dict[str, Any]],
    dtype: Any,
):
    """Axes absent, empty, negative, as property and as operand, keepdims, noop; scalars."""
    data, how = case
    flags = {k: int(v) for k, v in how.items() if k != "axes"}
    if op_type.startswith("ReduceLog"):
        dtype = np.float32
    if (op_type, dtype) in ONNXRUNTIME_LACKS:
        dtype = np.float32
    x = np.asarray(np.abs(data) + 0.1 if op_type == "ReduceLogSum" else data, dtype)
    axes = None if how["axes"] is None else np.array(how["axes"], np.int64)
    want = onnxruntime_result(op_type, [x] if axes is None else [x, axes], **flags)
    kernel = KERNELS[op_type]
    for got in (kernel(x, axes, **how | {"axes": None}), kernel(x, None, **how)):
        assert got.dtype == dtype
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


ONNXRUNTIME_LACKS = {
    ("ReduceL1", np.float64),
    ("ReduceL1", np.int64),
    ("ReduceL2", np.float64),
    ("ReduceL2", np.int64),
}


@pytest.mark.parametrize("op_type", KERNELS)
def test_reduction_of_nothing(op_type: str):
    """ONNX: -inf for max and logarithms, inf for min, the neutral element for the rest."""
    got = KERNELS[op_type](np.zeros((2, 0, 3), np.float32), axes=(1,))
    assert got.shape == (2, 1, 3)
    if op_type == "ReduceMean":
        assert np.isnan(got).all()
        return
    limits = {"ReduceMin": np.inf, **OF_NOTHING}
    assert np.unique(got).tolist() == [limits.get(op_type, -np.inf)]
    assert KERNELS[op_type](np.zeros((2, 0, 3), np.float32), axes=(0,)).shape == (1, 0, 3)


def test_extremes_of_nothing_in_types_without_infinity():
    """The lowest and highest values of integers and booleans."""
    for dtype, low, high in ((np.int8, -128, 127), (np.uint8, 0, 255), (np.bool_, False, True)):
        x = np.zeros(0, dtype)
        assert reduction.reduce_max(x).tolist() == [low]
        assert reduction.reduce_min(x).tolist() == [high]
        assert reduction.reduce_max(x).dtype == dtype


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint8])
def test_max_and_min_of_small_types_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], dtype: Any
):
    """Max and min also take booleans and bytes."""
    x = np.array([[3, 0, 7], [0, 0, 0]]).astype(dtype)
    axes = np.array([1])
    for op_type in ("ReduceMax", "ReduceMin"):
        got = KERNELS[op_type](x, axes)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, onnxruntime_result(op_type, [x, axes]))


def test_mean_of_integers_truncates_and_stays_exact(onnxruntime_result: Callable[..., Any]):
    """Towards zero, and without passing through floats."""
    x = np.array([[-3, 2, -4], [2**30, 2**30 - 1, 1]], np.int32)
    want = onnxruntime_result("ReduceMean", [x, np.array([1])])
    np.testing.assert_array_equal(reduction.reduce_mean(x, axes=(1,)), want)
    big = np.array([2**62 + 1, 1])
    assert reduction.reduce_mean(big).tolist() == [2**61 + 1]


@pytest.mark.parametrize("op_type", KERNELS)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_the_rounded_exact_result(op_type: str, dtype: Any):
    """Accumulation is in float32: 3000 small terms do not get lost."""
    x = np.full(3000, 0.5, dtype)
    got = KERNELS[op_type](x)
    assert got.dtype == dtype
    exact = KERNELS[op_type](x.astype(np.float64))
    step = float(ml_dtypes.finfo(np.dtype(dtype)).eps)
    np.testing.assert_allclose(got.astype(np.float64), exact, rtol=step, atol=1e-7)


def test_log_sum_exp_does_not_overflow():
    """Large, infinite and NaN operands."""
    lse = reduction.reduce_log_sum_exp
    assert lse(np.array([1e4, 1e4], np.float32))[0] == pytest.approx(1e4 + np.log(2))
    assert lse(np.array([-np.inf, -np.inf], np.float32))[0] == -np.inf
    assert lse(np.array([np.inf, 0], np.float32))[0] == np.inf
    assert np.isnan(lse(np.array([np.nan, 0], np.float32))[0])


def test_nan_spreads():
    """A NaN is no number to lose in a maximum."""
    x = np.array([1, np.nan, 3], np.float32)
    assert np.isnan(reduction.reduce_max(x)[0])
    assert np.isnan(reduction.reduce_min(x)[0])
    assert np.isnan(reduction.reduce_mean(x)[0])
    assert reduction.arg_max(x, axis=0, **FLAGS).tolist() == [1]
    assert reduction.arg_min(x, axis=0, **FLAGS).tolist() == [1]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((2,), "axis 2 is outside the 2 dimensions"),
        ((0, -2), r"axes \[0, -2\] name one dimension twice"),
    ],
)
def test_wrong_axes_are_an_error(axes: tuple[int, ...], message: str):
    """Axes that come as an operand are checked by the kernel."""
    with pytest.raises(ValueError, match=message):
        reduction.reduce_sum(np.ones((2, 2)), np.array(axes))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    data=st.data(),
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    dtype=st.sampled_from([np.float32, np.float64, np.int32, np.int8, np.uint8]),
)
def test_arg_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    shape: tuple[int, ...],
    dtype: Any,
):
    """Ties go to the first index, or to the last; axes from either end; keepdims."""
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    flags = {"keepdims": data.draw(st.booleans()), "select_last_index": data.draw(st.booleans())}
    x = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 3, shape).astype(dtype)
    for op_type, kernel in (("ArgMax", reduction.arg_max), ("ArgMin", reduction.arg_min)):
        got = kernel(x, axis=axis, **flags)
        want = onnxruntime_result(op_type, [x], axis=axis, **{k: int(v) for k, v in flags.items()})
        assert got.dtype == np.int64
        assert got.shape == want.shape
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.uint64])
def test_arg_of_types_onnxruntime_lacks(dtype: Any):
    """Every type with an order."""
    x = np.array([[1, 3, 3], [2, 0, 0]]).astype(dtype)
    last = {"keepdims": False, "select_last_index": True}
    assert reduction.arg_max(x, axis=1, **last).tolist() == [2, 0]
    assert reduction.arg_min(x, axis=1, **last).tolist() == [0, 2]


def test_arg_of_an_empty_axis_is_an_error():
    """There is no index to return."""
    with pytest.raises(ValueError, match=r"axis 1 of shape \[3, 0\] is empty"):
        reduction.arg_max(np.zeros((3, 0)), axis=1, **FLAGS)
    assert reduction.arg_max(np.zeros((0, 3)), axis=1, **FLAGS).shape == (0, 1)
