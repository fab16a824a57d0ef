"""Compiled functions of rows, and copies, against NumPy in f64, for every kind of code here."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from pyflame_rt.backends.native import kernels, processors
from pyflame_rt.backends.native.floats.copying import CopyKernel, copy_call
from pyflame_rt.backends.native.floats.rows import NormKernel, SoftmaxKernel
from pyflame_rt.backends.native.floats.small_products import SmallProductKernel
from pyflame_rt.backends.native.steps import Call, Records
from pyflame_rt.backends.numpy_backend.compiled.attention import bits
from pyflame_rt.dialects.plan.schedules import SCHEDULES

KINDS = processors.supported()


def run(call: Call) -> None:
    records = Records.of([call])
    call.kernel.call(records.address(0))


def parts(kind: str) -> tuple[int, bool]:
    found = processors.instructions(kind)
    assert found is not None
    return SCHEDULES[kind].lanes, found.has_fma


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 5, 64, 129])
def test_softmax(kind: str, size: int) -> None:
    """Scale, what is added, limits that grow from row to row, zeros after them, rows of -inf."""
    lanes, fused = parts(kind)
    r = np.random.default_rng(size)
    x = r.standard_normal((4, size)).astype(np.float32) * 9
    added = r.standard_normal((4, size)).astype(np.float32)
    added[1] = -np.inf
    y = np.full_like(x, 7.0)
    kernel = SoftmaxKernel(kind, lanes, fused)
    way, limit = x.strides[0], max(1, size - 2)
    places = (x.ctypes.data, y.ctypes.data, added.ctypes.data)
    numbers = (4, size, way, way, way, limit, 1, bits(0.5), 1)
    run(Call(kernels.loaded(kernel), (*places, *numbers), (x, y, added)))
    for row in range(4):
        count = min(size, limit + row)
        scores = x[row, :count].astype(np.float64) * 0.5 + added[row, :count]
        powers = np.exp(scores - scores.max()) if row != 1 else np.zeros(count)
        exact = powers / (powers.sum() or 1.0)
        np.testing.assert_allclose(y[row, :count], exact, rtol=2e-6, atol=1e-30)
        assert (y[row, count:] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("size", [1, 7, 64, 200])
def test_norm(kind: str, centred: bool, size: int) -> None:
    """Rows with and without a vector that is added, and a mean that is subtracted."""
    lanes, fused = parts(kind)
    r = np.random.default_rng(size)
    x = (r.standard_normal((3, size)) + 3).astype(np.float32)
    factor, added = (r.standard_normal(size).astype(np.float32) for _ in range(2))
    for vector in (None, added):
        y = np.empty_like(x)
        kernel = NormKernel(kind, lanes, fused, centred)
        places = (
            x.ctypes.data, y.ctypes.data, factor.ctypes.data,
            0 if vector is None else vector.ctypes.data,
        )  # fmt: skip
        numbers = (3, size, x.strides[0], y.strides[0], bits(1e-5), bits(1 / size))
        run(Call(kernels.loaded(kernel), (*places, *numbers), (x, y, factor, added)))
        wide = x.astype(np.float64)
        wide = wide - wide.mean(1, keepdims=True) if centred else wide
        exact = wide / np.sqrt((wide**2).mean(1, keepdims=True) + 1e-5) * factor
        exact += 0 if vector is None else vector
        np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_small_products(kind: str) -> None:
    """x @ w, and x @ w transposed, with rows that lie apart and sizes that fill no vector."""
    lanes, fused = parts(kind)
    r = np.random.default_rng(0)
    x, w, v = (r.standard_normal(s, np.float32) for s in ((3, 70), (5, 80), (70, 21)))
    dots, mixture = np.empty((3, 5), np.float32), np.empty((3, 21), np.float32)
    for other, y, transposed in ((w, dots, True), (v, mixture, False)):
        kernel = SmallProductKernel(kind, lanes, fused, transposed)
        places = (x.ctypes.data, other.ctypes.data, y.ctypes.data)
        numbers = (3, y.shape[1], 70, x.strides[0], other.strides[0], y.strides[0])
        run(Call(kernels.loaded(kernel), (*places, *numbers)))
    np.testing.assert_allclose(dots, x @ w[:, :70].T, atol=1e-4)
    np.testing.assert_allclose(mixture, x @ v, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_copies(kind: str) -> None:
    """Side by side and element by element, and zeros."""
    kernel = CopyKernel(kind, SCHEDULES[kind].lanes)
    x = np.arange(2 * 3 * 37, dtype=np.float32).reshape(2, 3, 37)
    y, z = np.full((2, 37, 3), 7.0, np.float32), np.full((4, 40), 7.0, np.float32)
    ways = tuple(y.strides[axis] for axis in (0, 2, 1))
    run(copy_call(kernel, x.ctypes.data, y.ctypes.data, x.shape, x.strides, ways))
    np.testing.assert_array_equal(y, x.transpose(0, 2, 1))
    inner = z[1:3, 1:38]
    run(copy_call(kernel, x.ctypes.data, inner.ctypes.data, (2, 37), x.strides[1:], z.strides))
    np.testing.assert_array_equal(inner, x[0, :2])
    run(copy_call(kernel, 0, inner.ctypes.data, (2, 37), (0, 0), z.strides))
    assert (inner == 0).all() and z.sum() == 7.0 * (4 * 40 - 2 * 37)
