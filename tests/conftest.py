"""What holds for all tests."""

from __future__ import annotations

import gc
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


def pytest_collection_finish() -> None:
    """Garbage is looked for a tenth as often, and not among what stays to the end: the modules of the
    tests and of what they import are half a million objects, and operations refer to each other."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
