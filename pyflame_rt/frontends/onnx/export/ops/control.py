"""Control flow: regions become subgraphs, which see the values around them too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyflame_rt.dialects.pfrt.control import yielded
from pyflame_rt.frontends.onnx.export.nodes import Body, Node, Refused, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule, rule
from pyflame_rt.frontends.onnx.export.schemas import Target


@rule("if")
def if_(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 11 both branches give values of one shape."""
    pairs = zip(yielded(op.then_region), yielded(op.else_region), strict=True)
    if target.opset < 11 and any(a.type != b.type for a, b in pairs):
        raise Refused("If cannot give different shapes before opset 11")
    branches = {
        "then_branch": Body(op.then_region, "then_branch"),
        "else_branch": Body(op.else_region, "else_branch"),
    }
    return [fit(op, target, parts_of(op), attributes=branches)]


@rule("loop")
def loop(op: Any, target: Target) -> Sequence[Node]:
    return [fit(op, target, parts_of(op), attributes={"body": Body(op.body, "body")})]


@rule("scan")
def scan(op: Any, target: Target) -> Sequence[Node]:
    """Until opset 9 a scan is over the batch too."""
    if target.opset < 9:
        raise Refused("Scan means something else before opset 9")
    attributes = {"body": Body(op.body, "body"), "num_scan_inputs": len(op.scanned)}
    return [fit(op, target, parts_of(op), attributes=attributes)]


@rule("sequence_map")
def sequence_map(op: Any, target: Target) -> Sequence[Node]:
    return [fit(op, target, parts_of(op), attributes={"body": Body(op.body, "body")})]


RULES: tuple[Rule, ...] = (if_, loop, scan, sequence_map)
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
