"""Sums of quantized tensors, and convolutions whose channels come last, against what they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from pyflame_rt.kernels import quantization as kernels


def scalars(*values: float) -> list[np.ndarray]:
    return [np.array(value, np.float32) for value in values]


def test_sum_is_that_of_reals() -> None:
    """Dequantize, add, quantize: saturated at both ends, halves to even."""
    sy = np.array(1.0, np.float32)
    one = np.array([[1, 3, 5]], np.uint8)
    z = np.array(0, np.uint8)
    half = np.array(0.5, np.float32)
    even = kernels.qlinear_add(one, half, z, 0 * one, half, z, sy, z)
    np.testing.assert_array_equal(even, [[0, 2, 2]])
    a, b = (np.arange(256, dtype=np.uint8)[part] for part in (slice(None), slice(None, None, -1)))
    b = b.view(np.int8)
    sa, sb, sy = scalars(0.5, 1.5, 0.25)
    za, zb, zy = np.array(3, np.uint8), np.array(-4, np.int8), np.array(100, np.uint8)
    found = kernels.qlinear_add(a, sa, za, b, sb, zb, sy, zy)
    reals = (a.astype(np.float64) - 3) * 0.5 + (b.astype(np.float64) + 4) * 1.5
    expected = np.clip(np.rint(reals / 0.25) + 100, 0, 255)
    np.testing.assert_array_equal(found, expected)
    assert (found.min(), found.max()) == (0, 255)
    with pytest.raises(ValueError, match=r"tensors of shapes \[256\] and \[1\]"):
        kernels.qlinear_add(a, sa, za, b[:1], sb, zb, sy, zy)


def test_channels_last() -> None:
    """A layout is where data lie, of sums of integers and of residuals too."""
    r = np.random.default_rng(0)
    x = r.integers(0, 256, (2, 3, 6, 5)).astype(np.uint8)
    w = r.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    more = r.integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    s, t = scalars(0.1, 0.7)
    z, v = np.array(7, np.uint8), np.array(0, np.int8)

    def last(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1))

    integers = kernels.conv_integer(x, w, z)
    np.testing.assert_array_equal(
        kernels.conv_integer(last(x), w, z, layout="nhwc"), last(integers)
    )
    made = kernels.qlinear_conv(x, s, z, w, s, v, t, z)
    total = kernels.qlinear_add(made, t, z, more, s, z, t, z)
    given = (s, z, w, s, v, t, z)
    found = kernels.qlinear_conv_add(last(x), *given, last(more), s, z, t, z, layout="nhwc")
    np.testing.assert_array_equal(found, last(total))
