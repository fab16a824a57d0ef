"""The pfrt dialect: neural-network graphs as value-semantic tensor ops, one family a file."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import cast

from xdsl.ir import Dialect
from xdsl.irdl import IRDLOperation

from pyflame_rt.dialects.pfrt.attributes import (
    ActivationAttr,
    NamesAttr,
    StringsAttr,
    WeightAttr,
    WeightStoreInterface,
)
from pyflame_rt.dialects.pfrt.containers import TYPES

FAMILIES = (
    "activation",
    "attention",
    "communication",
    "contraction",
    "control",
    "convolution",
    "data",
    "detection",
    "elementwise",
    "features",
    "fused",
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
    "scan",
    "sequence",
    "shape",
    "signal",
    "text",
    "training",
    "trees",
)
"""The modules of this package that define ops; each lists its own in `OPS`."""


@cache
def operations() -> dict[str, type[IRDLOperation]]:
    """Every op of the dialect by its full name, `pfrt.conv`."""
    ops: dict[str, type[IRDLOperation]] = {}
    for family in FAMILIES:
        module = import_module(f"{__name__}.{family}")
        for op in cast("tuple[type[IRDLOperation], ...]", module.OPS):
            ops[op.name] = op
    return ops


def get_pfrt() -> Dialect:
    """A fresh dialect object, so that every Context has a weight store of its own."""
    from pyflame_rt.dialects.pfrt.data import PfrtConstants

    return Dialect(
        "pfrt",
        list(operations().values()),
        [ActivationAttr, NamesAttr, StringsAttr, WeightAttr, *TYPES],
        [WeightStoreInterface(), PfrtConstants()],
    )
