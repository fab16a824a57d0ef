"""Decoding of images: formats, channels, and bytes that mean harm."""

from __future__ import annotations

import io
import sys
import warnings
from typing import Any

import numpy as np
import pytest

from pyflame_rt.errors import PyFlameRTError
from pyflame_rt.kernels.image import image_decoder


def encoded(form: str, pixels: np.ndarray, **options: Any) -> np.ndarray:
    """Pixels as the bytes of an image file."""
    image, stream = pytest.importorskip("PIL.Image"), io.BytesIO()
    image.fromarray(pixels).save(stream, form, **options)
    return np.frombuffer(stream.getvalue(), np.uint8)


PIXELS = np.random.default_rng(3).integers(0, 256, (5, 7, 3)).astype(np.uint8)


@pytest.mark.parametrize("form", ["BMP", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_images_are_decoded(form: str):
    """Every lossless format, in each order of channels."""
    data = encoded(form, PIXELS, **({"lossless": True} if form == "WEBP" else {}))
    np.testing.assert_array_equal(image_decoder(data), PIXELS)
    np.testing.assert_array_equal(image_decoder(data, pixel_format="BGR"), PIXELS[..., ::-1])
    assert image_decoder(data, pixel_format="Grayscale").shape == (5, 7, 1)


def test_a_jpeg_is_decoded():
    """It is lossy, so only nearly what it was made of."""
    even = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    got = image_decoder(encoded("JPEG", even))
    assert np.abs(got.astype(int) - even).max() <= 3


def test_channels_follow_the_pixel_format():
    """Gray images become three channels, and what is transparent is not."""
    gray, clear = PIXELS[..., 0], np.dstack([PIXELS, PIXELS[..., :1]])
    np.testing.assert_array_equal(image_decoder(encoded("PNG", gray)), np.dstack([gray] * 3))
    np.testing.assert_array_equal(image_decoder(encoded("PNG", clear)), PIXELS)


@pytest.mark.parametrize("data", [b"", b"no image", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"])
def test_bytes_that_are_no_image(data: bytes):
    """Formats that ONNX does not list are not even tried."""
    pytest.importorskip("PIL")
    with pytest.raises(ValueError, match="not an image: of no known format"):
        image_decoder(np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("form", ["BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP"])
def test_damaged_images_are_one_line(form: str):
    """Cut off anywhere or with any byte changed: pixels, or an error that says so."""
    data = encoded(form, PIXELS)
    rng = np.random.default_rng(4)
    for _ in range(60):
        hurt = data[: rng.integers(0, len(data))].copy()
        if rng.random() < 0.5:
            hurt = data.copy()
            hurt[rng.integers(0, len(hurt), 3)] = rng.integers(0, 256, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                got = image_decoder(hurt)
            except ValueError as error:
                assert "image" in str(error)
                assert "\n" not in str(error)
            else:
                assert got.dtype == np.uint8
                assert got.shape[2] == 3


def test_an_image_that_claims_too_much_is_refused():
    """Before any pixel of it is decoded."""
    pytest.importorskip("PIL")
    claim = np.frombuffer(b"P6 9000 9000 255 " + bytes(100), np.uint8)
    with pytest.raises(ValueError, match="9000 x 9000 pixels is too large"):
        image_decoder(claim)


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(PyFlameRTError, match=r"needs Pillow; install pyflame-rt\[image\]"):
        image_decoder(np.zeros(1, np.uint8))
