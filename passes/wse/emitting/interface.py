"""A mapped network, from which `emit` builds a `wse` program, and where the host finds its tensors.

The grid has `columns` x `rows` PEs. A value is a matrix of features x rows (rows of a batch, or the pixels of
an image). Its features are split into parts along one axis, its rows into slots along the other: with
axis "columns" part p and slot s are on PE (x = p, y = s), with axis "rows" on PE (x = s, y = p). A PE stores its
block feature by feature.

A contraction turns a value split over one axis into one split over the other: the slots of a part are
multicast along their column (or row), every PE multiplies them with its weights, and what the PEs of a row
(or column) have is added up on its way to the PE whose slot it is. So the axis alternates from layer to
layer; `Move` turns a value round without arithmetic. All other steps keep the axis.

The host fills and reads buffers by `Placement`: for every PE and element the flat index of the tensor's element.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

Axis: TypeAlias = Literal["columns", "rows"]
DType: TypeAlias = Literal["f32", "f16"]
Activation: TypeAlias = Literal["none", "relu", "clip", "sigmoid", "tanh", "gelu", "swish"]
Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Value:
    """A matrix of features x rows on the PEs.

    `parts` is the grid's extent along `axis` or less; `slots` that along the other one or less. With an
    `image` (height, width) the rows are its pixels and a slot is whole lines of the image, so `slots` divides
    its height. `grain`: features that stay together (a head of attention, the gates of a unit).
    """

    name: str
    features: int
    rows: int
    axis: Axis
    parts: int
    slots: int = 1
    image: tuple[int, int] | None = None
    grain: int = 1

    @property
    def part_features(self) -> int:
        """Features of a part, the last ones of which may be padding."""
        grains = -(-self.features // self.grain)
        return self.grain * -(-grains // self.parts)

    @property
    def slot_rows(self) -> int:
        """Rows of a slot, the last ones of which may be padding."""
        return -(-self.rows // self.slots)

    @property
    def padded_rows(self) -> int:
        """Rows of all slots."""
        return self.slot_rows * self.slots

    def indices(self, columns: int, rows: int) -> Indices:
        """[y, x, feature, row]: the flat index in the features x rows matrix; -1 for padding."""
        part, slot = np.arange(self.parts), np.arange(self.slots)
        feature = part[:, None] * self.part_features + np.arange(self.part_features)
        row = slot[:, None] * self.slot_rows + np.arange(self.slot_rows)
        at = feature[:, None, :, None] * self.rows + row[None, :, None, :]
        inside = (feature < self.features)[:, None, :, None] & (row < self.rows)[None, :, None, :]
        block = np.where(inside, at, -1)
        whole = np.full((rows, columns, self.part_features, self.slot_rows), -1, np.int64)
        if self.axis == "columns":
            whole[: self.slots, : self.parts] = block.transpose(1, 0, 2, 3)
        else:
            whole[: self.parts, : self.slots] = block
        return whole


@dataclass(frozen=True)
class Window:
    """The window of a convolution or pool: pads are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def output(self, image: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the result."""
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        pads = self.pads[0] + self.pads[2], self.pads[1] + self.pads[3]
        sizes = [
            (n + p - r) // s + 1
            for n, p, r, s in zip(image, pads, reach, self.strides, strict=True)
        ]
        return sizes[0], sizes[1]


@dataclass(frozen=True)
class Contraction:
    """output = activation(weight x input + bias + residual); the axis of the output is the other one.

    The tensor `weight` is (output features, input features), with a `window` (out, in, height, width),
    with `flatten` (out, input features * input rows), the output then has one row. `bias` is (out). The
    residual lies as the output does. `limits` are those of "clip". With several `groups` the tensor is (out, in /
    groups, height, width), and the axis of the output is the input's, whose parts have whole groups.
    """

    name: str
    input: str
    output: str
    weight: str
    bias: str | None = None
    residual: str | None = None
    activation: Activation = "none"
    limits: tuple[float, float] = (0.0, 0.0)
    window: Window | None = None
    flatten: bool = False
    groups: int = 1


@dataclass(frozen=True)
class Move:
    """The same matrix split over the other axis."""

    name: str
    input: str
    output: str


Function: TypeAlias = Literal[
    "add",
    "sub",
    "mul",
    "max",
    "min",
    "neg",
    "relu",
    "clip",
    "sigmoid",
    "tanh",
    "exp",
    "erf",
    "gelu",
    "gelu_tanh",
    "swish",
    "reciprocal",
    "sqrt",
]


@dataclass(frozen=True)
class Elementwise:
    """output = function(inputs…), all in one layout.

    Binary functions with one input take `scalar` or a tensor `constant` of one number a feature.
    """

    name: str
    function: Function
    inputs: tuple[str, ...]
    output: str
    scalar: float | None = None
    constant: str | None = None
    limits: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Pool:
    """A pool over an image; without a window over all of it, the output then has one row and slot."""

    name: str
    kind: Literal["max", "average"]
    input: str
    output: str
    window: Window | None = None
    count_include_pad: bool = False


@dataclass(frozen=True)
class Softmax:
    """Softmax over the features of each row."""

    name: str
    input: str
    output: str
    log: bool = False


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalization over the features of each row; `scale` and `bias` have one number a feature."""

    name: str
    input: str
    output: str
    scale: str
    bias: str | None = None
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Attention:
    """softmax(scale * query^T key + mask) value for each head; rows are the sequence.

    Features are head by head; a part has whole heads (`grain` = features of a head). The tensor `mask` is
    (heads or 1, rows, rows), of finite numbers; `mask_heads` says how many.
    """

    name: str
    query: str
    key: str
    value: str
    output: str
    heads: int
    scale: float
    mask: str | None = None
    mask_heads: int = 1


@dataclass(frozen=True)
class Piece:
    """A block of one of the inputs, and where it goes in the output: first feature and row, how many."""

    input: str
    features: int
    rows: int
    source: tuple[int, int] = (0, 0)
    target: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Rearrange:
    """An output of blocks of the inputs, one for each: values one after another, or a part of one.

    The inputs are split over one axis. The axis of the output is the other one, unless all that a PE gets it
    has already.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Transfer:
    """The same matrix on the next strip of columns, over the same axis: the steps that follow are those of the
    strip. Over columns it has as many slots there, over rows as many parts.
    """

    name: str
    input: str
    output: str


Step: TypeAlias = (
    Transfer | Contraction | Move | Elementwise | Pool | Softmax | LayerNorm | Attention | Rearrange
)


@dataclass(frozen=True)
class Network:
    """Steps in order on a grid of PEs; `machine` is wse2, wse3 or wse3-si.

    `inputs` and `outputs` name values; all other values are made by steps. Tensors (weights, biases) are
    placed by the host.
    """

    name: str
    columns: int
    rows: int
    values: tuple[Value, ...]
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    machine: str = "wse2"
    dtype: DType = "f32"
    # Whether every PE prints, which is free, the name of each step when it is done with it.
    marks: bool = False
    # Images that go through one after the other in a run: inputs and outputs are so many matrices.
    images: int = 1
    # Columns of strips side by side, of which each has the steps up to the next `Transfer`; none: all is one.
    strips: tuple[int, ...] = ()
    # Contractions whose weights come in chunks from the edge: a column of PEs in front of the others.
    streamed: tuple[str, ...] = ()
    # Whether chains may be in groups, whose leaders need queues that strips have other uses for.
    leaders: bool = True
    # Whether sums may go along trees, which take the leaders' queues.
    trees: bool = True

    def value(self, name: str) -> Value:
        """A value by its name."""
        return next(value for value in self.values if value.name == name)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a tensor's elements are: `indices` [y, x, element of `buffer`] into the flat tensor, -1: none.

    For a value the flat tensor is its features x rows matrix. PEs (x, y) outside of `indices` do not matter.
    """

    tensor: str
    buffer: str
    indices: Indices

    def scatter(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """What the buffers hold: [y, x, element], zero where there is no element."""
        flat = np.concatenate([np.asarray(tensor).reshape(-1), np.zeros(1, tensor.dtype)])
        return flat[self.indices]

    def gather(self, buffers: NDArray[Any], size: int) -> NDArray[Any]:
        """The flat tensor of `size` elements from buffers [y, x, …]."""
        flat = np.zeros(size, buffers.dtype)
        inside = self.indices >= 0
        flat[self.indices[inside]] = buffers.reshape(self.indices.shape)[inside]
        return flat


@dataclass(frozen=True, eq=False)
class Stream:
    """Weights that come from the edge: `indices` [round, y, x, element of `buffer`] into the flat tensor.

    The host fills the buffers of one round and launches `function`; when the variable `counter` of the PEs
    that have the buffer says that the round is over, those of the next.
    """

    tensor: str
    buffer: str
    function: str
    counter: str
    indices: Indices


@dataclass(frozen=True, eq=False)
class Emitted:
    """A program and where its tensors are.

    `inputs` and `tensors` are written before the start (by the names of values and weights; a tensor may have
    several placements), `outputs` read at the end. `constants` has the values of tensors that are not the
    network's. `predicted` has the cycles of each step by its name, for one image. The host sends `streams` one
    after the other while the program runs.
    """

    module: ModuleOp
    inputs: tuple[Placement, ...]
    tensors: tuple[Placement, ...]
    outputs: tuple[Placement, ...]
    constants: Mapping[str, NDArray[np.float32]] = field(
        default_factory=dict[str, NDArray[np.float32]]
    )
    predicted: Mapping[str, float] = field(default_factory=dict[str, float])
    streams: tuple[Stream, ...] = ()


def emit(network: Network) -> Emitted:
    """The program of a network; raises PassFailed, naming the step, for what cannot be mapped.

    Tasks begin by themselves; a run needs no launch.
    """
    from pyflame_rt.passes.wse.emitting.program import build

    return build(network)
