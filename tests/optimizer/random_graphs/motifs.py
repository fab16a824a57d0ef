"""What fusions look for, as exporters write it, and near-misses of it.

A near-miss has a second consumer, another axis, another constant, or a constant whose shape widens
the result. Each motif may go wrong in one such way, and mostly does not.
"""

from __future__ import annotations

import math

import numpy as np

from pyflame_rt.dialects.pfrt.types import element_type
from random_graphs.builder import Builder, Rejected, Value
from random_graphs.elementwise import ALPHA, UNARY, constant_like
from random_graphs.layers import convolution, statistics
from random_graphs.movement import permutation

ACTIVATIONS = ("relu", "sigmoid", "tanh", "hard_swish", "leaky_relu", "softplus", "exp", "clip")


class Motif:
    """Steps of a motif, some of which go wrong."""

    def __init__(self, b: Builder):
        self.b = b

    def leak(self, value: Value) -> Value:
        """A value that sometimes has a second consumer, or is an output."""
        if self.b.chance(16):
            self.b.leaked.append(value)
        elif self.b.chance(24) and value.is_float:
            self.b.leaked.append(self.b.one("neg", value))
        return value

    def op(self, name: str, *operands: Value | list[Value], **properties) -> Value:
        """A step: its result may leak, commutative operands come in either order."""
        if name in ("add", "mul") and self.b.chance(2):
            operands = operands[::-1]
        return self.leak(self.b.one(name, *operands, **properties))

    def number(self, number: float, like: Value) -> Value:
        """A constant, sometimes a slightly different one, or one of a shape that matters."""
        b = self.b
        if b.chance(20):
            number = b.pick((number * 1.25, -number, number + 1e-3))
        shape = b.pick(((), (), (1,), (1,) * like.rank))
        if b.chance(30):
            shape = b.pick(((1,) * (like.rank + 1), (2, *(1,) * like.rank)))
        return b.scalar(number, like, shape)

    def axis(self, axis: int, x: Value) -> int:
        """An axis, sometimes another one."""
        return self.b.axis(x) if self.b.chance(10) else axis

    def activation(self, x: Value) -> Value:
        """Any activation."""
        name = self.b.pick(ACTIVATIONS)
        if name == "clip":
            return self.op("clip", x, min=0.0, max=6.0)
        if name in ALPHA:
            return self.op(name, x, alpha=self.b.pick(ALPHA[name]))
        return self.op(name, x)


def conv_bn_activation(b: Builder) -> None:
    m = Motif(b)
    x = m.leak(convolution(b))
    if not b.chance(4):
        x = m.op("batch_normalization", x, *statistics(b, x))
    if b.chance(3):
        x = m.op("add", x, _of_shape(b, x))
    m.activation(x)


def conv_scale(b: Builder) -> None:
    """A conv, then a constant a channel multiplied and added."""
    m = Motif(b)
    x = m.leak(convolution(b))
    shape = [1] * (x.rank - 1)
    shape[0 if not b.chance(6) else -1] = x.dim(1) or 1
    x = m.op("mul", x, constant_like(b, x, shape))
    m.op("add", x, constant_like(b, x, shape))


def _of_shape(b: Builder, x: Value) -> Value:
    """Another value of the same type and shape, or of one that broadcasts."""
    fits = [v for v in reversed(b.visible) if v.dtype == x.dtype and v is not x]
    same = [v for v in fits if v.shapes == x.shapes]
    if same and not b.chance(6):
        return b.pick(same)
    return b.one(b.pick(("relu", "tanh")), x) if b.chance(2) else constant_like(b, x, x.dims())


def bn_activation(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=2)
    m.activation(m.op("batch_normalization", x, *statistics(b, x)))


def bn_before_conv(b: Builder) -> None:
    x = b.value(rank=4)
    convolution(b, b.one("batch_normalization", x, *statistics(b, x)))


