"""Rules for elementwise arithmetic, comparison and logic."""

from __future__ import annotations

from pyflame_rt.frontends.onnx.rules import Rule, row

_UNARY = (
    ("Abs", 1), ("Acos", 7), ("Acosh", 9), ("Asin", 7), ("Asinh", 9), ("Atan", 7), ("Atanh", 9),
    ("BitwiseNot", 18), ("Ceil", 1), ("Cos", 7), ("Cosh", 9), ("Exp", 1), ("Floor", 1),
    ("IsNaN", 9), ("Log", 1), ("Neg", 1), ("Not", 1), ("Reciprocal", 1), ("Round", 11), ("Sign", 9),
    ("Sin", 7), ("Sinh", 9), ("Sqrt", 1), ("Tan", 7),
)  # fmt: skip
_BINARY = (
    ("Add", 7), ("And", 7), ("BitwiseAnd", 18), ("BitwiseOr", 18), ("BitwiseXor", 18), ("Div", 7),
    ("Equal", 7), ("Greater", 7), ("GreaterOrEqual", 12), ("Less", 7), ("LessOrEqual", 12),
    ("Mul", 7), ("Or", 7), ("Pow", 7), ("Sub", 7), ("Xor", 7),
)  # fmt: skip
_VARIADIC = (("Max", 1), ("Mean", 1), ("Min", 1), ("Sum", 1))

RULES: tuple[Rule, ...] = (
    *(row(op_type, since) for op_type, since in (*_UNARY, *_BINARY, *_VARIADIC)),
    row("BitShift", 11, "direction: string!"),
    row("IsInf", 10, "detect_negative: flag, detect_positive: flag"),
    row("Mod", 10, "fmod: flag"),
    row("Where", 9),
)
"""The rules of this family."""
