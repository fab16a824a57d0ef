"""Kernels on signals against ONNX Runtime and NumPy, and where neither is a judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyflame_rt.kernels.signal import (
    blackman_window,
    dft,
    hamming_window,
    hann_window,
    mel_weight_matrix,
    stft,
)

WINDOWS = {
    "HannWindow": hann_window,
    "HammingWindow": hamming_window,
    "BlackmanWindow": blackman_window,
}


def normal(dtype: Any, *shape: int) -> np.ndarray:
    """Reproducible values."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def as_complex(x: np.ndarray) -> np.ndarray:
    """Parts in the last dimension as one number."""
    return x[..., 0] + 1j * x[..., 1] if x.shape[-1] == 2 else x[..., 0] + 0j


def close(got: np.ndarray, want: np.ndarray) -> None:
    """Equal but for rounding."""
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    data=st.data(),
    dims=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
    inverse=st.booleans(),
    onesided=st.booleans(),
)
def test_dft_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    data: st.DataObject,
    dims: list[int],
    dtype: Any,
    inverse: bool,
    onesided: bool,
):
    """Each axis, real and complex, cut or filled up, there and back, in halves."""
    parts = 1 + inverse if onesided else data.draw(st.integers(1, 2))
    axis = data.draw(st.integers(0, len(dims) - 1)) - data.draw(st.sampled_from((0, len(dims) + 1)))
    length = data.draw(st.one_of(st.none(), st.integers(1, 8)))
    size = dims[axis + 1 if axis < 0 else axis]
    if inverse and onesided:
        # It makes something else of a half that is not as long as it ought to be.
        assume((2 * (size - 1) if length is None else length) // 2 + 1 == size and size > 1)
    x = normal(dtype, *dims, parts)
    operands = [x, None if length is None else np.array(length), np.array(axis)]
    how = {"inverse": int(inverse), "onesided": int(onesided)}
    want = onnxruntime_result("DFT", operands, opset=20, **how)
    close(dft(*operands, inverse=inverse, onesided=onesided), want)


@pytest.mark.parametrize("length", [None, 4, 5, 9, 12])
def test_real_numbers_come_back_from_half_a_transform(length: int | None):
    """As NumPy's irfft has it, whatever the length of the half."""
    x = normal(np.float64, 3, 5, 2)
    want = np.fft.irfft(as_complex(x), length, axis=1)[..., None]
    got = dft(x, dft_length=length, axis=1, inverse=True, onesided=True)
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_transforms_of_narrow_floats_are_rounded_once(dtype: Any):
    x = normal(np.float32, 2, 16, 1).astype(dtype)
    want = dft(x.astype(np.float32), axis=1).astype(dtype)
    np.testing.assert_array_equal(dft(x, axis=1), want)


def test_transforms_of_nothing_else():
    """A dimension of 0 elsewhere stays."""
    x = np.zeros((0, 4, 1), np.float32)
    assert dft(x, axis=1).shape == (0, 4, 2)
    assert dft(x, axis=1, onesided=True).shape == (0, 3, 2)
    assert dft(np.zeros((0, 3, 2), np.float32), inverse=True, onesided=True).shape == (0, 4, 1)
    assert stft(x, frame_step=1, frame_length=2).shape == (0, 3, 2, 2)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    length=st.integers(1, 16),
    extra=st.integers(0, 9),
    step=st.integers(1, 5),
    parts=st.integers(1, 2),
    onesided=st.booleans(),
    given_as=st.sampled_from(("window", "length", "both")),
)
def test_stft_equals_onnxruntime(
    onnxruntime_result: Callable[..., Any],
    length: int,
    extra: int,
    step: int,
    parts: int,
    onesided: bool,
    given_as: str,
):
    """Frames that overlap or leave gaps, with a window or without."""
    onesided = onesided and parts == 1
    x = normal(np.float32, 2, length + extra, parts)
    window = None if given_as == "length" else normal(np.float32, length)
    size = None if given_as == "window" else np.array(length)
    operands = [x, np.array(step), window, size]
    want = onnxruntime_result("STFT", operands, opset=17, onesided=int(onesided))
    close(stft(*operands, onesided=onesided), want)


