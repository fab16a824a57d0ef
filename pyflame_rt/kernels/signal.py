"""Kernels on signals: Fourier transforms, the windows they are cut with, and mel filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.kernels.data import cast
from pyflame_rt.kernels.numerics import rounding_once
from pyflame_rt.kernels.sizes import check_size, optional_number

Array = npt.NDArray[Any]

__all__ = [
    "blackman_window", "dft", "hamming_window", "hann_window", "mel_weight_matrix", "stft",
]  # fmt: skip


def spectrum_bins(length: int) -> int:
    """Frequencies of a transform of so many real numbers, of which the others are the mirror."""
    return length // 2 + 1


def dft_sizes(size: int, length: int | None, *, inverse: bool, onesided: bool) -> tuple[int, int]:
    """Elements along the axis of the result of a transform, and its length.

    Raises ValueError when there is nothing to transform.
    """
    if length is None:
        length = 2 * (size - 1) if inverse and onesided else size
    if length < 1:
        raise ValueError(f"a transform of {length} elements")
    return (spectrum_bins(length) if onesided and not inverse else length), length


def frame_count(size: int, length: int, step: int) -> int:
    """Frames of a signal. Raises ValueError when not even one fits."""
    if step < 1 or length < 1:
        raise ValueError(f"frames of {length} elements every {step}")
    if size < length:
        raise ValueError(f"a signal of {size} elements has no frame of {length}")
    return (size - length) // step + 1


def _as_complex(x: Array) -> Array:
    """Numbers whose parts are the last dimension, which goes."""
    unit = np.result_type(x.dtype, np.complex64).type(1j)
    return x[..., 0] + unit * x[..., 1] if x.shape[-1] == 2 else x[..., 0] + 0 * unit


def _as_parts(x: Array) -> Array:
    return np.stack([np.real(x), np.imag(x)], axis=-1)


@rounding_once
def dft(
    x: Array,
    dft_length_value: Array | None = None,
    axis_value: Array | None = None,
    *,
    dft_length: int | None = None,
    axis: int | None = None,
    inverse: bool = False,
    onesided: bool = False,
) -> Array:
    """NumPy's fft or ifft of the signal along an axis; half of it, or real."""
    given = optional_number(axis, axis_value)
    along = -2 if given is None else given
    if not -x.ndim <= along < x.ndim or along % x.ndim == x.ndim - 1:
        raise ValueError(f"axis {along} is none of the signal's, of shape {list(x.shape)}")
    along %= x.ndim
    if x.shape[-1] not in (1, 2) or (onesided and x.shape[-1] != 1 + inverse):
        raise ValueError(f"the last of the dimensions {list(x.shape)} is not a number's parts")
    wanted = optional_number(dft_length, dft_length_value)
    _, length = dft_sizes(x.shape[along], wanted, inverse=inverse, onesided=onesided)
    check_size((*x.shape[:along], length, *x.shape[along + 1 :], 2), np.dtype(np.float64))
    signal = _as_complex(x)
    if signal.size == 0 and 0 in (*x.shape[:along], *x.shape[along + 1 :]):
        shape = list(signal.shape)
        shape[along] = spectrum_bins(length) if onesided and not inverse else length
        return np.empty((*shape, 1 if onesided and inverse else 2), x.dtype)
    if inverse and onesided:
        return np.fft.irfft(signal, length, along)[..., None]
    if inverse:
        return _as_parts(np.fft.ifft(signal, length, along))
    if onesided:
        return _as_parts(np.fft.rfft(np.real(signal), length, along))
    return _as_parts(np.fft.fft(signal, length, along))


@rounding_once
def stft(
    x: Array,
    frame_step_value: Array | None = None,
    window: Array | None = None,
    frame_length_value: Array | None = None,
    *,
    frame_step: int | None = None,
    frame_length: int | None = None,
    onesided: bool = True,
) -> Array:
    """The transform of each frame of the signal (batch, length, parts), times the window."""
    step = optional_number(frame_step, frame_step_value)
    length = optional_number(frame_length, frame_length_value)
    if length is None:
        length = x.shape[1] if window is None else len(window)
    if step is None:
        raise ValueError("frame_step is missing")
    frames = frame_count(x.shape[1], length, step)
    if window is not None and window.shape != (length,):
        raise ValueError(f"a window of shape {list(window.shape)} for frames of {length}")
    if x.shape[-1] not in (1, 2) or (onesided and x.shape[-1] == 2):
        raise ValueError(f"the last of the dimensions {list(x.shape)} is not a number's parts")
    check_size((len(x), frames, length, 2), np.dtype(np.float64))
    starts = np.arange(frames)[:, None] * step
    cut = _as_complex(x)[:, starts + np.arange(length)]
    if window is not None:
        cut = cut * window
    if len(x) == 0:
        return np.empty((0, frames, spectrum_bins(length) if onesided else length, 2), x.dtype)
    return _as_parts(np.fft.rfft(np.real(cut), axis=-1) if onesided else np.fft.fft(cut, axis=-1))


