"""PyFlameRT: a compiler toolchain for neural-network inference on xDSL.

Names are imported on first use, so that `import pyflame_rt` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyflame_rt.dtypes import DType
    from pyflame_rt.errors import (
        BackendError,
        DTypeMismatchError,
        InputError,
        InvalidModelError,
        MissingWeightsError,
        ModelNotFoundError,
        PassFailed,
        PipelineError,
        PyFlameRTError,
        ShapeMismatchError,
        UnsupportedFormatError,
        UnsupportedOperatorError,
        ValidationError,
    )
    from pyflame_rt.graph import Graph, Node
    from pyflame_rt.options import GraphOptimizationLevel, OptLevel, SessionOptions
    from pyflame_rt.session import (
        InferenceSession,
        ModelMetadata,
        NodeArg,
        get_available_providers,
        get_device,
    )

__version__ = "0.1.0"

_HOMES = {
    "dtypes": ("DType",),
    "errors": (
        "BackendError",
        "DTypeMismatchError",
        "InputError",
        "InvalidModelError",
        "MissingWeightsError",
        "ModelNotFoundError",
        "PassFailed",
        "PipelineError",
        "PyFlameRTError",
        "ShapeMismatchError",
        "UnsupportedFormatError",
        "UnsupportedOperatorError",
        "ValidationError",
    ),
    "graph": ("Graph", "Node"),
    "options": ("GraphOptimizationLevel", "OptLevel", "SessionOptions"),
    "session": (
        "InferenceSession",
        "ModelMetadata",
        "NodeArg",
        "get_available_providers",
        "get_device",
    ),
}

__all__ = [
    "BackendError",
    "DType",
    "DTypeMismatchError",
    "Graph",
    "GraphOptimizationLevel",
    "InferenceSession",
    "InputError",
    "InvalidModelError",
    "MissingWeightsError",
    "ModelMetadata",
    "ModelNotFoundError",
    "Node",
    "NodeArg",
    "OptLevel",
    "PassFailed",
    "PipelineError",
    "PyFlameRTError",
    "SessionOptions",
    "ShapeMismatchError",
    "UnsupportedFormatError",
    "UnsupportedOperatorError",
    "ValidationError",
    "get_available_providers",
    "get_device",
]


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
