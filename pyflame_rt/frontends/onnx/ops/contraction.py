"""Rules for matrix products."""

from __future__ import annotations

from pyflame_rt.frontends.onnx.rules import Rule, row

RULES: tuple[Rule, ...] = (
    row("Einsum", 12, "equation: string!"),
    row("Gemm", 7, "alpha: float, beta: float, transA: flag, transB: flag"),
    row("MatMul", 1),
)
"""The rules of this family."""
