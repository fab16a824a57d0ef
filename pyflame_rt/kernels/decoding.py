"""Decoding of images, by Pillow, which is only needed for that."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from pyflame_rt.errors import PyFlameRTError

Array = npt.NDArray[Any]

FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What ONNX lists, by Pillow's names; other decoders never see the bytes."""

MAX_PIXELS = 1 << 26
"""An image that claims more is refused before it is decoded; below the number Pillow warns of."""


def image_decoder(data: Array, *, pixel_format: str = "RGB") -> Array:
    """Pixels, height x width x channels, of the first image of an encoded stream."""
    try:
        from PIL import Image
    except ImportError as error:
        raise PyFlameRTError(
            "decoding images needs Pillow", hint="install pyflame-rt[image]"
        ) from error
    mode = "L" if pixel_format == "Grayscale" else "RGB"
    # A decoder of hostile bytes may raise anything.
    try:
        image = Image.open(io.BytesIO(data.tobytes()), formats=FORMATS)
        width, height = image.size
    except Exception as error:
        raise ValueError(f"not an image: {_reason(error)}") from error
    if width * height > MAX_PIXELS:
        raise ValueError(f"an image of {width} x {height} pixels is too large to decode")
    try:
        pixels = np.asarray(image.convert(mode))
    except Exception as error:
        raise ValueError(f"the image is damaged: {_reason(error)}") from error
    pixels = pixels.reshape(height, width, -1)
    return np.ascontiguousarray(pixels[..., ::-1] if pixel_format == "BGR" else pixels)


def _reason(error: Exception) -> str:
    # Pillow's text for bytes of no known format names an object in memory.
    named = type(error).__name__ == "UnidentifiedImageError"
    return "of no known format" if named else str(error) or type(error).__name__
