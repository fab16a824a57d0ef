"""The transposed convolution's kernel against ONNX Runtime.

ONNX Runtime refuses, and ONNX does not: results without elements, an output_padding that is neither
below its stride nor below its dilation, an output_shape that more than such a padding would reach.
There and for empty operands the kernel is compared with the transpose of conv.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels.convolution import conv, conv_transpose
from pyflame_rt.kernels.windows import transposed_axes


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(np.float32)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    data=st.data(),
    rank=st.integers(1, 3),
    auto_pad=st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
)
def test_conv_transpose_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, rank: int, auto_pad: str
):
    """1 to 3 spatial axes, strides, dilations, groups, pads, output_padding, output_shape."""

    def draw(low: int, high: int, count: int = rank) -> list[int]:
        return [data.draw(st.integers(low, high)) for _ in range(count)]

    kernel, sizes, strides, dilations = draw(1, 3), draw(1, 4), draw(1, 3), draw(1, 2)
    how: dict[str, Any] = {"strides": strides, "dilations": dilations, "auto_pad": auto_pad}
    if auto_pad == "NOTSET":
        how["pads"] = draw(0, 2, 2 * rank)
    spread = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(sizes, strides, kernel, dilations, strict=True)
    ]
    match data.draw(st.sampled_from(["", "output_padding", "output_shape"])):
        case "output_padding":
            how["output_padding"] = [data.draw(st.integers(0, s - 1)) for s in strides]
        case "output_shape":
            added = [data.draw(st.integers(-2, s - 1)) for s in strides]
            how["output_shape"] = [max(1, n + add) for n, add in zip(spread, added, strict=True)]
        case _:
            pass
    axes = transposed_axes(kernel, **how)
    cut = [axis.resolved(size) for axis, size in zip(axes, sizes, strict=True)]
    assume(min(n - b - e + a for n, (b, e, a) in zip(spread, cut, strict=True)) > 0)
    group, batch = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 2))
    channels, features = group * draw(1, 2, 1)[0], draw(1, 2, 1)[0]
    x, w = normal(batch, channels, *sizes), normal(channels, features, *kernel)
    bias = normal(features * group) if data.draw(st.booleans()) else None
    got = conv_transpose(x, w, bias, group=group, **how)
    inputs = [x, w] if bias is None else [x, w, bias]
    want = onnxruntime_result("ConvTranspose", inputs, group=group, **how)
    assert got.shape == want.shape
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    kernel=st.integers(1, 3),
    count=st.integers(1, 4),
)
def test_it_is_the_transpose_of_conv(
    stride: int, dilation: int, pads: tuple[int, int], kernel: int, count: int
):
    """<conv(a), b> = <a, conv_transpose(b)> for every a and b, whatever onnxruntime thinks."""
    how = {"strides": (stride,), "dilations": (dilation,), "pads": pads}
    size = (count - 1) * stride + (kernel - 1) * dilation + 1 - sum(pads)
    assume(size >= 0)
    w = normal(3, 2, kernel).astype(np.float64)
    b = normal(1, 3, count, seed=1).astype(np.float64)
    a = normal(1, 2, size, seed=2).astype(np.float64)
    spread = conv_transpose(b, w, **how)
    assert spread.shape == a.shape
    np.testing.assert_allclose(np.sum(conv(a, w, **how) * b), np.sum(a * spread), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_accumulates_wide_and_rounds_once(dtype: Any):
    """The result of narrow operands is the exact one, rounded once."""
    x, w = normal(1, 32, 5, 5).astype(dtype), normal(32, 2, 3, 3).astype(dtype)
    got = conv_transpose(x, w, strides=(2, 2))
    exact = conv_transpose(x.astype(np.float64), w.astype(np.float64), strides=(2, 2))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, exact, rtol=float(np.finfo(dtype).eps), atol=1e-5)


def test_nothing_spreads_to_the_bias():
    """No elements, or no channels, add nothing."""
    bias = np.array([1, 2], np.float32)
    empty = conv_transpose(normal(1, 3, 0), normal(3, 2, 4), bias)
    assert empty.tolist() == [[[1, 1, 1], [2, 2, 2]]]
    assert conv_transpose(normal(1, 0, 1), normal(0, 2, 1), bias).tolist() == [[[1], [2]]]


def test_wrong_operands_are_errors():
    """What only shows at run time is said before anything is computed."""
    with pytest.raises(ValueError, match="weights for 2 channels do not spread 3 channels"):
        conv_transpose(normal(1, 3, 4), normal(2, 1, 2))
    with pytest.raises(ValueError, match="3 elements and pads 3 \\+ 3 would leave -2"):
        conv_transpose(normal(1, 1, 3), normal(1, 1, 2), pads=(3, 3))
    with pytest.raises(ValueError, match="too large"):
        conv_transpose(normal(1, 1, 2), normal(1, 1, 2), strides=(1 << 60,))
    with pytest.raises(ValueError, match="as many entries of output_padding"):
        conv_transpose(normal(1, 1, 2), normal(1, 1, 2), output_padding=(1, 1))
