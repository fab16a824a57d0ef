"""The meaning of every operator in plain NumPy, one family a file: short, obvious, the oracle.

A kernel is the function named like its op (a trailing `_` keeps Python's builtins visible):
operands in the op's order, None for an absent one, properties as keywords. It returns the result,
or a tuple of several, in the dtype that the op's type inference gives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

from pyflame_rt.registrations import Registry

Kernel: TypeAlias = Callable[..., Any]

REGISTERED: Registry[Kernel] = Registry("kernel")
"""Kernels of operators that programs define, by their ops' full names."""

FAMILIES = (
    "activation",
    "attention",
    "communication",
    "contraction",
    "convolution",
    "data",
    "detection",
    "elementwise",
    "features",
    "image",
    "indexing",
    "layouts",
    "linear_algebra",
    "linear_models",
    "loss",
    "normalization",
    "pooling",
    "quantization",
    "random",
    "recurrent",
    "reduction",
    "sequence",
    "shape",
    "signal",
    "text",
    "training",
    "trees",
)
"""The modules of this package, named like those of the pfrt dialect."""


@cache
def table() -> dict[str, Kernel]:
    """op name without dialect prefix -> kernel: every function in a family's `__all__`."""
    kernels: dict[str, Kernel] = {}
    for family in FAMILIES:
        module = import_module(f"{__name__}.{family}")
        for name in module.__all__:
            kernels[name.rstrip("_")] = getattr(module, name)
    return kernels


def find(name: str) -> Kernel | None:
    """The kernel of an op: by its name without `pfrt.`, or by the full name in another dialect."""
    return table().get(name) or REGISTERED.get(name)
