"""Pool kernels against ONNX Runtime, and the corners on which it has no say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels import pooling
from pyflame_rt.kernels.windows import window_axes

AUTO_PADS = st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])


def normal(*shape: int) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@st.composite
def geometries(draw: st.DrawFn, dilated: bool = True) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Spatial sizes and attributes under which windows fit and each holds an element.

    ONNX Runtime wants pads below the kernel's size, applies ceil_mode to VALID against the
    standard's text, and gives SAME negative pads when strides exceed the kernel: none is drawn.
    """
    rank = draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    auto_pad = draw(AUTO_PADS)
    kernel, sizes = each(1, 3), each(1, 7)
    attributes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": each(1, 3),
        "auto_pad": auto_pad,
        "ceil_mode": int(auto_pad != "VALID" and draw(st.booleans())),
    }
    if auto_pad == "NOTSET":
        limits = [k - 1 for k in kernel] * 2
        attributes["pads"] = tuple(draw(st.integers(0, min(limit, 2))) for limit in limits)
        if dilated:
            attributes["dilations"] = each(1, 2)
    strided = zip(attributes["strides"], kernel, strict=True)
    assume(not auto_pad.startswith("SAME") or all(s <= k for s, k in strided))
    for axis, size in zip(window_axes(**attributes), sizes, strict=True):
        assume(size + sum(axis.resolved_pads(size)) >= axis.extent)
        assume(min(axis.taps_inside(size, False)) > 0)
    return sizes, attributes


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    geometry=geometries(),
    dtype=st.sampled_from([np.float32, np.float64, np.int8, np.uint8]),
    batch=st.integers(0, 2),
)
def test_max_pool_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    geometry: tuple[tuple[int, ...], dict[str, Any]],
    dtype: Any,
    batch: int,
):
    """1 to 3 axes, strides, pads, dilations, auto_pad, ceil_mode, floats and bytes."""
    sizes, attributes = geometry
    x = (normal(batch, 2, *sizes) * 20).astype(dtype)
    got = pooling.max_pool(x, **attributes)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, onnxruntime_result("MaxPool", [x], **attributes))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(geometry=geometries(), storage_order=st.integers(0, 1))
def test_max_pool_indices_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    geometry: tuple[tuple[int, ...], dict[str, Any]],
    storage_order: int,
):
    """Indices into the flattened tensor, without padding, in both orders; ties go to the first."""
    sizes, attributes = geometry
    x = np.round(normal(2, 2, *sizes) * 2)
    # ONNX Runtime does not take storage_order in one dimension, where it means nothing.
    extra = {"storage_order": storage_order} if len(sizes) > 1 else {}
    values, indices = pooling.max_pool_with_indices(x, **attributes, storage_order=storage_order)
    want = onnxruntime_result("MaxPool", [x], outputs=2, **attributes, **extra)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(values, want[0])
    np.testing.assert_array_equal(indices, want[1])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(geometry=geometries(), count_include_pad=st.booleans())
def test_average_pool_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    geometry: tuple[tuple[int, ...], dict[str, Any]],
    count_include_pad: bool,
):
    """What counts in the divisor: elements, padding if asked, never what hangs over."""
    sizes, attributes = geometry
    x = normal(2, 2, *sizes)
    got = pooling.average_pool(x, **attributes, count_include_pad=count_include_pad)
    want = onnxruntime_result(
        "AveragePool", [x], **attributes, count_include_pad=int(count_include_pad)
    )
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(geometry=geometries(dilated=False), p=st.integers(1, 3))
def test_lp_pool_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    geometry: tuple[tuple[int, ...], dict[str, Any]],
    p: int,
):
    """Norms of order 1 to 3 of each window."""
    sizes, attributes = geometry
    x = normal(2, 2, *sizes)
    got = pooling.lp_pool(x, **attributes, p=p)
    want = onnxruntime_result("LpPool", [x], **attributes, p=p)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 2, 4, 4), (0, 3, 2, 2), (1, 2, 2, 3, 4)])
def test_global_pools_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], shape: tuple[int, ...]
):
    """All spatial axes become 1."""
    x = normal(*shape)
    for op_type, kernel, attributes in (
        ("GlobalAveragePool", pooling.global_average_pool, {}),
        ("GlobalMaxPool", pooling.global_max_pool, {}),
        ("GlobalLpPool", pooling.global_lp_pool, {"p": 3}),
    ):
        got = kernel(x, **attributes)
        want = onnxruntime_result(op_type, [x], opset=21, **attributes)
        assert got.shape == want.shape
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_average_in_float32(dtype: Any):
    """4096 ones average to 1, and the dtype stays."""
    x = np.ones((1, 1, 4096), dtype)
    for got in (pooling.global_average_pool(x), pooling.average_pool(x, kernel_shape=(4096,))):
        assert got.dtype == dtype
        assert float(got[0, 0, 0]) == 1
    assert pooling.max_pool(x, kernel_shape=(2,), pads=(1, 1)).dtype == dtype


def test_nan_is_the_maximum_of_its_window():
    """A NaN must not vanish in a pool; its index is its place."""
    x = np.array([[[1, np.nan, 0, 2]]], np.float32)
    values, indices = pooling.max_pool_with_indices(x, kernel_shape=(2,))
    np.testing.assert_array_equal(values, [[[np.nan, np.nan, 2]]])
    assert indices.tolist() == [[[1, 1, 3]]]
    np.testing.assert_array_equal(pooling.max_pool(x, kernel_shape=(2,)), values)


def test_infinite_minimum_is_told_from_padding():
    """-inf in the tensor has an index; a window of padding alone has -1."""
    x = np.full((1, 1, 1), -np.inf, np.float32)
    values, indices = pooling.max_pool_with_indices(x, kernel_shape=(2,), pads=(1, 2))
    assert values.tolist() == [[[-np.inf] * 3]]
    assert indices.tolist() == [[[0, 0, -1]]]


def test_valid_padding_never_rounds_up():
    """The standard's formula for VALID is the same in both modes: windows that fit."""
    x = normal(1, 1, 5)
    got = pooling.max_pool(x, kernel_shape=(3,), strides=(3,), auto_pad="VALID", ceil_mode=True)
    assert got.shape == (1, 1, 1)
