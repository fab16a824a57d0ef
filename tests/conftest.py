"""What holds for all tests."""

from __future__ import annotations

import os
from importlib import import_module

import pytest


def pytest_configure() -> None:
    """On a developer's machine tests that compare with ONNX Runtime may be skipped, in CI never."""
    if not os.environ.get("CI"):
        return
    try:
        import_module("onnxruntime")
    except ImportError as error:
        raise pytest.UsageError(
            f"CI needs onnxruntime, which tests compare with: {error}"
        ) from None
