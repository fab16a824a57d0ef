"""Ops on elements: arithmetic, activations, comparisons, selection, casts."""

from __future__ import annotations

import numpy as np

from pyflame_rt.dialects.pfrt.types import element_type
from random_graphs.builder import SPECIAL, Builder, Rejected, Value

UNARY = [
    "relu",
    "sigmoid",
    "tanh",
    "exp",
    "neg",
    "abs",
    "sqrt",
    "reciprocal",
    "floor",
    "ceil",
    "round",
    "sign",
    "erf",
    "softplus",
    "softsign",
    "hard_swish",
    "mish",
    "log",
    "sin",
    "cos",
    "tan",
    "atan",
    "asin",
    "acos",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
]
ALPHA = {
    "leaky_relu": (0.01, 0.5, 1.0, 0.0, -1.0),
    "elu": (1.0, 0.5),
    "celu": (1.0, 2.0),
    "swish": (1.0, 2.0, 1.702),
    "thresholded_relu": (1.0, 0.0),
}
BINARY = ["add", "mul", "sub", "div", "pow"]
VARIADIC = ["max", "min", "sum", "mean"]
COMPARISONS = ["less", "equal", "greater", "less_or_equal", "greater_or_equal"]
LOGIC = ["and", "or", "xor"]


def partner(b: Builder, value: Value) -> Value:
    """A value of the same type that broadcasts with another one."""
    match b.number(0, 5):
        case 0 | 1:
            fits = [v for v in reversed(b.visible) if v.dtype == value.dtype and _fit(v, value)]
            return b.pick(fits)
        case 2:
            return b.scalar(b.pick(SPECIAL), value, b.pick(((), (), (1,), (1,) * value.rank)))
        case 3:
            return constant_like(b, value, value.dims()[-1:])
        case 4:
            return constant_like(b, value, value.dims())
        case _:
            keep = b.number(0, max(0, value.rank - 1))
            dims = [d if a == keep else 1 for a, d in enumerate(value.dims())]
            return constant_like(b, value, dims)


def constant_like(b: Builder, value: Value, dims) -> Value:
    """A constant of a value's type; 1 where the size depends on the batch."""
    shape = [1 if d is None else d for d in dims]
    generator = b.generator()
    if b.chance(6):
        return b.scalar(b.pick(SPECIAL), value, shape)
    if value.dtype.kind == "f":
        array = np.asarray(generator.standard_normal(shape))
    else:
        array = generator.integers(1, 5, shape)
    return b.constant(array.astype(value.dtype))


def _fit(a: Value, c: Value) -> bool:
    try:
        for x, y in zip(a.shapes * len(c.shapes), c.shapes * len(a.shapes), strict=False):
            np.broadcast_shapes(x, y)
    except ValueError:
        return False
    return True


def unary(b: Builder) -> None:
    b.emit(b.pick(UNARY), b.value())


def activation(b: Builder) -> None:
    name = b.pick(sorted(ALPHA))
    b.emit(name, b.value(), alpha=b.pick(ALPHA[name]))


def gelu(b: Builder) -> None:
    b.emit("gelu", b.value(), approximate=b.pick(("none", "tanh")))


def hard_sigmoid(b: Builder) -> None:
    b.emit("hard_sigmoid", b.value(), alpha=b.pick((0.2, 1 / 6)), beta=b.pick((0.5, 0.0)))


def selu(b: Builder) -> None:
    b.emit("selu", b.value())


def shrink(b: Builder) -> None:
    b.emit("shrink", b.value(), bias=b.pick((0.0, 0.5)), lambd=0.5)


def prelu(b: Builder) -> None:
    x = b.value(least=1)
    b.emit("prelu", x, constant_like(b, x, [1 if a else x.dims()[-1] for a in range(1)]))


def clip(b: Builder) -> None:
    x = b.value()
    low, high = b.pick(((0.0, 6.0), (-1.0, 1.0), (None, 1.0), (0.0, None), (1.0, -1.0)))
    if b.chance(3):
        operands = [None if n is None else b.scalar(n, x) for n in (low, high)]
        b.emit("clip", x, *operands)
    else:
        b.emit("clip", x, min=low, max=high)


