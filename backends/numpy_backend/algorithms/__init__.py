"""The algorithms of `dialects/plan/algorithms`, prepared on NumPy: one family a file."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from pyflame_rt.backends.numpy_backend.calls import Implementation

FAMILIES = (
    "activation",
    "attention",
    "channels_last",
    "contraction",
    "convolution",
    "convolution_depthwise",
    "convolution_nhwc",
    "convolution_transposed",
    "convolution_winograd",
    "data",
    "elementwise",
    "group_norm",
    "layer_norm",
    "normalization",
    "pooling",
    "quantized",
    "recurrent",
    "reduction",
    "resizing",
    "selection",
    "shape",
    "sparse",
)
"""The modules of this package; each lists its own in `IMPLEMENTATIONS`."""


@cache
def table() -> dict[str, Implementation]:
    """algorithm name -> implementation."""
    return {
        implementation.name: implementation
        for family in FAMILIES
        for implementation in cast(
            "tuple[Implementation, ...]", import_module(f"{__name__}.{family}").IMPLEMENTATIONS
        )
    }


@cache
def owning() -> dict[str, Implementation]:
    """What calls that return their results may name: algorithms, and ops that have a form for sizes
    that are known at run time only."""
    modules = (import_module(f"{__name__}.{name}") for name in ("convolution_owned", "shape_owned"))
    found = [
        implementation
        for module in modules
        for implementation in cast("tuple[Implementation, ...]", module.IMPLEMENTATIONS)
    ]
    return {**table(), **{implementation.name: implementation for implementation in found}}