def test_without_window_and_length_the_signal_is_one_frame():
    x = normal(np.float64, 1, 6, 2)
    got = stft(x, frame_step=2, onesided=False)
    assert got.shape == (1, 1, 6, 2)
    np.testing.assert_allclose(as_complex(got)[0, 0], np.fft.fft(as_complex(x)[0]), atol=1e-12)


@pytest.mark.parametrize("op", WINDOWS)
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("code", "dtype"), [(1, "f4"), (11, "f8"), (7, "i8")])
def test_windows_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], op: str, periodic: bool, code: int, dtype: str
):
    """Integers are truncated, after rounding to float32: the middle is 1."""
    for size in (2, 3, 4, 7, 10):
        want = onnxruntime_result(
            op, [np.array(size)], opset=17, periodic=int(periodic), output_datatype=code
        )
        got = WINDOWS[op](size=size, periodic=periodic, output_datatype=np.dtype(dtype))
        close(got, want)


@pytest.mark.parametrize("window", WINDOWS.values())
def test_windows_of_little(window: Callable[..., np.ndarray]):
    """One element divides by zero unless the window is periodic; none are none."""
    assert window(np.array([0], np.int32)).shape == (0,)
    assert np.isnan(window(size=1, periodic=False)).all()
    assert window(size=1, periodic=False, output_datatype=np.dtype(np.int8)).tolist() == [0]
    assert np.isfinite(window(size=1)).all()
    assert window(size=5, output_datatype=np.dtype(ml_dtypes.bfloat16)).dtype == ml_dtypes.bfloat16


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    bins=st.integers(1, 12),
    length=st.integers(8, 64),
    rate=st.sampled_from((8000, 16000)),
    low=st.integers(0, 500),
    high=st.integers(1000, 4000),
)
def test_mel_filters_equal_onnxruntime(
    onnxruntime_result: Callable[..., Any], bins: int, length: int, rate: int, low: int, high: int
):
    """Narrow filters and wide ones, also those that fall on one frequency."""
    whole = [np.array(n) for n in (bins, length, rate)]
    edges = [np.array(edge, np.float32) for edge in (low, high)]
    want = onnxruntime_result("MelWeightMatrix", [*whole, *edges], opset=17)
    close(mel_weight_matrix(*whole, *edges), want)


def mel(bins: int, length: int, rate: int, low: float, high: float) -> np.ndarray:
    """Filters from Python numbers."""
    whole = [np.array(n) for n in (bins, length, rate)]
    return mel_weight_matrix(*whole, np.array(low, np.float32), np.array(high, np.float32))


X = np.zeros((1, 4, 1), np.float32)


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda: dft(X, axis=2), "axis 2 is none"),
        (lambda: dft(X, dft_length=0), "transform of 0"),
        (lambda: dft(X, dft_length=-4), "transform of -4"),
        (lambda: dft(X, dft_length=1 << 50), "too large"),
        (lambda: dft(X, np.array([1, 2])), "one number is needed"),
        (lambda: dft(X, onesided=True, inverse=True), "not a number's parts"),
        (lambda: stft(X), "frame_step is missing"),
        (lambda: stft(X, frame_step=0), "every 0"),
        (lambda: stft(X, frame_step=1, frame_length=5), "has no frame of 5"),
        (lambda: stft(X, frame_step=1, frame_length=0), "frames of 0"),
        (lambda: stft(X, np.array(1), np.ones(2, np.float32), np.array(3)), "for frames of 3"),
        (lambda: hann_window(), "size is missing"),
        (lambda: hann_window(size=-1), "would have the shape"),
        (lambda: hann_window(size=1 << 60), "too large"),
        (lambda: mel(-1, 16, 8000, 0, 4000), "-1 filters"),
        (lambda: mel(4, 16, 0, 0, 4000), "at a rate of 0"),
        (lambda: mel(4, 16, 8000, 0, 9000), "too much for a transform of 16"),
        (lambda: mel(4, 16, 8000, 500, 100), "no frequencies"),
        (lambda: mel(4, 16, 8000, np.nan, 100), "no frequencies"),
        (lambda: mel(1 << 30, 1 << 30, 8000, 0, 100), "too large"),
    ],
)
def test_what_makes_no_sense_is_an_error(run: Callable[[], Any], text: str):
    with pytest.raises(ValueError, match=text):
        run()
