"""Matrix product kernels against ONNX Runtime and NumPy's definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyflame_rt.kernels import contraction

MATMUL = hnp.mutually_broadcastable_shapes(
    signature="(m?,k),(k,n?)->(m?,n?)", max_dims=2, max_side=5
)


def normal(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """Reproducible values of a few units."""
    return np.asarray(np.random.default_rng(len(shape)).normal(size=shape) * 3, dtype)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(shapes=MATMUL)
def test_matmul_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], shapes: hnp.BroadcastableShapes
):
    """Vectors, matrices, broadcasting batches."""
    a, b = map(normal, shapes.input_shapes)
    got = contraction.matmul(a, b)
    assert got.shape == shapes.result_shape
    np.testing.assert_allclose(got, onnxruntime_result("MatMul", [a, b]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_matmul_of_integers_wraps(dtype: Any):
    """Integers are exact modulo 2^bits."""
    a = np.array([[2**31 - 1, 2], [3, 4]], dtype)
    got = contraction.matmul(a, a)
    assert got.dtype == dtype
    exact = a.astype(object) @ a.astype(object)
    bits = 8 * np.dtype(dtype).itemsize
    assert [int(v) % 2**bits for v in got.flat] == [v % 2**bits for v in exact.flat]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_accumulate_in_float32(dtype: Any):
    """4096 ones sum to 4096, where a narrow accumulator stops growing."""
    a = np.ones((1, 4096), dtype)
    for got in (
        contraction.matmul(a, a.T),
        contraction.gemm(a, a, alpha=1.0, beta=1.0, trans_a=False, trans_b=True),
    ):
        assert got.dtype == dtype
        assert float(got[0, 0]) == 4096


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    size=st.tuples(*[st.integers(1, 5)] * 3),
    trans=st.tuples(st.booleans(), st.booleans()),
    scale=st.tuples(st.sampled_from([1.0, 0.5]), st.sampled_from([1.0, 0.0, -2.0])),
    addend=st.sampled_from([None, "scalar", "row", "column", "matrix"]),
)
def test_gemm_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    size: tuple[int, int, int],
    trans: tuple[bool, bool],
    scale: tuple[float, float],
    addend: str | None,
):
    """Every transposition, scale and shape of the addend."""
    m, k, n = size
    a = normal((k, m) if trans[0] else (m, k))
    b = normal((n, k) if trans[1] else (k, n))
    shapes = {"scalar": (), "row": (n,), "column": (m, 1), "matrix": (m, n)}
    c = None if addend is None else normal(shapes[addend])
    got = contraction.gemm(
        a, b, c, alpha=scale[0], beta=scale[1], trans_a=trans[0], trans_b=trans[1]
    )
    inputs = [a, b] if c is None else [a, b, c]
    want = onnxruntime_result(
        "Gemm", inputs, alpha=scale[0], beta=scale[1], transA=int(trans[0]), transB=int(trans[1])
    )
    assert got.shape == (m, n)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_gemm_of_integers_is_exact_and_truncates_scaled_products():
    """Unscaled, large integers do not pass through floats."""
    a = np.array([[2**40 + 1]])
    b = np.array([[3]])
    plain = {"trans_a": False, "trans_b": False}
    assert contraction.gemm(a, b, b, alpha=1.0, beta=1.0, **plain).tolist() == [[3 * 2**40 + 6]]
    assert contraction.gemm(b, b, alpha=0.5, beta=1.0, **plain).tolist() == [[4]]


def test_gemm_does_not_read_an_addend_of_weight_zero():
    """BLAS's rule: 0 * NaN does not appear."""
    one, nan = np.ones((1, 1), np.float32), np.full((1, 1), np.nan, np.float32)
    got = contraction.gemm(one, one, nan, alpha=1.0, beta=0.0, trans_a=False, trans_b=False)
    assert got.tolist() == [[1]]


def test_empty_depth_gives_zeros():
    """A sum of no products is 0."""
    a, b = np.ones((2, 0), np.float32), np.ones((0, 3), np.float32)
    assert contraction.matmul(a, b).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert contraction.matmul(b, np.ones((3, 2), np.float32)).shape == (0, 2)
    got = contraction.gemm(a, b, alpha=1.0, beta=1.0, trans_a=False, trans_b=False)
    assert got.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_overflow_is_silent():
    """inf - inf inside a product is NaN, not a warning."""
    a = np.array([[np.inf, np.inf]], np.float32)
    assert np.isnan(contraction.matmul(a, np.array([[1], [-1]], np.float32)))