def matmul_add(b: Builder) -> None:
    m = Motif(b)
    x = b.value(rank=b.pick((2, 3, 2, 4)))
    size = x.dim(-1)
    if not size:
        raise Rejected
    y = m.op("matmul", x, b.weights((size, b.pick((4, 3, 1))), x))
    bias = b.pick((y.dims()[-1:], y.dims()[-1:], (), (1, y.dims()[-1]), y.dims(), (2, 1, 1)))
    y = m.op("add", y, constant_like(b, y, bias))
    if b.chance(3):
        y = m.op("add", y, _of_shape(b, y))
    if b.chance(2):
        m.activation(y)


def add_activation(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=1)
    m.activation(m.op("add", x, _of_shape(b, x)))


def mul_add(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=1)
    y = m.op("mul", x, _of_shape(b, x))
    m.op("add", y, _of_shape(b, y))


def gelu(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=1)
    if b.chance(2):
        scaled = m.op("div", x, m.number(math.sqrt(2), x)) if b.chance(2) else m.op(
            "mul", x, m.number(math.sqrt(0.5), x)
        )  # fmt: skip
        inner = m.op("add", m.op("erf", scaled), m.number(1.0, x))
    else:
        if b.chance(2):
            cube = m.op("pow", x, m.number(3.0, x))
        else:
            cube = m.op("mul", m.op("mul", x, x), x)
        z = m.op("add", x, m.op("mul", cube, m.number(0.044715, x)))
        z = m.op("tanh", m.op("mul", z, m.number(math.sqrt(2 / math.pi), x)))
        inner = m.op("add", z, m.number(1.0, x))
    half = m.number(0.5, x)
    match b.number(0, 2):
        case 0:
            m.op("mul", m.op("mul", x, inner), half)
        case 1:
            m.op("mul", m.op("mul", x, half), inner)
        case _:
            m.op("mul", x, m.op("mul", inner, half))


def layer_normalization(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=2)
    axis = m.axis(-1, x)
    flags = {"axes": (axis,), "keepdims": not b.chance(20)}
    centred = m.op("sub", x, m.op("reduce_mean", x, **flags))
    again = m.op("sub", x, m.op("reduce_mean", x, **flags)) if b.chance(6) else centred
    square = m.op("pow", again, m.number(2.0, x)) if b.chance(2) else m.op("mul", again, again)
    variance = m.op("reduce_mean", square, axes=(m.axis(axis, x),), keepdims=True)
    root = m.op("sqrt", m.op("add", variance, m.number(b.pick((1e-5, 1e-12)), x)))
    y = m.op("div", centred, root)
    if b.chance(4):
        y = m.op("mul", centred, m.op("reciprocal", root))
    _affine(m, y, x)


def rms_normalization(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=2)
    axis = m.axis(-1, x)
    square = m.op("pow", x, m.number(2.0, x)) if b.chance(2) else m.op("mul", x, x)
    mean = m.op("reduce_mean", square, axes=(axis,), keepdims=True)
    root = m.op("sqrt", m.op("add", mean, m.number(1e-6, x)))
    y = m.op("mul", x, m.op("reciprocal", root)) if b.chance(2) else m.op("div", x, root)
    _affine(m, y, x)


def _affine(m: Motif, y: Value, x: Value) -> None:
    b = m.b
    size = x.dim(-1) or 1
    shape = b.pick(((size,), (size,), (1, size), (size, 1), ()))
    if not b.chance(4):
        y = m.op("mul", y, constant_like(b, x, shape))
    if not b.chance(3):
        m.op("add", y, constant_like(b, x, (size,)))


def softmax(b: Builder) -> None:
    m = Motif(b)
    x = b.value(least=1)
    axis = m.axis(-1, x)
    flags = {"keepdims": True}
    if not b.chance(3):
        x = m.op("sub", x, m.op("reduce_max", x, axes=(axis,), **flags))
    e = m.op("exp", x)
    total = m.op("reduce_sum", e, axes=(m.axis(axis, x),), **flags)
    y = m.op("div", e, total)
    if b.chance(4):
        m.op("log", y)