def hann_window(
    size_value: Array | None = None,
    *,
    size: int | None = None,
    output_datatype: Any = np.float32,
    periodic: bool = True,
) -> Array:
    """0.5 - 0.5 cos(2 pi n / N)."""
    return _cosines((0.5, -0.5), optional_number(size, size_value), output_datatype, periodic)


def hamming_window(
    size_value: Array | None = None,
    *,
    size: int | None = None,
    output_datatype: Any = np.float32,
    periodic: bool = True,
) -> Array:
    """25/46 - 21/46 cos(2 pi n / N)."""
    return _cosines(
        (25 / 46, -21 / 46), optional_number(size, size_value), output_datatype, periodic
    )


def blackman_window(
    size_value: Array | None = None,
    *,
    size: int | None = None,
    output_datatype: Any = np.float32,
    periodic: bool = True,
) -> Array:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N)."""
    return _cosines(
        (0.42, -0.5, 0.08), optional_number(size, size_value), output_datatype, periodic
    )


def _cosines(factors: tuple[float, ...], size: int | None, kind: Any, periodic: bool) -> Array:
    """The sum of factors[k] cos(2 pi k n / N), rounded to f32 unless f64 is wanted.

    A window of one element that is not periodic is NaN: ONNX's definition divides by 0.
    """
    if size is None:
        raise ValueError("size is missing")
    check_size((size,), np.dtype(np.float64))
    with np.errstate(all="ignore"):
        turns = np.arange(size, dtype=np.float64) / np.float64(size if periodic else size - 1)
        waves = (factor * np.cos(2 * np.pi * k * turns) for k, factor in enumerate(factors))
        window = np.asarray(sum(waves)).astype(np.float64 if kind == np.float64 else np.float32)
    return cast(window, to=np.dtype(kind))


def mel_weight_matrix(
    num_mel_bins: Array,
    dft_length: Array,
    sample_rate: Array,
    lower_edge_hertz: Array,
    upper_edge_hertz: Array,
    *,
    output_datatype: Any = np.float32,
) -> Array:
    """A column a filter, a row a frequency; the steps between filters as ONNX's reference has them."""
    bins, length, rate = (optional_number(None, a) for a in (num_mel_bins, dft_length, sample_rate))
    low, high = (float(a.reshape(())) for a in (lower_edge_hertz, upper_edge_hertz))
    if bins is None or length is None or rate is None or bins < 0 or length < 1 or rate < 1:
        raise ValueError(f"{bins} filters on a transform of {length} at a rate of {rate}")
    if not 0 <= low <= high < np.inf:
        raise ValueError(f"there are no frequencies from {low} to {high}")
    rows = spectrum_bins(length)
    check_size((rows, bins), np.dtype(np.float64))
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    mels = ends[0] + np.arange(bins + 2) * (ends[1] - ends[0]) / (bins + 2)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    places = np.floor((length + 1) * hertz / rate)
    if places[-1] >= rows:
        raise ValueError(f"{high} Hz are too much for a transform of {length} at a rate of {rate}")
    filters = np.zeros((rows, bins))
    at = np.arange(rows)
    for k, (start, middle, end) in enumerate(
        zip(places[:-2], places[1:-1], places[2:], strict=True)
    ):
        rising, falling = middle - start, end - middle
        if rising:
            up = (at >= start) & (at <= middle)
            filters[up, k] = (at[up] - start) / rising
        else:
            filters[int(middle), k] = 1
        if falling:
            down = (at >= middle) & (at < end)
            filters[down, k] = (end - at[down]) / falling
    return cast(filters, to=np.dtype(output_datatype))
