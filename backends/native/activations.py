"""Elementwise functions by the names of their ops, as code on vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from xdsl.ir import SSAValue

from pyflame_rt.backends.native import vector_math
from pyflame_rt.backends.native.builder import Builder
from pyflame_rt.backends.native.vector_math import by_sign, like

Emit = Callable[[Builder, Sequence[float], SSAValue], SSAValue]


def numbers_of(name: str, properties: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The numbers of a function that there is code for; None for others."""
    names = _PROPERTIES.get(name)
    if names is None or not properties.keys() <= set(names):
        return None
    match name:
        case "clip":
            low, high = properties.get("min"), properties.get("max")
            bounds = (
                -math.inf if low is None else float(low),
                math.inf if high is None else float(high),
            )
            return None if any(math.isnan(bound) for bound in bounds) else bounds
        case "gelu":
            return (1.0 if properties["approximate"] == "tanh" else 0.0,)
        case _:
            return tuple(float(properties[key]) for key in names)


def activated(b: Builder, name: str, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    """The function of each lane. NaN stays NaN, as in NumPy."""
    return _EMIT[name](b, numbers, x)


def is_short(name: str) -> bool:
    """Whether the code is so little that it may stand once for each register of a tile."""
    return name in _SHORT


def _clip(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    low, high = numbers
    x = x if low == -math.inf else b.larger(x, like(b, x, low))
    return x if high == math.inf else b.smaller(x, like(b, x, high))


def _gelu(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    half = b.multiply(x, like(b, x, 0.5))
    if numbers[0]:
        cube = b.multiply(b.multiply(x, x), x)
        inner = b.multiply_add(cube, like(b, x, 0.044715), x)
        curve = vector_math.tanh(b, b.multiply(inner, like(b, x, math.sqrt(2 / math.pi))))
    else:
        curve = vector_math.erf(b, b.multiply(x, like(b, x, math.sqrt(0.5))))
    # Times 1 + curve, not plus half times curve: that would be NaN for an infinity.
    return b.multiply(half, b.add_floats(curve, like(b, x, 1.0)))


def _hard_sigmoid(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    alpha, beta = numbers
    line = b.add_floats(b.multiply(x, like(b, x, alpha)), like(b, x, beta))
    return _clip(b, (0.0, 1.0), line)


def _hard_swish(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    line = b.add_floats(b.divide(x, like(b, x, 6.0)), like(b, x, 0.5))
    return b.multiply(x, _clip(b, (0.0, 1.0), line))


def _leaky_relu(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    return by_sign(b, x, b.multiply(x, like(b, x, numbers[0])), x)


def _swish(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    scaled = b.multiply(x, like(b, x, -numbers[0]))
    return b.divide(x, b.add_floats(vector_math.exp(b, scaled), like(b, x, 1.0)))


def _softsign(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    return b.divide(x, b.add_floats(b.unary("fabs", x), like(b, x, 1.0)))


def _reciprocal(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    return b.divide(like(b, x, 1.0), x)


def _alone(function: Callable[[Builder, SSAValue], SSAValue]) -> Emit:
    return lambda b, numbers, x: function(b, x)


def _intrinsic(name: str) -> Emit:
    return lambda b, numbers, x: b.unary(name, x)


_EMIT: Mapping[str, Emit] = MappingProxyType(
    {
        "abs": _intrinsic("fabs"),
        "clip": _clip,
        "erf": _alone(vector_math.erf),
        "exp": _alone(vector_math.exp),
        "gelu": _gelu,
        "hard_sigmoid": _hard_sigmoid,
        "hard_swish": _hard_swish,
        "leaky_relu": _leaky_relu,
        "neg": _alone(vector_math.negative),
        "reciprocal": _reciprocal,
        "relu": lambda b, numbers, x: b.larger(x, like(b, x, 0.0)),
        "sigmoid": _alone(vector_math.sigmoid),
        "softsign": _softsign,
        "sqrt": _intrinsic("sqrt"),
        "swish": _swish,
        "tanh": _alone(vector_math.tanh),
    }
)
_PROPERTIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(_EMIT, ()),
        "clip": ("min", "max"),
        "gelu": ("approximate",),
        "hard_sigmoid": ("alpha", "beta"),
        "leaky_relu": ("alpha",),
        "swish": ("alpha",),
    }
)
_SHORT = frozenset(("abs", "clip", "neg", "relu"))
