"""Cases for ONNX's operators, one family a module."""

from __future__ import annotations

from importlib import import_module

from operator_cases.case import Case
from operator_cases.strategies import Cases

FAMILIES = (
    "activation",
    "arrangement",
    "attention",
    "broadcast",
    "cells",
    "contraction",
    "control",
    "convolution",
    "data",
    "detection",
    "elementwise",
    "features",
    "image",
    "indexing",
    "linear_algebra",
    "linear_models",
    "loss",
    "normalization",
    "norms",
    "pooling",
    "quantization",
    "recurrent",
    "reduction",
    "scan",
    "sequence",
    "shape",
    "signal",
    "text",
    "trees",
    "unary",
)
"""The modules of this package that have `CASES`, a strategy for each operator."""

__all__ = ["FAMILIES", "Case", "cases_of"]


def cases_of(family: str) -> dict[str, Cases]:
    """The operators of a family and their strategies."""
    return dict(import_module(f"{__name__}.{family}").CASES)
