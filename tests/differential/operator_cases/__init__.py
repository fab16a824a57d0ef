"""Cases for ONNX's operators, one family a module."""

from __future__ import annotations

from importlib import import_module

from operator_cases.case import Case
from operator_cases.strategies import Cases

FAMILIES = (
    "activation",
    "contraction",
    "control",
    "convolution",
    "data",
    "elementwise",
    "image",
    "indexing",
    "normalization",
    "pooling",
    "recurrent",
    "reduction",
    "shape",
)
"""The modules of this package that have `CASES`, a strategy for each operator."""

__all__ = ["FAMILIES", "Case", "cases_of"]


def cases_of(family: str) -> dict[str, Cases]:
    """The operators of a family and their strategies."""
    return dict(import_module(f"{__name__}.{family}").CASES)