def silu(b: Builder) -> None:
    m = Motif(b)
    x = b.value()
    match b.number(0, 3):
        case 0:
            m.op("mul", x, m.op("sigmoid", x))
        case 1:
            gate = m.op("hard_sigmoid", x, alpha=b.pick((1 / 6, 0.2)), beta=0.5)
            m.op("mul", x, gate)
        case 2:
            six = m.op("clip", m.op("add", x, m.number(3.0, x)), min=0.0, max=6.0)
            y = m.op("mul", x, six)
            m.op(b.pick(("div",)), y, m.number(6.0, x))
        case _:
            m.op("mul", x, m.op("tanh", m.op("softplus", x)))


def attention(b: Builder) -> None:
    m = Motif(b)
    x = b.value(rank=3)
    size = x.dim(2)
    if not size or size > 8:
        raise Rejected
    q, k, v = (_projection(m, x, size) for _ in range(3))
    if size % 2 == 0 and b.chance(2):
        order = (0, 2, 1, 3)
        q, v = (m.op("transpose", _halved(b, y, size), perm=order) for y in (q, v))
        k = m.op("transpose", _halved(b, k, size), perm=b.pick(((0, 2, 3, 1), (0, 2, 3, 1), order)))
        merged = True
    else:
        k, merged = m.op("transpose", k, perm=(0, 2, 1)), False
    scores = m.op("matmul", q, k)
    depth = q.dim(-1) or 1
    if not b.chance(4):
        scores = (
            m.op("div", scores, m.number(math.sqrt(depth), x))
            if b.chance(2)
            else m.op("mul", scores, m.number(1 / math.sqrt(depth), x))
        )
    if b.chance(2):
        scores = m.op("add", scores, _mask(b, scores))
    weights = m.op("softmax", scores, axis=m.axis(-1, scores))
    y = m.op("matmul", weights, v)
    if merged:
        y = m.op("transpose", y, perm=(0, 2, 1, 3))
        m.op("reshape", y, shape=(0, 0, size))


