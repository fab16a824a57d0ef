"""Activation functions, softmax, and what does nothing outside training: dropout."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyflame_rt.dtypes import DType
from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.elementwise import binary, clip
from pyflame_rt.frontends.torch.aten.functions import floats
from pyflame_rt.frontends.torch.aten.rules import Rule, View, aten, rules_in
from pyflame_rt.frontends.torch.aten.values import Argument, Scalar, Value
from pyflame_rt.frontends.torch.aten.views import same


def number(b: AtenBuilder, value: Scalar) -> float:
    """A number that must be known at import."""
    if isinstance(value, bool | int | float):
        return float(value)
    raise b.unsupported("needs a number known at import")


def _activation(name: str, op: str, **properties: float) -> Rule[[AtenBuilder, Value], Value]:
    @aten(name)
    def rule(b: AtenBuilder, self: Value) -> Value:
        return b.one(op, [self], properties)

    return rule


_SIMPLE: Mapping[str, Mapping[str, float]] = {
    "relu": {},
    "selu": {},
    "mish": {},
    "hardswish": {},
    "hardsigmoid": {"alpha": 1 / 6, "beta": 0.5},
    "silu": {},
}
_OPS = {"hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid", "silu": "swish"}


@aten("relu6")
def relu6(b: AtenBuilder, self: Value) -> Value:
    """min(max(x, 0), 6)"""
    return clip(b, self, 0, 6)


@aten("hardtanh")
def hardtanh(b: AtenBuilder, self: Value, min_val: Scalar = -1, max_val: Scalar = 1) -> Value:
    """min(max(x, min_val), max_val)"""
    return clip(b, self, min_val, max_val)


@aten("leaky_relu")
def leaky_relu(b: AtenBuilder, self: Value, negative_slope: Scalar = 0.01) -> Value:
    """x, times negative_slope below 0"""
    return b.one("leaky_relu", [self], {"alpha": number(b, negative_slope)})


@aten("rrelu")
def rrelu(
    b: AtenBuilder,
    self: Value,
    lower: Scalar = 0.125,
    upper: Scalar = 1 / 3,
    training: bool = False,
    generator: Argument | None = None,
) -> Value:
    """x, times the mean of the bounds below 0"""
    b.require_inference(training)
    return b.one("leaky_relu", [self], {"alpha": (number(b, lower) + number(b, upper)) / 2})


@aten("prelu")
def prelu(b: AtenBuilder, self: Value, weight: Value) -> Value:
    """x, times the weight of its channel below 0"""
    rank = b.rank(self)
    if b.rank(weight) == 1 and rank > 1 and b.size(weight, 0) != 1:
        weight = b.reshape(weight, (b.size(weight, 0), *(1,) * (rank - 2)))
    elif b.rank(weight) > rank:
        weight = b.reshape(weight, ())
    return b.one("prelu", [self, weight])


@aten("elu")
def elu(
    b: AtenBuilder, self: Value, alpha: Scalar = 1, scale: Scalar = 1, input_scale: Scalar = 1
) -> Value:
    """scale * x, below 0 scale * alpha * (exp(input_scale * x) - 1)"""
    factor, stretch = number(b, scale), number(b, input_scale)
    # Only the negative part is stretched.
    if stretch != 1:
        zero = b.constant(0, self.dtype)
        below = b.one("elu", [binary(b, "mul", self, stretch)], {"alpha": number(b, alpha)})
        y = b.one("where", [b.one("greater", [self, zero]), self, below])
    else:
        y = b.one("elu", [self], {"alpha": number(b, alpha)})
    return y if factor == 1 else binary(b, "mul", y, factor)


@aten("celu")
def celu(b: AtenBuilder, self: Value, alpha: Scalar = 1.0) -> Value:
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)"""
    return b.one("celu", [self], {"alpha": number(b, alpha)})


@aten("gelu")
def gelu(b: AtenBuilder, self: Value, *, approximate: str = "none") -> Value:
    """x times the normal distribution at x"""
    return b.one("gelu", [self], {"approximate": approximate})


