"""Elementwise algorithms: one pass over the operands, each named as its op."""

from __future__ import annotations

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.plan.algorithms.base import EVERY, Algorithm, floats, native

_UNARY_IN_PLACE = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "celu", "clip", "cos", "cosh",
    "elu", "erf", "exp", "floor", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "log", "mish",
    "neg", "not", "reciprocal", "relu", "round", "sigmoid", "sign", "sin", "sinh", "softplus",
    "softsign", "sqrt", "swish", "tan", "tanh",
)  # fmt: skip
"""The operand is read before the result is written, stretch by stretch."""

_BINARY_IN_PLACE = ("add", "and", "div", "max", "mean", "min", "mul", "or", "sub", "sum", "xor")
"""The first two operands are read together, before anything is written over them."""

_OUT_OF_PLACE = (
    "equal", "greater", "greater_or_equal", "is_inf", "is_nan", "less", "less_or_equal", "mod",
    "pow", "prelu", "selu", "thresholded_relu", "where",
)  # fmt: skip
"""The operand is read again after the result was written, or has another element type."""

_FLOATS_ONLY = frozenset(
    ("acos", "acosh", "asin", "asinh", "atan", "atanh", "celu", "cos", "cosh", "div", "elu", "erf",
     "exp", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "log", "mean", "mish", "mod", "pow",
     "prelu", "reciprocal", "selu", "sigmoid", "sin", "sinh", "softplus", "softsign", "sqrt",
     "swish", "tan", "tanh", "thresholded_relu")
)  # fmt: skip
"""Of these, ONNX's arithmetic on integers is not NumPy's, or there is none."""


def _known_bounds(op: PfrtOp) -> bool:
    return native(op) and len(op.operands) == 1


def _elementwise(name: str, in_place: tuple[int, ...]) -> Algorithm:
    applies = floats if name in _FLOATS_ONLY else native
    if name == "clip":
        applies = _known_bounds
    strided = EVERY if name in _BINARY_IN_PLACE else ()
    return Algorithm(
        name, f"pfrt.{name}", late=True, applies=applies, in_place=in_place, strided=strided
    )


ELEMENTWISE: tuple[Algorithm, ...] = (
    *(_elementwise(name, (0,)) for name in _UNARY_IN_PLACE),
    *(_elementwise(name, (0, 1)) for name in _BINARY_IN_PLACE),
    *(_elementwise(name, ()) for name in _OUT_OF_PLACE),
)
"""The algorithms of this family."""
