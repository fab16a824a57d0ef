"""llvmlite, which has no types of its own and may not be installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def binding() -> Any:
    """LLVM itself. Raises ImportError without llvmlite."""
    return import_module("llvmlite.binding")