def _halved(b: Builder, x: Value, size: int) -> Value:
    """The last dimension as two heads."""
    return b.one("reshape", x, shape=(0, 0, 2, size // 2))


def _projection(m: Motif, x: Value, size: int) -> Value:
    b = m.b
    y = m.op("matmul", x, b.weights((size, size), x))
    return m.op("add", y, b.weights((size,), x)) if b.chance(2) else y


def _mask(b: Builder, scores: Value) -> Value:
    dims = [d or 1 for d in scores.dims()[-2:]]
    blocked = b.generator().random(dims) < 0.3
    low = b.pick((-1e9 if scores.dtype.itemsize > 2 else -1e4, -np.inf, -1.0))
    return b.constant(np.where(blocked, low, 0.0).astype(scores.dtype))


def transposed_elementwise(b: Builder) -> None:
    """Elementwise ops between a transpose and the one that undoes it, or nearly."""
    m = Motif(b)
    x = b.value(rank=b.pick((4, 3, 2, 4)))
    order = permutation(b, x.rank)
    if x.rank == 4 and b.chance(2):
        order = (0, 2, 3, 1)
    y = m.op("transpose", x, perm=order)
    for _ in range(b.number(1, 3)):
        match b.number(0, 4):
            case 0:
                y = m.op(b.pick(UNARY), y)
            case 1:
                y = m.op(b.pick(("add", "mul")), y, constant_like(b, y, y.dims()[-1:]))
            case 2:
                other = m.op("transpose", x, perm=order)
                y = m.op("add", y, other)
            case 3:
                y = m.op("softmax", y, axis=b.axis(y))
            case _:
                y = m.op("reduce_mean", y, axes=(b.axis(y),), keepdims=True)
    inverse = tuple(int(a) for a in np.argsort(order))
    m.op("transpose", y, perm=permutation(b, x.rank) if b.chance(5) else inverse)


def algebra(b: Builder) -> None:
    """Identities that hold, and some that nearly do."""
    m = Motif(b)
    x = b.value(kinds=b.pick(("f", "f", "i")))
    name, number = b.pick((
        ("add", 0.0), ("mul", 1.0), ("sub", 0.0), ("div", 1.0), ("mul", 0.0), ("pow", 2.0), ("pow", 1.0),
        ("pow", 0.5), ("add", -0.0), ("div", 2.0), ("div", 3.0), ("mul", -1.0), ("pow", -1.0), ("pow", 0.0),
        ("sub", -0.0), ("div", 0.25), ("mul", 2.0), ("pow", 3.0), ("div", -1.0),
    ))  # fmt: skip
    if not x.is_float and (number != int(number) or number < 0):
        raise Rejected
    constant = m.number(number, x) if x.is_float else b.scalar(number, x)
    y = m.op(name, x, constant)
    if b.chance(3):
        m.op(name, y, b.scalar(b.pick((number, 2.0)), x))


def pairs(b: Builder) -> None:
    """Two ops in a row, of which one may undo or absorb the other."""
    m = Motif(b)
    x = b.value()
    first, second = b.pick((
        ("neg", "neg"), ("relu", "relu"), ("abs", "abs"), ("exp", "log"), ("reciprocal", "reciprocal"),
        ("sqrt", "reciprocal"), ("floor", "floor"), ("relu", "clip"), ("clip", "clip"), ("clip", "relu"),
        ("neg", "abs"), ("floor", "round"), ("sigmoid", "sigmoid"), ("log", "exp"),
    ))  # fmt: skip
    y = x
    for name in (first, second):
        bounds = {"min": b.pick((0.0, -1.0)), "max": b.pick((6.0, 1.0))} if name == "clip" else {}
        y = m.op(name, y, **bounds)


def twice(b: Builder) -> None:
    """The same computed twice: with equal parameters, or nearly."""
    m = Motif(b)
    x = b.value(least=1)
    axis = b.axis(x)
    flags = [{"axes": (axis,), "keepdims": b.chance(2)} for _ in range(2)]
    name = b.pick(("reduce_sum", "reduce_mean", "reduce_max"))
    first, second = (b.one(name, x, **flag) for flag in flags)
    m.op("sub", first, second)
    kinds = [b.one("cast", x, to=element_type(np.dtype(n))) for n in ("f8", b.pick(("f8", "f2")))]
    b.leaked += kinds


def reduced_chain(b: Builder) -> None:
    """Elementwise ops around a reduction, which regions take in."""
    m = Motif(b)
    x = b.value(least=2)
    y = m.op(b.pick(UNARY), x)
    y = m.op("mul", y, _of_shape(b, y))
    total = m.op(
        b.pick(("reduce_sum", "reduce_max", "reduce_mean")), y, axes=(b.axis(y),), keepdims=True
    )
    total = m.op(b.pick(("sqrt", "abs", "relu", "tanh")), total)
    m.op(b.pick(("sub", "mul", "add", "div")), x, total)


def concat_of_slices(b: Builder) -> None:
    """The two halves of x, changed and put together: rotary embeddings."""
    m = Motif(b)
    x = b.value(least=2)
    size = x.dim(-1)
    if not size or size % 2:
        raise Rejected
    halves = [
        m.op("slice", x, starts=(s,), ends=(e,), axes=(-1,))
        for s, e in ((0, size // 2), (size // 2, b.pick((size, 2**31))))
    ]
    if b.chance(2):
        halves = [m.op("neg", halves[1]), halves[0]]
    m.op("concat", halves, axis=-1)


def chain(b: Builder) -> None:
    """A long chain of elementwise ops."""
    m = Motif(b)
    x = b.value()
    for _ in range(b.number(2, 5)):
        x = m.op(b.pick(UNARY), x) if b.chance(2) else m.op("add", x, _of_shape(b, x))


MAKERS = {
    conv_bn_activation: 5, conv_scale: 2, bn_activation: 1, bn_before_conv: 1, matmul_add: 4,
    add_activation: 2, mul_add: 2, gelu: 4, layer_normalization: 4, rms_normalization: 2,
    softmax: 2, silu: 3, attention: 4, transposed_elementwise: 4, algebra: 5, pairs: 3, twice: 1,
    reduced_chain: 3, concat_of_slices: 1, chain: 2,
}  # fmt: skip
"""How often each is drawn."""
