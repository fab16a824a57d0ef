"""The convolution kernel against ONNX Runtime, and the arithmetic of windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels.convolution import conv
from pyflame_rt.kernels.windows import WindowAxis, sliding, window_axes


def normal(*shape: int) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    data=st.data(),
    rank=st.integers(1, 3),
    auto_pad=st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
)
def test_conv_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any], data: st.DataObject, rank: int, auto_pad: str
):
    """1 to 3 spatial axes, strides, dilations, groups, pads on each side, every auto_pad."""

    def draw(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(rank))

    kernel, strides, dilations, sizes = draw(1, 3), draw(1, 3), draw(1, 2), draw(1, 7)
    if auto_pad.startswith("SAME"):
        dilations = (1,) * rank
    pads = (*draw(0, 2), *draw(0, 2)) if auto_pad == "NOTSET" else ()
    batch, group = data.draw(st.integers(0, 2)), data.draw(st.sampled_from([1, 2, 3]))
    channels = group * data.draw(st.integers(1, 2))
    features = group * data.draw(st.integers(1, 2))
    axes = window_axes(kernel, strides, pads, dilations, auto_pad)
    padded = [n + sum(a.resolved_pads(n)) - a.extent for a, n in zip(axes, sizes, strict=True)]
    assume(min(padded) >= 0)
    x, w = normal(batch, channels, *sizes), normal(features, channels // group, *kernel)
    bias = normal(features) if data.draw(st.booleans()) else None
    got = conv(
        x, w, bias, strides=strides, pads=pads, dilations=dilations, group=group, auto_pad=auto_pad
    )
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations, "auto_pad": auto_pad}
    attributes |= {"pads": pads} if pads else {}
    inputs = [x, w] if bias is None else [x, w, bias]
    want = onnxruntime_result("Conv", inputs, group=group, **attributes)
    assert got.shape == want.shape
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_defaults_are_those_of_onnx(onnxruntime_result: Callable[..., Any]):
    """Empty lists mean stride 1, dilation 1, no padding."""
    x, w = normal(1, 2, 5, 5), normal(3, 2, 3, 3)
    np.testing.assert_allclose(conv(x, w), onnxruntime_result("Conv", [x, w]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_accumulates_wide_and_rounds_once(dtype: Any):
    """The result of a narrow convolution is the exact one, rounded once."""
    x, w = normal(1, 64, 6, 6).astype(dtype), normal(4, 64, 3, 3).astype(dtype)
    got = conv(x, w)
    exact = conv(x.astype(np.float64), w.astype(np.float64))
    assert got.dtype == dtype
    step = float(ml_dtypes.finfo(np.dtype(dtype)).eps)
    np.testing.assert_allclose(got.astype(np.float64), exact, rtol=step, atol=1e-5)


def test_no_channels_give_the_bias():
    """A sum over nothing is 0."""
    got = conv(
        np.ones((1, 0, 4), np.float32), np.ones((2, 0, 3), np.float32), np.array([1, 2], np.float32)
    )
    assert got.tolist() == [[[1, 1], [2, 2]]]


def test_a_window_larger_than_its_input_is_an_error():
    """The message names both sizes and the padding."""
    with pytest.raises(
        ValueError, match=r"a window of 5 elements does not fit into 3 \(2 and padding 1 \+ 0\)"
    ):
        conv(normal(1, 1, 2), normal(1, 1, 3), dilations=(2,), pads=(1, 0))


def test_channels_that_do_not_fit_the_groups_are_an_error():
    """Shapes known only at run time are checked by the kernel."""
    with pytest.raises(ValueError, match="4 channels and 3 features do not split into 2 groups"):
        conv(normal(1, 4, 5), normal(3, 2, 3), group=2)


def test_wrong_list_lengths_are_an_error():
    """Two spatial axes need two strides."""
    with pytest.raises(ValueError, match="2 spatial axes need 2 strides"):
        window_axes((3, 3), strides=(1,))


@given(
    size=st.integers(0, 40),
    axis=st.builds(
        WindowAxis,
        kernel=st.integers(1, 5),
        stride=st.integers(1, 4),
        dilation=st.integers(1, 3),
        pads=st.tuples(st.integers(0, 4), st.integers(0, 4)),
        auto_pad=st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]),
        ceil_mode=st.booleans(),
    ),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_output_size_counts_the_windows_that_start_inside(size: int, axis: WindowAxis):
    """The closed formula against a walk: windows that fit, in ceil mode also those that only start
    before the padding at the end; SAME gives ceil(size / stride)."""
    assume(max(axis.pads) < axis.extent)
    try:
        count = axis.output_size(size)
    except ValueError:
        begin, end = axis.resolved_pads(size)
        assert size + begin + end < axis.extent
        return
    if axis.auto_pad.startswith("SAME"):
        assert count == -(-size // axis.stride)
        return
    begin, end = axis.resolved_pads(size)
    starts = range(0, size + begin + end + 1, axis.stride)
    walk = [s for s in starts if s + axis.extent <= size + begin + end]
    if axis.ceil_mode and axis.auto_pad == "NOTSET":
        room = size + begin + end - axis.extent
        walk = [s for s in starts if s - axis.stride < room and s < size + begin]
    assert count == len(walk)


@given(
    size=st.integers(1, 40),
    kernel=st.integers(1, 6),
    stride=st.integers(1, 4),
    lower=st.booleans(),
    ceil_mode=st.booleans(),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_resolved_padding_gives_the_same_output_size(
    size: int, kernel: int, stride: int, lower: bool, ceil_mode: bool
):
    """Replacing auto_pad by its pads keeps the shape: what canonicalization relies on."""
    mode = "SAME_LOWER" if lower else "SAME_UPPER"
    same = WindowAxis(kernel, stride, auto_pad=mode, ceil_mode=ceil_mode)
    explicit = WindowAxis(kernel, stride, pads=same.resolved_pads(size), ceil_mode=ceil_mode)
    assert explicit.output_size(size) == same.output_size(size)


def test_windows_without_padding_are_a_view():
    """The oracle does not copy a large input for nothing."""
    x = normal(1, 1, 8)
    assert np.shares_memory(sliding(x, [WindowAxis(3)], 0), x)
