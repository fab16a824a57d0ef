"""Exact products of integers: the bits of the kernels, however the depth is cut."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.backends.numpy_backend.algorithms import quantized
from pyflame_rt.backends.numpy_backend.algorithms.quantized import cuts

RNG = np.random.default_rng(3)


def integers(dtype: type, *shape: int) -> np.ndarray:
    """All values of a type."""
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


ONE = np.array(0.0123, np.float32)
Y_SCALE = np.array(3.7, np.float32)


@pytest.mark.parametrize("left", [np.uint8, np.int8])
@pytest.mark.parametrize("right", [np.uint8, np.int8])
@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 40, 17), (70, 2000, 33)])
def test_matmul_integer(left: type, right: type, shape: tuple, check_case, new_case):
    """With zero points and without; some depths are too large for one part."""
    rows, depth, columns = shape
    a, b = integers(left, rows, depth), integers(right, depth, columns)
    a_zero, b_zero = integers(left), integers(right, columns)
    check_case(new_case("matmul_integer", [a, b, a_zero, b_zero], {}, (1, 3)))
    check_case(new_case("matmul_integer", [a[None], b, None, None], {}, (1,)))


def test_sums_that_wrap(check_case, new_case):
    """The accumulator has 32 bits."""
    a, b = np.full((2, 40_000), 255, np.uint8), np.full((40_000, 2), 255, np.uint8)
    check_case(new_case("matmul_integer", [a, b, None, None], {}, (1,)))


@pytest.mark.parametrize("rows", [1, 200])
@pytest.mark.parametrize("depth", [60, 900])
def test_qlinear_matmul(rows: int, depth: int, check_case, new_case, monkeypatch):
    """Requantized some rows at a time, with a scale a column."""
    monkeypatch.setattr(quantized, "_CACHED", 1 << 12)
    a, b = integers(np.uint8, rows, depth), integers(np.int8, depth, 21)
    scales = RNG.random(21).astype(np.float32) / 50
    operands = [
        a, ONE, np.array(120, np.uint8), b, scales, integers(np.int8, 21), Y_SCALE,
        np.array(131, np.uint8),
    ]  # fmt: skip
    check_case(new_case("qlinear_matmul", operands, {}, (3, 5)))
    bias = RNG.integers(-(1 << 28), 1 << 28, 21, np.int32)
    check_case(new_case("qlinear_matmul", [*operands, bias], {}, (3, 5)))


WINDOWS = {
    "points": ((2, 6, 5, 5), (4, 6, 1, 1), {}),
    "padded": ((1, 4, 9, 8), (3, 4, 3, 3), {"pads": (1, 0, 1, 2), "strides": (2, 1)}),
    "groups": ((2, 6, 7, 7), (4, 3, 3, 3), {"group": 2, "dilations": (2, 1)}),
    "depthwise": ((1, 5, 6, 6), (5, 1, 3, 3), {"group": 5, "auto_pad": "SAME_UPPER"}),
    "deep": ((1, 150, 6, 6), (2, 150, 3, 3), {"pads": (1,) * 4}),
    "one_axis": ((2, 3, 9), (4, 3, 3), {"pads": (1, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_conv_integer(name: str, check_case, new_case):
    """Padding is the zero point, whatever that is."""
    x_shape, w_shape, properties = WINDOWS[name]
    x, w = integers(np.uint8, *x_shape), integers(np.int8, *w_shape)
    zero_points = np.array(117, np.uint8), integers(np.int8, w_shape[0])
    check_case(new_case("conv_integer", [x, w, *zero_points], properties, (1, 3)))
    check_case(new_case("conv_integer", [x, w, None, None], properties, (1,)))


@pytest.mark.parametrize("name", WINDOWS)
def test_qlinear_conv(name: str, check_case, new_case):
    """With a bias in the accumulator's scale, and a scale a feature."""
    x_shape, w_shape, properties = WINDOWS[name]
    x, w = integers(np.uint8, *x_shape), integers(np.int8, *w_shape)
    scales = RNG.random(w_shape[0]).astype(np.float32) / 50
    bias = RNG.integers(-1000, 1000, w_shape[0], np.int32)
    head = [x, ONE, np.array(117, np.uint8), w]
    tail = [np.zeros(1, np.int8), Y_SCALE, np.array(3, np.int8)]
    operands = [*head, scales, *tail, bias]
    check_case(new_case("qlinear_conv", operands, properties, (3, 5, 8)))
    operands = [*head, ONE, *tail, None]
    check_case(new_case("qlinear_conv", operands, properties, (3, 5)))


def test_a_scale_that_is_no_number_goes_to_the_kernel(check_case, new_case):
    """There rounding NaN has a meaning."""
    nan = np.array(np.nan, np.float32)
    a, b = integers(np.uint8, 2, 3), integers(np.uint8, 3, 4)
    zero = np.array(1, np.uint8)
    operands = [a, nan, zero, b, ONE, zero, Y_SCALE, zero]
    check_case(new_case("qlinear_matmul", operands, {}, (3, 5)))


def test_cuts_are_few_and_exact():
    """Small weights need no cut; the largest ones one every 258 at most."""
    assert cuts(np.ones((1000, 4), np.float32), 0) == [slice(0, 1000)]
    parts = cuts(np.full((1000, 4), 255, np.float32), 0)
    assert all((part.stop - part.start) * 255 * 255 <= 2**24 for part in parts)
    assert len(parts) <= 5
