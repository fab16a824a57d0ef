"""Rules for linear algebra."""

from __future__ import annotations

from pyflame_rt.frontends.onnx.rules import Rule, row

RULES: tuple[Rule, ...] = (row("Det", 11),)
"""The rules of this family."""
