"""Comparisons that operator sets lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import SSAValue

from pyflame_rt.frontends.onnx.export.rules import Expansion, ExpansionRule, Rule


def _or_equal(name: str, strict: str) -> ExpansionRule:
    """a >= b -> a > b or a == b: of NaN neither holds."""

    def expand(e: Expansion, op: Any) -> Sequence[SSAValue]:
        strictly, equal = e.one(strict, op.lhs, op.rhs), e.one("equal", op.lhs, op.rhs)
        return [e.one("or", strictly, equal)]

    return ExpansionRule(f"pfrt.{name}", expand)


RULES: tuple[Rule, ...] = ()
"""The rules of this family."""
EXPANSIONS: tuple[ExpansionRule, ...] = (
    _or_equal("greater_or_equal", "greater"),
    _or_equal("less_or_equal", "less"),
)
"""The expansions of this family."""
