"""Recurrent networks: the size of their state, which is that of the weights, is told too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.onnx.export.nodes import AttributeValue, Node, fit, parts_of
from pyflame_rt.frontends.onnx.export.rules import ExpansionRule, Rule
from pyflame_rt.frontends.onnx.export.schemas import Target


def _recurrent(name: str) -> Rule:
    def nodes(op: Any, target: Target) -> Sequence[Node]:
        weights = shape_of(op.r)
        attributes: dict[str, AttributeValue] = {}
        if weights is not None and weights[-1] != DYNAMIC:
            attributes["hidden_size"] = weights[-1]
        return [fit(op, target, parts_of(op), attributes=attributes)]

    return Rule(f"pfrt.{name}", nodes)


RULES: tuple[Rule, ...] = tuple(map(_recurrent, ("gru", "lstm", "rnn")))
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = ()
"""The expansions of this family."""
