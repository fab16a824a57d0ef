"""What differs from the rule that holds for most ops, one family a file."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule

FAMILIES = (
    "activation",
    "attention",
    "contraction",
    "control",
    "convolution",
    "data",
    "elementwise",
    "features",
    "image",
    "indexing",
    "layouts",
    "linear_models",
    "normalization",
    "pooling",
    "quantization",
    "recurrent",
    "reduction",
    "sequence",
    "shape",
    "signal",
    "text",
    "trees",
)
"""The modules of this package; each lists what it has in `RULES` and `EXPANSIONS`."""


@cache
def rules() -> dict[str, Rule]:
    """Rules by the op's name."""
    return {
        rule.op: rule for family in FAMILIES for rule in import_module(f"{__name__}.{family}").RULES
    }


@cache
def expansions() -> dict[str, ExpansionRule]:
    """Expansions by the op's name."""
    return {
        rule.op: rule
        for family in FAMILIES
        for rule in import_module(f"{__name__}.{family}").EXPANSIONS
    }
