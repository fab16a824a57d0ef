"""llvmlite, which has no types of its own and may not be installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def binding() -> Any:
    """LLVM itself. Raises ImportError without llvmlite."""
    return import_module("llvmlite.binding")


def converter() -> Any:
    """xDSL's way from the `llvm` dialect to LLVM, which needs llvmlite too."""
    return import_module("xdsl.backend.llvm.convert")
