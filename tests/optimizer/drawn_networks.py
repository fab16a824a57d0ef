"""Networks drawn by hypothesis out of what real ones are made of, as ONNX models.

Images go through convolutions (plain, grouped, depthwise), residual adds, concatenations, splits,
squeeze-and-excitation and shuffled channels; sequences through attention and MLP blocks; images
may become sequences; a head ends both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper, numpy_helper

Draw = Callable[[Any], Any]


@dataclass(frozen=True)
class Value:
    """A value of the network: its name and dimensions, the batch being 2."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Those of an image."""
        return self.shape[1]


class Drawn:
    """A network, what to feed it, and the names of the blocks it is made of.

    Not a dataclass: hypothesis would print the whole model.
    """

    def __init__(self, model: bytes, feeds: dict[str, np.ndarray], blocks: tuple[str, ...]):
        self.model = model
        self.feeds = feeds
        self.blocks = blocks

    def __repr__(self) -> str:
        return f"Drawn({' '.join(self.blocks)})"


@dataclass
class Sketch:
    """A network in the making."""

    random: Random
    generator: np.random.Generator
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    def one_of(self, *options: Any) -> Any:
        """A drawn choice."""
        return self.random.choice(options)

    def constant(self, array: np.ndarray, kind: str = "w") -> str:
        """An initializer."""
        name = f"{kind}{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape: int, fan_in: int | None = None) -> str:
        """Weights that keep the scale of what they multiply."""
        fan_in = int(np.prod(shape[1:])) if fan_in is None else fan_in
        array = self.generator.standard_normal(shape) * np.sqrt(1.5 / max(fan_in, 1))
        return self.constant(array.astype(np.float32))

    def vector(self, size: int) -> str:
        """One element a channel, around 1."""
        return self.constant((self.generator.random(size) + 0.5).astype(np.float32), "v")

    def ints(self, *values: int) -> str:
        """A vector of integers."""
        return self.constant(np.array(values, np.int64), "i")

    def add(self, op: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> Value:
        """A node of one output."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n{name}", **attributes))
        return Value(name, shape)

    def split(self, x: Value, sizes: list[int], axis: int) -> list[Value]:
        """The parts of a value."""
        names = [f"t{len(self.nodes)}_{part}" for part in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [x.name, self.ints(*sizes)], names, axis=axis))
        shapes = [(*x.shape[:axis], size, *x.shape[axis + 1 :]) for size in sizes]
        return [Value(name, shape) for name, shape in zip(names, shapes, strict=True)]

    def binary(self, op: str, a: Value, b: Value) -> Value:
        """An elementwise op; the result has the shape of `a`."""
        return self.add(op, [a.name, b.name], a.shape)

    def activation(self, x: Value) -> Value:
        """A drawn activation."""
        op = self.one_of("Relu", "Sigmoid", "LeakyRelu", "HardSwish", "Tanh")
        return self.add(op, [x.name], x.shape)

    def conv(self, x: Value, features: int, kernel: int = 3, group: int = 1) -> Value:
        """A convolution that keeps height and width, with or without a bias or a normalization."""
        w = self.weight(features, x.channels // group, kernel, kernel)
        inputs = [x.name, w] + ([self.vector(features)] if self.one_of(True, False) else [])
        shape = (x.shape[0], features, *x.shape[2:])
        pads = [kernel // 2] * 4
        y = self.add("Conv", inputs, shape, pads=pads, group=group, kernel_shape=[kernel] * 2)
        if self.one_of(True, False):
            parts = [self.vector(features) for _ in range(4)]
            y = self.add("BatchNormalization", [y.name, *parts], shape)
        return y

    def dense(self, x: Value, features: int) -> Value:
        """A product with a matrix in the last dimension, plus a bias."""
        w = self.weight(x.shape[-1], features, fan_in=x.shape[-1])
        y = self.add("MatMul", [x.name, w], (*x.shape[:-1], features))
        return self.add("Add", [y.name, self.vector(features)], y.shape)

    def reshape(self, x: Value, *shape: int) -> Value:
        """The same elements under another shape."""
        return self.add("Reshape", [x.name, self.ints(*shape)], shape)

    def transpose(self, x: Value, *perm: int) -> Value:
        """Other order of the dimensions."""
        return self.add("Transpose", [x.name], tuple(x.shape[i] for i in perm), perm=perm)


def plain(s: Sketch, x: Value) -> Value:
    """A convolution and an activation."""
    return s.activation(s.conv(x, s.one_of(6, 8, 12), s.one_of(1, 3)))


def residual(s: Sketch, x: Value) -> Value:
    """Two convolutions beside a shortcut."""
    y = s.conv(s.activation(s.conv(x, s.one_of(6, 10))), x.channels, 1)
    return s.activation(s.binary("Add", y, x))


def projected(s: Sketch, x: Value) -> Value:
    """A residual block whose shortcut is a convolution too."""
    features = s.one_of(8, 12)
    return s.activation(s.binary("Add", s.conv(x, features), s.conv(x, features, 1)))


def padded_shortcut(s: Sketch, x: Value) -> Value:
    """A residual block whose shortcut has channels of zeros added."""
    more = s.one_of(2, 4)
    pads = s.ints(0, 0, 0, 0, 0, more, 0, 0)
    shape = (x.shape[0], x.channels + more, *x.shape[2:])
    return s.binary("Add", s.conv(x, x.channels + more), s.add("Pad", [x.name, pads], shape))


def branches(s: Sketch, x: Value) -> Value:
    """Convolutions side by side, concatenated, perhaps with what they read."""
    parts = [s.conv(x, s.one_of(4, 6)), s.activation(s.conv(x, s.one_of(4, 5), 1))]
    parts += [x] if s.one_of(True, False) and x.channels < 24 else []
    shape = (x.shape[0], sum(part.channels for part in parts), *x.shape[2:])
    return s.add("Concat", [part.name for part in parts], shape, axis=1)


def halves(s: Sketch, x: Value) -> Value:
    """Channels split, one part computed on, both put together again."""
    first = max(2, x.channels // 3)
    a, b = s.split(x, [first, x.channels - first], 1)
    b = s.activation(s.conv(b, b.channels))
    shape = (x.shape[0], a.channels + b.channels, *x.shape[2:])
    return s.add("Concat", [b.name, a.name], shape, axis=1)


def sliced(s: Sketch, x: Value) -> Value:
    """A gate: some channels of a convolution times the sigmoid of the others."""
    features = s.one_of(6, 8)
    y = s.conv(x, 2 * features)
    shape = (y.shape[0], features, *y.shape[2:])
    parts = [
        s.add("Slice", [y.name, s.ints(begin), s.ints(begin + features), s.ints(1)], shape)
        for begin in (0, features)
    ]
    return s.binary("Mul", parts[0], s.add("Sigmoid", [parts[1].name], shape))


def grouped(s: Sketch, x: Value) -> Value:
    """A convolution of groups between two of all channels."""
    group, width = s.one_of((2, 4), (4, 2), (3, 3))
    y = s.activation(s.conv(x, group * width, 1))
    return s.conv(s.activation(s.conv(y, group * s.one_of(2, width), 3, group)), 8, 1)


def depthwise(s: Sketch, x: Value) -> Value:
    """A convolution of each channel by itself, after one that widens."""
    features, times = s.one_of(8, 12), s.one_of(1, 1, 2)
    y = s.activation(s.conv(x, features, 1))
    return s.conv(s.activation(s.conv(y, features * times, 3, features)), s.one_of(6, 8), 1)


def shuffled(s: Sketch, x: Value) -> Value:
    """Channels of groups exchanged between these."""
    group, width = s.one_of((2, 4), (3, 4))
    y = s.conv(x, group * width, 1)
    n, _, h, w = y.shape
    y = s.transpose(s.reshape(y, n, group, width, h, w), 0, 2, 1, 3, 4)
    y = s.reshape(y, n, group * width, h, w)
    return s.conv(s.activation(y), 8, 3, s.one_of(1, 2))


def squeezed(s: Sketch, x: Value) -> Value:
    """Channels weighed by what two small layers make of their means."""
    y = s.conv(x, s.one_of(6, 8))
    mean = s.add("GlobalAveragePool", [y.name], (*y.shape[:2], 1, 1))
    gate = s.conv(s.add("Relu", [(z := s.conv(mean, 4, 1)).name], z.shape), y.channels, 1)
    return s.binary("Mul", y, s.add("Sigmoid", [gate.name], gate.shape))


def pooled(s: Sketch, x: Value) -> Value:
    """Pooling, and back to the size it was."""
    shape = (*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2)
    op = s.one_of("MaxPool", "AveragePool")
    y = s.add(op, [x.name], shape, kernel_shape=[2, 2], strides=[2, 2])
    scales = s.constant(np.array([1, 1, 2, 2], np.float32), "s")
    return s.add("Resize", [y.name, "", scales], x.shape, mode="nearest")


def group_normalized(s: Sketch, x: Value) -> Value:
    """A normalization over groups of channels, as exporters spell it."""
    group, width = s.one_of((2, 3), (4, 2))
    y = s.conv(x, group * width)
    flat = s.reshape(y, y.shape[0], group, -1)
    ones, zeros = np.ones(group, np.float32), np.zeros(group, np.float32)
    parts = [flat.name, s.constant(ones), s.constant(zeros)]
    z = s.reshape(s.add("InstanceNormalization", parts, flat.shape), *y.shape)
    scale = s.constant(factors(s, y.channels))
    return s.activation(s.add("Mul", [z.name, scale], y.shape))


def factors(s: Sketch, channels: int) -> np.ndarray:
    """A factor for each channel of an image."""
    return (s.generator.random((1, channels, 1, 1)) + 0.5).astype(np.float32)


def attention(s: Sketch, x: Value) -> Value:
    """Heads of attention, with separate projections or one, and a residual."""
    heads, size = s.one_of((2, 4), (3, 2), (4, 3))
    n, length, width = x.shape
    inner = heads * size
    if s.one_of(True, False):
        q, k, v = (s.dense(x, inner) for _ in range(3))
    else:
        q, k, v = s.split(s.dense(x, 3 * inner), [inner] * 3, 2)
    q, k, v = (s.reshape(y, n, length, heads, size) for y in (q, k, v))
    q, k, v = (s.transpose(q, 0, 2, 1, 3), s.transpose(k, 0, 2, 3, 1), s.transpose(v, 0, 2, 1, 3))
    scores = s.add("MatMul", [q.name, k.name], (n, heads, length, length))
    factor = s.constant(np.array(size**-0.5, np.float32))
    scores = s.add("Mul", [scores.name, factor], scores.shape)
    scores = s.add("Softmax", [scores.name], scores.shape, axis=-1)
    y = s.add("MatMul", [scores.name, v.name], (n, heads, length, size))
    y = s.reshape(s.transpose(y, 0, 2, 1, 3), n, length, inner)
    return s.binary("Add", s.dense(y, width), x)


def mlp(s: Sketch, x: Value) -> Value:
    """Two dense layers and a residual, with or without a gate, normalized."""
    width, inner = x.shape[-1], s.one_of(10, 16)
    y = s.activation(s.dense(x, inner))
    if s.one_of(True, False):
        y = s.binary("Mul", y, s.dense(x, inner))
    y = s.binary("Add", s.dense(y, width), x)
    return s.add("LayerNormalization", [y.name, s.vector(width), s.vector(width)], y.shape)


IMAGE = (
    plain,
    residual,
    projected,
    padded_shortcut,
    branches,
    halves,
    sliced,
    grouped,
    depthwise,
    shuffled,
    squeezed,
    pooled,
    group_normalized,
)
SEQUENCE = (attention, mlp)


def image(s: Sketch) -> tuple[Value, Value]:
    """A network on images, up to its features; the input comes first."""
    given = Value("x", (2, 3, 6, 6))
    y = given
    blocks = (s.one_of(plain, projected), *(s.one_of(*IMAGE) for _ in range(s.one_of(1, 2, 3))))
    for block in blocks:
        y = block(s, y)
        s.blocks.append(block.__name__)
    return given, y


def head(s: Sketch, y: Value) -> Value:
    """The end of a network on images: by flattening, by means, or as a sequence."""
    n, channels, h, w = y.shape
    kind = s.one_of("flatten", "mean", "sequence")
    s.blocks.append(kind)
    if kind == "sequence":
        tokens = s.transpose(s.reshape(y, n, channels, h * w), 0, 2, 1)
        return sequence(s, s.dense(tokens, s.one_of(8, 12)))
    if kind == "flatten":
        flat = s.add("Flatten", [y.name], (n, channels * h * w))
    else:
        axes = {"axes": [2, 3], "keepdims": 0}
        flat = s.add("ReduceMean", [y.name], (n, channels), **axes)
    hidden = s.one_of(8, 12)
    parts = [flat.name, s.weight(hidden, flat.shape[1]), s.vector(hidden)]
    return s.activation(s.add("Gemm", parts, (n, hidden), transB=1))


def sequence(s: Sketch, x: Value) -> Value:
    """Blocks of a transformer, and the mean over the sequence."""
    for _ in range(s.one_of(1, 2)):
        for block in SEQUENCE:
            x = block(s, x)
            s.blocks.append(block.__name__)
    axes = {"axes": [1], "keepdims": 0}
    return s.add("ReduceMean", [x.name], (x.shape[0], x.shape[2]), **axes)


def text(s: Sketch) -> tuple[Value, Value]:
    """A network on numbers of words."""
    given, width = Value("x", (2, 5)), s.one_of(8, 12)
    words = s.add("Gather", [s.weight(11, width, fan_in=2), "x"], (2, 5, width), axis=0)
    s.blocks.append("embedding")
    return given, sequence(s, words)


@st.composite
def networks(draw: Draw) -> Drawn:
    """A drawn network."""
    # Drawn choice by choice, hypothesis repeats itself: of 200 networks 41 would differ.
    random = draw(st.randoms(use_true_random=True))
    s = Sketch(random, np.random.default_rng(random.randrange(2**32)))
    if s.one_of("image", "image", "image", "text") == "text":
        given, y = text(s)
        kind, feed = TensorProto.INT64, s.generator.integers(0, 11, given.shape)
    else:
        given, y = image(s)
        y = head(s, y)
        kind, feed = TensorProto.FLOAT, s.generator.standard_normal(given.shape, np.float32)
    classes = s.dense(y, 4)
    graph = helper.make_graph(
        s.nodes,
        "drawn",
        [helper.make_tensor_value_info("x", kind, given.shape)],
        [helper.make_tensor_value_info(classes.name, TensorProto.FLOAT, classes.shape)],
        s.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Drawn(model.SerializeToString(), {"x": feed}, tuple(s.blocks))
