"""Which frontend reads a file is decided by its extension."""

from __future__ import annotations

import pytest

from pyflame_rt.errors import UnsupportedFormatError
from pyflame_rt.frontends import extensions, frontend_for
from pyflame_rt.frontends.onnx import import_onnx


@pytest.mark.parametrize("path", ["m.onnx", "folder.x/M.ONNX", "m.onnxtxt"])
def test_known_extensions(path):
    assert frontend_for(path) is import_onnx


def test_every_extension_has_a_frontend():
    assert all(callable(frontend_for(f"m{extension}")) for extension in extensions())


@pytest.mark.parametrize("path", ["m.tflite", "m", ".onnx"])
def test_unknown_extensions(path):
    with pytest.raises(UnsupportedFormatError, match=r"known are \.onnx, \.onnxtxt"):
        frontend_for(path)
