"""The rules for ONNX's operators, one family a file, and how a node finds its own."""

from __future__ import annotations

from functools import cache
from importlib import import_module

import onnx.defs

from pyflame_rt.frontends.onnx.custom import custom_rule
from pyflame_rt.frontends.onnx.model import Node
from pyflame_rt.frontends.onnx.rules import Rule

FAMILIES = (
    "activation",
    "attention",
    "contraction",
    "contrib_attention",
    "contrib_quantized",
    "control",
    "convolution",
    "data",
    "detection",
    "elementwise",
    "features",
    "gradient",
    "image",
    "indexing",
    "legacy",
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
"""The modules of this package; each lists its rules in `RULES`."""

LATEST_OPSET = 28
"""The newest version of ONNX's operators whose changes are known here."""


@cache
def rules() -> dict[tuple[str, str], tuple[Rule, ...]]:
    """(domain, op_type) -> rules, the newest first."""
    table: dict[tuple[str, str], list[Rule]] = {}
    for family in FAMILIES:
        for rule in import_module(f"{__name__}.{family}").RULES:
            table.setdefault((rule.domain, rule.op_type), []).append(rule)
    return {key: tuple(sorted(found, key=lambda rule: -rule.since)) for key, found in table.items()}


def rule_for(node: Node) -> Rule:
    """The rule of a node's operator and opset; one with nothing but `why` when there is none."""
    known = rules().get((node.domain, node.op_type))
    if known is None:
        if (rule := custom_rule(node)) is not None:
            return rule
        # Another domain's operators are only known to whoever made them.
        exists = bool(node.domain) or onnx.defs.has(node.op_type)
        return Rule(node.op_type, 0, why="not implemented" if exists else "no such operator")
    if node.opset > LATEST_OPSET and not node.domain:
        return Rule(node.op_type, 0, why=f"opsets after {LATEST_OPSET} are not known yet")
    for rule in known:
        if rule.since <= node.opset:
            return rule
    return Rule(node.op_type, 0, why=f"supported from opset {known[-1].since} on")