@aten("softplus")
def softplus(b: AtenBuilder, self: Value, beta: Scalar = 1, threshold: Scalar = 20) -> Value:
    """log(1 + exp(beta * x)) / beta; x where beta * x is beyond the threshold"""
    factor = number(b, beta)
    x = self if factor == 1 else binary(b, "mul", self, factor)
    y = b.one("softplus", [x])
    y = y if factor == 1 else binary(b, "div", y, factor)
    # Beyond 20 the function differs from x by less than half an f32's last place.
    if number(b, threshold) >= 20 and self.dtype.itemsize <= 4:
        return y
    beyond = b.one("greater", [x, b.constant(number(b, threshold), x.dtype)])
    return b.one("where", [beyond, self, y])


@aten("softshrink")
def softshrink(b: AtenBuilder, self: Value, lambd: Scalar = 0.5) -> Value:
    """x moved by lambd towards 0, and 0 within"""
    bound = number(b, lambd)
    return b.one("shrink", [self], {"bias": bound, "lambd": bound})


@aten("hardshrink")
def hardshrink(b: AtenBuilder, self: Value, lambd: Scalar = 0.5) -> Value:
    """x, and 0 within lambd"""
    return b.one("shrink", [self], {"bias": 0.0, "lambd": number(b, lambd)})


@aten("threshold")
def threshold_(b: AtenBuilder, self: Value, threshold: Scalar, value: Scalar) -> Value:
    """x above the threshold, else value"""
    above = b.one("greater", [self, b.tensor(threshold, self.dtype)])
    return b.one("where", [above, self, b.tensor(value, self.dtype)])


@aten("log_sigmoid")
def log_sigmoid(b: AtenBuilder, self: Value) -> Value:
    """log(sigmoid(x))"""
    return b.one("neg", [b.one("softplus", [b.one("neg", [self])])])


@aten("glu")
def glu(b: AtenBuilder, self: Value, dim: int = -1) -> Value:
    """The first half of a dimension times the sigmoid of the second"""
    axis = b.axis(self, dim)
    size = b.size(self, axis)
    if isinstance(size, int) and size % 2:
        raise b.error(f"dimension {dim} has {size} elements, which have no halves")
    first, second = b.emit("split", [self], {"num_outputs": 2, "axis": axis})
    return b.one("mul", [first, b.one("sigmoid", [second])])


def _softmax(b: AtenBuilder, op: str, self: Value, dim: int, dtype: DType | None) -> Value:
    x = floats(b, self) if dtype is None else b.cast(self, dtype)
    axis = b.axis(x, dim)
    if x.rank == 0:
        return b.reshape(b.one(op, [b.reshape(x, (1,))], {"axis": 0}), ())
    return b.one(op, [x], {"axis": axis})


@aten("softmax", overload="int")
def softmax(b: AtenBuilder, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """exp(x) / sum(exp(x)) along a dimension"""
    return _softmax(b, "softmax", self, dim, dtype)


@aten("log_softmax", overload="int")
def log_softmax(b: AtenBuilder, self: Value, dim: int, dtype: DType | None = None) -> Value:
    """log(softmax(x)) along a dimension"""
    return _softmax(b, "log_softmax", self, dim, dtype)


@aten("_softmax")
def softmax_internal(b: AtenBuilder, self: Value, dim: int, half_to_float: bool) -> Value:
    """exp(x) / sum(exp(x)) along a dimension"""
    return _softmax(b, "softmax", self, dim, DType.Float32 if half_to_float else None)


@aten("_log_softmax")
def log_softmax_internal(b: AtenBuilder, self: Value, dim: int, half_to_float: bool) -> Value:
    """log(softmax(x)) along a dimension"""
    return _softmax(b, "log_softmax", self, dim, DType.Float32 if half_to_float else None)


def _dropout(name: str) -> Rule[[AtenBuilder, Value, float, bool], Value]:
    @aten(name, view=View(same, always=False))
    def rule(b: AtenBuilder, input: Value, p: float, train: bool) -> Value:
        b.require_inference(train and p > 0)
        return input

    return rule


@aten("native_dropout")
def native_dropout(
    b: AtenBuilder, input: Value, p: float, train: bool | None
) -> tuple[Value, Value]:
    """The input, and a mask of what stays: all of it"""
    b.require_inference(train is not False and p > 0)
    return input, b.full(b.sizes(input), np.array(True))


RULES = (
    *(_activation(name, _OPS.get(name, name), **row) for name, row in _SIMPLE.items()),
    *map(_dropout, ("dropout", "alpha_dropout", "feature_dropout", "feature_alpha_dropout")),
    *rules_in(globals()),
)
