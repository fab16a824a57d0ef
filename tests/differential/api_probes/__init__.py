"""Small programs written for ONNX Runtime, each of which shows one thing about its Python API."""

from __future__ import annotations

from api_probes import (  # noqa: F401
    containers,
    element_types,
    feeds,
    invalid,
    loading,
    metadata,
    options,
    running,
    values,
)
from api_probes.base import PROBES, Api, Outcome, observe

__all__ = ["PROBES", "Api", "Outcome", "observe"]
