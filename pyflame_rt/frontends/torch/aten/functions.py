"""Elementwise functions of one tensor; integers and bools become f32."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pyflame_rt.frontends.torch.aten.builder import AtenBuilder
from pyflame_rt.frontends.torch.aten.elementwise import binary, truncated
from pyflame_rt.frontends.torch.aten.promotion import BOOL, is_float
from pyflame_rt.frontends.torch.aten.rules import Rule, aten, rules_in
from pyflame_rt.frontends.torch.aten.values import Value


def floats(b: AtenBuilder, value: Value) -> Value:
    """The tensor itself, or as f32 when it is none of floats."""
    return b.cast(value, b.float_type(value))


def _function(name: str, op: str) -> Rule[[AtenBuilder, Value], Value]:
    @aten(name)
    def rule(b: AtenBuilder, self: Value) -> Value:
        return b.one(op, [floats(b, self)])

    return rule


_FUNCTIONS = (
    "exp", "log", "sqrt", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "acosh", "atanh", "erf", "sigmoid",
)  # fmt: skip


def _kept(
    name: str, op: Callable[[AtenBuilder, Value], Value]
) -> Rule[[AtenBuilder, Value], Value]:
    """A function that leaves integers as they are."""

    @aten(name)
    def rule(b: AtenBuilder, self: Value) -> Value:
        return op(b, self) if is_float(self.dtype) else self

    return rule


ceil = _kept("ceil", lambda b, x: b.one("ceil", [x]))
floor = _kept("floor", lambda b, x: b.one("floor", [x]))
round_ = _kept("round", lambda b, x: b.one("round", [x]))
trunc = _kept("trunc", truncated)


@aten("round", overload="decimals")
def round_decimals(b: AtenBuilder, self: Value, *, decimals: int) -> Value:
    """The nearest multiple of 10 to the power -decimals"""
    if decimals == 0 or not is_float(self.dtype):
        return round_(b, self)
    scale = b.constant(float(10 ** min(abs(decimals), 300)), self.dtype)
    there, back = ("mul", "div") if decimals > 0 else ("div", "mul")
    return b.one(back, [b.one("round", [b.one(there, [self, scale])]), scale])


@aten("abs")
def abs_(b: AtenBuilder, self: Value) -> Value:
    """|x|"""
    return b.one("abs", [self])


@aten("neg")
def neg(b: AtenBuilder, self: Value) -> Value:
    """-x"""
    if self.dtype.kind == "u":
        return b.one("sub", [b.constant(0, self.dtype), self])
    return b.one("neg", [self])


@aten("sign")
def sign(b: AtenBuilder, self: Value) -> Value:
    """-1, 0 or 1"""
    return self if self.dtype == BOOL else b.one("sign", [self])


@aten("frac")
def frac(b: AtenBuilder, self: Value) -> Value:
    """x without its whole part"""
    return b.one("sub", [self, truncated(b, self)])


@aten("square")
def square(b: AtenBuilder, self: Value) -> Value:
    """x * x"""
    return binary(b, "mul", self, self)


@aten("rsqrt")
def rsqrt(b: AtenBuilder, self: Value) -> Value:
    """1 / sqrt(x)"""
    return b.one("reciprocal", [b.one("sqrt", [floats(b, self)])])


@aten("exp2")
def exp2(b: AtenBuilder, self: Value) -> Value:
    """2 to the power of x"""
    x = floats(b, self)
    return b.one("pow", [b.constant(2, x.dtype), x])


@aten("log2")
def log2(b: AtenBuilder, self: Value) -> Value:
    """The logarithm to base 2"""
    x = floats(b, self)
    return b.one("div", [b.one("log", [x]), b.constant(math.log(2), x.dtype)])


@aten("log10")
def log10(b: AtenBuilder, self: Value) -> Value:
    """The logarithm to base 10"""
    x = floats(b, self)
    return b.one("div", [b.one("log", [x]), b.constant(math.log(10), x.dtype)])


@aten("log1p")
def log1p(b: AtenBuilder, self: Value) -> Value:
    """log(1 + x), exact near 0: log(u) * x / (u - 1) for u = 1 + x"""
    x = floats(b, self)
    one, zero = b.constant(1, x.dtype), b.constant(0, x.dtype)
    u = b.one("add", [x, one])
    d = b.one("sub", [u, one])
    ratio = b.one("where", [b.one("equal", [d, x]), one, b.one("div", [x, d])])
    value = b.one("mul", [b.one("log", [u]), ratio])
    return b.one("where", [b.one("equal", [d, zero]), x, value])


@aten("expm1")
def expm1(b: AtenBuilder, self: Value) -> Value:
    """exp(x) - 1, exact near 0: tanh(x / 2) * (exp(x) + 1)"""
    x = floats(b, self)
    half = b.one("mul", [x, b.constant(0.5, x.dtype)])
    more = b.one("add", [b.one("exp", [x]), b.constant(1, x.dtype)])
    return b.one("mul", [b.one("tanh", [half]), more])


@aten("erfc")
def erfc(b: AtenBuilder, self: Value) -> Value:
    """1 - erf(x)"""
    x = floats(b, self)
    return b.one("sub", [b.constant(1, x.dtype), b.one("erf", [x])])


@aten("logit")
def logit(b: AtenBuilder, self: Value, eps: float | None = None) -> Value:
    """log(x / (1 - x)), x kept within [eps, 1 - eps]"""
    x = floats(b, self)
    if eps is not None:
        low, high = (b.constant(bound, x.dtype) for bound in (eps, 1 - eps))
        x = b.one("clip", [x, low, high])
    rest = b.one("sub", [b.constant(1, x.dtype), x])
    return b.one("log", [b.one("div", [x, rest])])


@aten("atan2")
def atan2(b: AtenBuilder, self: Value, other: Value) -> Value:
    """The angle of the point (other, self)"""
    y, x = b.promote(self, other, dtype=b.float_type(self, other))
    zero, pi = b.constant(0, x.dtype), b.constant(math.pi, x.dtype)
    half = b.constant(math.pi / 2, x.dtype)
    upper = b.one("greater_or_equal", [y, zero])
    angle = b.one("atan", [b.one("div", [y, x])])
    turned = b.one("where", [upper, b.one("add", [angle, pi]), b.one("sub", [angle, pi])])
    angle = b.one("where", [b.one("less", [x, zero]), turned, angle])
    up = b.one("where", [b.one("greater", [y, zero]), half, b.one("neg", [half])])
    on_axis = b.one("where", [b.one("equal", [y, zero]), zero, up])
    return b.one("where", [b.one("equal", [x, zero]), on_axis, angle])


@aten("nan_to_num")
def nan_to_num(
    b: AtenBuilder,
    self: Value,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Value:
    """x with finite numbers for NaN and infinities"""
    if not is_float(self.dtype):
        return self
    limits = np.finfo(self.dtype) if self.dtype.kind == "f" else None
    if limits is None:
        raise b.unsupported(f"is not supported on {self.dtype.name}")
    for sign, number in (
        (1, float(limits.max) if posinf is None else posinf),
        (-1, float(limits.min) if neginf is None else neginf),
    ):
        properties = {"detect_positive": sign > 0, "detect_negative": sign < 0}
        found = b.one("is_inf", [self], properties)
        self = b.one("where", [found, b.constant(number, self.dtype), self])
    fill = b.constant(0.0 if nan is None else nan, self.dtype)
    return b.one("where", [b.one("is_nan", [self]), fill, self])


@aten("logaddexp")
def logaddexp(b: AtenBuilder, self: Value, other: Value) -> Value:
    """log(exp(self) + exp(other))"""
    x, y = b.promote(self, other, dtype=b.float_type(self, other))
    most = b.one("max", [[x, y]])
    away = b.one("abs", [b.one("sub", [x, y])])
    more = b.one("softplus", [b.one("neg", [away])])
    # Equal infinities have no difference.
    same = b.one("equal", [x, y])
    return b.one("add", [most, b.one("where", [same, b.constant(math.log(2), x.dtype), more])])


@aten("xlogy", overload="Tensor")
def xlogy(b: AtenBuilder, self: Value, other: Value) -> Value:
    """self * log(other), 0 where self is"""
    x, y = b.promote(self, other, dtype=b.float_type(self, other))
    zero = b.constant(0, x.dtype)
    product = b.one("mul", [x, b.one("log", [y])])
    found = b.one("where", [b.one("equal", [x, zero]), zero, product])
    return b.one("where", [b.one("is_nan", [y]), y, found])


@aten("hypot")
def hypot(b: AtenBuilder, self: Value, other: Value) -> Value:
    """sqrt(self * self + other * other)"""
    x, y = b.promote(self, other, dtype=b.float_type(self, other))
    return b.one("sqrt", [b.one("add", [b.one("mul", [x, x]), b.one("mul", [y, y])])])


RULES = (*(_function(name, name) for name in _FUNCTIONS), *rules_in(globals()))
