"""Normalization kernels against ONNX Runtime, and the corners on which it has no say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels import normalization as norm

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def normal(*shape: int) -> np.ndarray:
    """Reproducible values of a few units."""
    return (np.random.default_rng(len(shape)).normal(size=shape) * 3).astype(np.float32)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), shape=SHAPES)
def test_softmax_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    """Every axis, counted from either end."""
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = normal(*shape) * 30
    for op_type, kernel in (("Softmax", norm.softmax), ("LogSoftmax", norm.log_softmax)):
        got = kernel(x, axis=axis)
        assert got.dtype == np.float32
        want = onnxruntime_result(op_type, [x], axis=axis)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_softmax_of_extremes():
    """Large values do not overflow; one infinity is NaN, as the formula says; empty stays empty."""
    assert norm.softmax(np.array([1e38, 1e38], np.float32), axis=0).tolist() == [0.5, 0.5]
    assert norm.log_softmax(np.array([0, -1e30], np.float32), axis=0)[1] == np.float32(-1e30)
    assert norm.softmax(np.array([0, -np.inf], np.float32), axis=0).tolist() == [1, 0]
    assert np.isnan(norm.softmax(np.array([0, np.inf], np.float32), axis=0)[1])
    assert norm.softmax(np.zeros((2, 0), np.float32), axis=1).shape == (2, 0)
    assert norm.softmax(np.zeros((0, 2), np.float32), axis=1).shape == (0, 2)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), shape=SHAPES)
def test_batch_normalization_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    """Statistics by channel; a vector has one channel."""
    channels = shape[1] if len(shape) > 1 else 1
    x, scale, bias, mean = normal(*shape), *(normal(channels) + k for k in range(3))
    var = np.abs(normal(channels)) + np.float32(0.1)
    epsilon = data.draw(st.sampled_from([1e-5, 0.25]))
    inputs = [x, scale, bias, mean, var]
    got = norm.batch_normalization(*inputs, epsilon=epsilon)
    assert got.dtype == np.float32
    want = onnxruntime_result("BatchNormalization", inputs, epsilon=epsilon)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_batch_normalization_takes_statistics_of_another_float_type():
    """Half-precision data with single-precision statistics: the result is half."""
    one = np.ones(2, np.float32)
    x = np.array([[1, 2]], np.float16)
    got = norm.batch_normalization(x, one, one, one, one, epsilon=0.0)
    assert got.dtype == np.float16
    assert got.tolist() == [[1, 2]]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data(), shape=SHAPES)
def test_layer_normalization_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, shape: tuple[int, ...]
):
    """From any axis on, with and without a bias."""
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x, scale = normal(*shape), normal(*shape[axis:]) + np.float32(1)
    bias = normal(*shape[axis:]) if data.draw(st.booleans()) else None
    got = norm.layer_normalization(x, scale, bias, axis=axis, epsilon=1e-2)
    assert got.dtype == np.float32
    inputs = [x, scale] if bias is None else [x, scale, bias]
    want = onnxruntime_result("LayerNormalization", inputs, axis=axis, epsilon=1e-2)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_layer_normalization_broadcasts_its_parameters():
    """The scale may have fewer dimensions than what is normalised."""
    x = normal(2, 3, 4)
    full = norm.layer_normalization(x, np.full((3, 4), 2, np.float32), axis=1, epsilon=1e-5)
    short = norm.layer_normalization(x, np.full(4, 2, np.float32), axis=1, epsilon=1e-5)
    np.testing.assert_array_equal(full, short)


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 2, 4, 4), (1, 2, 2, 3, 4)])
def test_instance_normalization_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], shape: tuple[int, ...]
):
    """Each channel of each image by itself."""
    inputs = [normal(*shape), normal(shape[1]), normal(shape[1])]
    got = norm.instance_normalization(*inputs, epsilon=1e-2)
    assert got.dtype == np.float32
    want = onnxruntime_result("InstanceNormalization", inputs, epsilon=1e-2)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3, 5, 99])
def test_lrn_equals_onnxruntime(onnxruntime_result: Callable[..., Any], size: int):
    """Windows over channels, also wider than there are."""
    x, factors = normal(2, 6, 3, 2), {"alpha": 0.5, "beta": 0.6, "bias": 2.0}
    got = norm.lrn(x, size=size, **factors)
    assert got.dtype == np.float32
    want = onnxruntime_result("LRN", [x], size=size, **factors)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_lrn_of_even_size_looks_further_ahead():
    """ONNX: floor((size - 1) / 2) channels before, ceil((size - 1) / 2) after."""
    x = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1)
    got = norm.lrn(x, size=4, alpha=4.0, beta=1.0, bias=0.0)
    sums = np.array([1 + 4 + 9, 1 + 4 + 9 + 16, 4 + 9 + 16, 9 + 16])
    np.testing.assert_allclose(got.reshape(-1), np.arange(1, 5) / sums, rtol=1e-6)


def test_lrn_of_absurd_size_allocates_nothing():
    """The window is clipped to the channels there are."""
    x = np.ones((1, 2, 1), np.float32)
    got = norm.lrn(x, size=2**40, alpha=1.0, beta=1.0, bias=1.0)
    np.testing.assert_allclose(got, x, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_summed_in_float32(dtype: Any):
    """Statistics of 4096 values near 100 are right, and the dtype stays."""
    x = (np.arange(4096).reshape(1, 1, 4096) % 2 * 2 + 100).astype(dtype)
    one, zero = np.ones(1, dtype), np.zeros(1, dtype)
    for got in (
        norm.layer_normalization(x, one, zero, axis=-1, epsilon=0.0),
        norm.instance_normalization(x, one, zero, epsilon=0.0),
    ):
        assert got.dtype == dtype
        assert np.abs(got.astype(np.float32)).tolist() == np.ones((1, 1, 4096)).tolist()
    assert float(norm.softmax(np.zeros(4096, dtype), axis=0)[0]) == 1 / 4096


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_empty_tensors_stay_empty(shape: tuple[int, ...]):
    """No warning about a mean of nothing."""
    x, c = np.zeros(shape, np.float32), np.ones(shape[1], np.float32)
    row = np.ones(shape[-1], np.float32)
    assert norm.batch_normalization(x, c, c, c, c, epsilon=1e-5).shape == shape
    assert norm.instance_normalization(x, c, c, epsilon=1e-5).shape == shape
    assert norm.layer_normalization(x, row, row, axis=-1, epsilon=1e-5).shape == shape
    assert norm.lrn(x, size=3, alpha=1.0, beta=1.0, bias=1.0).shape == shape


def test_batch_normalization_training_equals_onnxruntime(onnxruntime_result: Callable[..., Any]):
    """Statistics of the batch, and those so far on their way to them."""
    inputs = [normal(4, 3, 2), normal(3), normal(3), normal(3), np.abs(normal(3))]
    got = norm.batch_normalization_training(*inputs, epsilon=1e-2, momentum=0.75)
    want = onnxruntime_result(
        "BatchNormalization", inputs, 3, epsilon=1e-2, momentum=0.75, training_mode=1
    )
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_batch_normalization_training_of_a_vector():
    """It has one channel; statistics keep their type, whatever the data's."""
    x, one = np.array([1, 3], np.float16), np.ones(1, np.float64)
    y, mean, var = norm.batch_normalization_training(
        x, one, one, one, one, epsilon=0.0, momentum=0.5
    )
    assert (y.dtype, mean.dtype, var.dtype) == (np.float16, np.float64, np.float64)
    assert y.tolist() == [0, 2]
    assert (mean.tolist(), var.tolist()) == ([1.5], [1.0])


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (1, 6, 2, 3)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_normalization_is_that_of_its_groups(shape: tuple[int, ...], groups: int):
    """Each group by itself, in f64."""
    x, scale, bias = normal(*shape), normal(6), normal(6)
    got = norm.group_normalization(x, scale, bias, num_groups=groups, epsilon=1e-2)
    assert got.dtype == np.float32
    for image in range(shape[0]):
        for group in np.split(np.arange(6), groups):
            part = x[image, group].astype(np.float64)
            want = (part - part.mean()) / np.sqrt(part.var() + 1e-2)
            factors = (-1, *(1,) * (len(shape) - 2))
            want = want * scale[group].reshape(factors) + bias[group].reshape(factors)
            np.testing.assert_allclose(got[image, group], want, rtol=1e-4, atol=1e-4)


