"""Elementwise functions by the names of their ops, as code on vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from xdsl.ir import SSAValue

from pyflame_rt.backends.native.writing import vector_math
from pyflame_rt.backends.native.writing.builder import Builder
from pyflame_rt.backends.native.writing.vector_math import by_sign, like
from pyflame_rt.dialects.plan.schedules import POWERS

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
        case "celu" if properties["alpha"] <= 0:
            return None
        case "gelu":
            return (1.0 if properties["approximate"] == "tanh" else 0.0,)
        case _:
            return tuple(float(properties[key]) for key in names)


def power_of(exponent: float | None) -> float | None:
    """An exponent that there is code for, as exact as a power by multiplications is; None for others."""
    return exponent if exponent in POWERS else None


def activated(b: Builder, name: str, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    """The function of each lane. NaN stays NaN, as in NumPy."""
    return FUNCTIONS[name](b, numbers, x)


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


def _celu(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    (alpha,) = numbers
    curve = vector_math.less_one(b, b.divide(x, like(b, x, alpha)))
    below = b.smaller(b.multiply(curve, like(b, x, alpha)), like(b, x, 0.0))
    return b.add_floats(b.larger(x, like(b, x, 0.0)), below)


def _elu(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    is_below = b.compare_lanes("olt", x, like(b, x, 0.0))
    return b.choose(is_below, b.multiply(vector_math.less_one(b, x), like(b, x, numbers[0])), x)


def _selu(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    alpha, gamma = numbers
    is_below = b.compare_lanes("ole", x, like(b, x, 0.0))
    below = b.multiply(vector_math.less_one(b, x), like(b, x, alpha))
    return b.multiply(b.choose(is_below, below, x), like(b, x, gamma))


def _thresholded_relu(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    is_above = b.compare_lanes("ogt", x, like(b, x, numbers[0]))
    return b.choose(is_above, x, like(b, x, 0.0))


def _power(b: Builder, numbers: Sequence[float], x: SSAValue) -> SSAValue:
    """Whole powers by multiplications, halves by a root."""
    (exponent,) = numbers
    size = abs(exponent)
    if exponent == 0:
        return like(b, x, 1.0)
    if exponent == -2:
        # The square of what is small would be no normal number.
        x, exponent = b.divide(like(b, x, 1.0), x), 2
    if size == 0.5:
        # Powers of -0 and of -inf are positive, their roots are not.
        root = b.unary("sqrt", b.add_floats(x, like(b, x, 0.0)))
        infinite = b.compare_lanes("oeq", x, like(b, x, -math.inf))
        found = b.choose(infinite, like(b, x, math.inf), root)
    else:
        square = x if size == 1 else b.multiply(x, x)
        found = square
        if size == 3:
            found = b.multiply(square, x)
        elif size == 4:
            found = b.multiply(square, square)
    return found if exponent > 0 else b.divide(like(b, x, 1.0), found)


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


def _whole(name: str) -> Emit:
    return lambda b, numbers, x: vector_math.whole(b, name, x)


FUNCTIONS: Mapping[str, Emit] = MappingProxyType(
    {
        "abs": _intrinsic("fabs"),
        "ceil": _whole("ceil"),
        "celu": _celu,
        "clip": _clip,
        "elu": _elu,
        "erf": _alone(vector_math.erf),
        "exp": _alone(vector_math.exp),
        "floor": _whole("floor"),
        "gelu": _gelu,
        "hard_sigmoid": _hard_sigmoid,
        "hard_swish": _hard_swish,
        "identity": lambda b, numbers, x: x,
        "leaky_relu": _leaky_relu,
        "log": _alone(vector_math.log),
        "mish": _alone(vector_math.mish),
        "neg": _alone(vector_math.negative),
        "power": _power,
        "reciprocal": _reciprocal,
        "relu": lambda b, numbers, x: b.larger(x, like(b, x, 0.0)),
        "round": _whole("rint"),
        "selu": _selu,
        "sigmoid": _alone(vector_math.sigmoid),
        "sign": _alone(vector_math.sign),
        "softplus": _alone(vector_math.softplus),
        "softsign": _softsign,
        "sqrt": _intrinsic("sqrt"),
        "swish": _swish,
        "tanh": _alone(vector_math.tanh),
        "thresholded_relu": _thresholded_relu,
    }
)
"""Functions of one operand."""

_PROPERTIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(FUNCTIONS, ()),
        "celu": ("alpha",),
        "clip": ("min", "max"),
        "elu": ("alpha",),
        "gelu": ("approximate",),
        "hard_sigmoid": ("alpha", "beta"),
        "leaky_relu": ("alpha",),
        "power": ("exponent",),
        "selu": ("alpha", "gamma"),
        "swish": ("alpha",),
        "thresholded_relu": ("alpha",),
    }
)
_SHORT = frozenset(("abs", "clip", "neg", "relu"))