def binary(b: Builder) -> None:
    x = b.value(kinds=b.pick(("f", "f", "f", "fi")))
    y = partner(b, x)
    name = b.pick(BINARY)
    if x.dtype.kind == "i" and name in ("div", "pow"):
        y = b.constant(np.asarray(b.pick((1, 2, 3, -1 if name == "div" else 4)), x.dtype))
    b.emit(name, *((y, x) if b.chance(3) and x.is_float else (x, y)))


def variadic(b: Builder) -> None:
    x = b.value()
    others = [partner(b, x) for _ in range(b.number(0, 2))]
    b.emit(b.pick(VARIADIC), [x, *others])


def mod(b: Builder) -> None:
    x = b.value(kinds="i")
    b.emit("mod", x, b.constant(np.asarray(b.pick((2, 3, -3)), x.dtype)), fmod=b.chance(3))


def integer_unary(b: Builder) -> None:
    b.emit(b.pick(("neg", "abs", "sign", "bitwise_not")), b.value(kinds="i"))


def bitwise(b: Builder) -> None:
    x = b.value(kinds="i")
    b.emit(b.pick(("bitwise_and", "bitwise_or", "bitwise_xor")), x, partner(b, x))


def compare(b: Builder) -> None:
    x = b.value(kinds=b.pick(("f", "i", "fi")))
    b.emit(b.pick(COMPARISONS), x, partner(b, x))


def classify(b: Builder) -> None:
    if b.chance(2):
        b.emit("is_nan", b.value())
    else:
        b.emit("is_inf", b.value(), detect_negative=b.chance(2))


def logic(b: Builder) -> None:
    x = b.value(kinds="b")
    fits = [v for v in reversed(b.visible) if v.dtype.kind == "b" and _fit(v, x)]
    b.emit(b.pick(LOGIC), x, b.pick(fits))


def negation(b: Builder) -> None:
    b.emit("not", b.value(kinds="b"))


def where(b: Builder) -> None:
    x = b.value(kinds=b.pick(("f", "f", "i")))
    y = partner(b, x)
    conditions = [v for v in reversed(b.visible) if v.dtype.kind == "b" and _fit(v, x)]
    if not conditions or b.chance(4):
        given = b.constant(np.asarray(b.chance(2)))
        if b.chance(2) and x.is_float:
            given = b.one(b.pick(COMPARISONS), x, b.scalar(0.0, x))
    else:
        given = b.pick(conditions)
    b.emit("where", given, *((y, x) if b.chance(2) else (x, y)))


def cast(b: Builder) -> None:
    x = b.value(kinds=b.pick(("f", "i", "b", "fib")))
    to = np.dtype(b.pick(("f4", "f8", "i8", "i4", "?", "f2")))
    if x.is_float and to.kind == "i" and not all(np.isfinite(a).all() for a in x.arrays):
        raise Rejected
    b.emit("cast", x, to=element_type(to))


def bit_round_trip(b: Builder) -> None:
    x = b.value(kinds=b.pick(("f", "i")))
    middle = np.dtype(b.pick(("f8", "f4", "i4", "i8", "f2")))
    if x.is_float and middle.kind == "i" and not all(np.isfinite(a).all() for a in x.arrays):
        raise Rejected
    y = b.one("cast", x, to=element_type(middle))
    b.emit("cast", y, to=element_type(x.dtype))


def identity(b: Builder) -> None:
    b.emit("identity", b.value(kinds="fib"))


def dropout(b: Builder) -> None:
    numbers = np.asarray(b.pick((0.5, 0.0)), np.float32), np.asarray(False)
    b.emit("dropout", b.value(), *map(b.constant, numbers))


MAKERS = {
    unary: 8, binary: 10, activation: 2, gelu: 1, hard_sigmoid: 1, selu: 1, shrink: 1, prelu: 1,
    clip: 2, variadic: 2, mod: 1, integer_unary: 1, bitwise: 1, compare: 2, classify: 1, logic: 1,
    negation: 1, where: 2, cast: 2, bit_round_trip: 1, identity: 1, dropout: 1,
}  # fmt: skip
"""How often each is drawn."""