def test_groups_of_different_sizes_are_refused():
    one = np.ones(4, np.float32)
    with pytest.raises(ValueError, match="4 channels do not make 3 groups"):
        norm.group_normalization(normal(1, 4), one, one, num_groups=3, epsilon=1e-5)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_rms_normalization_has_the_scales_type(axis: int):
    """The mean of squares in f32, of values whose squares f16 cannot hold."""
    x = (normal(2, 3, 4) * 100).astype(np.float16)
    scale = normal(*x.shape[axis:])
    got = norm.rms_normalization(x, scale, axis=axis, epsilon=1e-5)
    assert got.dtype == np.float32
    wide, axes = x.astype(np.float64), tuple(range(axis % 3, 3))
    want = wide / np.sqrt((wide**2).mean(axes, keepdims=True) + 1e-5) * scale
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert norm.rms_normalization(x, scale.astype(np.float16), axis=axis, epsilon=0.0).dtype == (
        np.float16
    )


@pytest.mark.parametrize("axes", [(0, 2, 3), (1,), (-1, 0)])
def test_mean_variance_normalization_is_its_definition(axes: tuple[int, ...]):
    x = normal(2, 3, 4, 5)
    got = norm.mean_variance_normalization(x, axes=axes)
    assert got.dtype == np.float32
    want = (x - x.mean(axes, keepdims=True)) / x.std(axes, keepdims=True)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert norm.mean_variance_normalization(np.ones((2, 2), np.float32), axes=(1,)).sum() == 0


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [0, -1])
def test_lp_normalization_is_its_definition(axis: int, p: int):
    """Zeros stay zeros, NaN spreads."""
    x = normal(3, 4)
    got = norm.lp_normalization(x, axis=axis, p=p)
    np.testing.assert_allclose(got, x / np.linalg.norm(x, p, axis, keepdims=True), rtol=1e-5)
    assert norm.lp_normalization(np.zeros(3, np.float16), axis=0, p=p).tolist() == [0, 0, 0]
    assert np.isnan(norm.lp_normalization(np.array([0, np.nan], np.float32), axis=0, p=p)).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_hardmax_is_one_at_the_first_of_the_largest(dtype: Any):
    """NaN is the largest; of nothing there is none."""
    x = np.array([[1, 3, 3], [-np.inf, -np.inf, -np.inf], [1, np.nan, 3]], dtype)
    got = norm.hardmax(x, axis=1)
    assert got.dtype == dtype
    assert got.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert norm.hardmax(x[:2], axis=-2).tolist() == [[1, 1, 1], [0, 0, 0]]
    assert norm.hardmax(np.zeros((2, 0), dtype), axis=1).shape == (2, 0)
