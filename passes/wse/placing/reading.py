"""What a function of pfrt comes to as steps on matrices, before it is decided where they lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from xdsl.dialects import func
from xdsl.dialects.builtin import NameLoc
from xdsl.ir import BlockArgument, Operation, SSAValue

from pyflame_rt.dialects.pfrt.attention import AttentionOp
from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of, is_constant
from pyflame_rt.dialects.pfrt.constraints import ints
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp, LayerNormalizationOp
from pyflame_rt.dialects.pfrt.pieces import ConcatOp, SliceOp
from pyflame_rt.dialects.pfrt.pooling import AveragePoolOp, MaxPoolOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.dialects.rewriting import failed
from pyflame_rt.dialects.wse.mappable import (
    BINARY,
    UNARY,
    VIEWS,
    activation_of,
    by_feature,
    function_of,
    matrix_of,
    obstacle,
)
from pyflame_rt.dialects.wse.mapping import MOVE, TRANSFER
from pyflame_rt.dialects.wse.masks import mask_of
from pyflame_rt.dialects.wse.pieces import blocks_of
from pyflame_rt.passes.wse.emitting.interface import (
    Activation,
    Attention,
    Contraction,
    Elementwise,
    Function,
    LayerNorm,
    Move,
    Piece,
    Pool,
    Rearrange,
    Softmax,
    Step,
    Transfer,
    Window,
)

Array: TypeAlias = npt.NDArray[Any]

_FUSED_ACTIVATIONS = ("relu", "clip", "sigmoid", "tanh")


@dataclass(frozen=True)
class Matrix:
    """A value: features x rows, `image` is height and width if the rows are pixels."""

    features: int
    rows: int
    image: tuple[int, int] | None = None
    # The tensor's shape, which says how its elements are counted.
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, value: SSAValue, images: int = 1) -> Matrix:
        """The matrix of a tensor, or of one of its `images`."""
        shape = shape_of(value) or ()
        return cls(*matrix_of(shape, images), (1, *shape[1:]) if images > 1 else shape)

    def elements(self) -> npt.NDArray[np.int64]:
        """For each element of the matrix, feature by feature, its place in the tensor."""
        at = np.arange(self.features * self.rows)
        if self.image is not None:
            return at
        return at.reshape(self.rows, self.features).T.reshape(-1)


@dataclass(frozen=True)
class Planned:
    """A step and the op that it comes from."""

    op: Operation
    step: Step


@dataclass
class Reading:
    """A function as steps. Inputs are (argument, value), outputs (operand of the return, value)."""

    matrices: dict[str, Matrix] = field(default_factory=dict[str, Matrix])
    steps: list[Planned] = field(default_factory=list[Planned])
    inputs: list[tuple[BlockArgument, str]] = field(default_factory=list[tuple[BlockArgument, str]])
    outputs: list[tuple[SSAValue, str]] = field(default_factory=list[tuple[SSAValue, str]])
    tensors: dict[str, Array] = field(default_factory=dict[str, Array])
    # Values of the function that were looked at, by what they are on the wafer.
    names: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    # Images that all of it is about; the matrices are those of one.
    images: int = 1


def images_of(function: func.FuncOp, *, rows: bool = False) -> int:
    """How many images a function is about: the first dimension of all values that it works on.

    With `rows` the rows of a batch are images too. Raises PassFailed when only some values have several.
    """
    ops = [op for op in function.body.block.ops if not is_constant(type(op))]
    ops = [op for op in ops if op.name not in VIEWS and not isinstance(op, func.ReturnOp)]
    values = (v for op in ops for v in (*op.operands, *op.results) if constant_of(v) is None)
    shapes = [shape_of(value) or () for value in values]
    first = {shape[0] if len(shape) > 1 else 1 for shape in shapes}
    if all(len(shape) != 4 or shape[0] == 1 for shape in shapes):
        return max(first, default=1) if rows and len(first) == 1 else 1
    if len(first) > 1:
        raise failed(function, f"is about {max(first)} images, but not all of its values are")
    return max(first)


def read(function: func.FuncOp, images: int = 0) -> Reading:
    """The steps of a function; raises PassFailed, naming the op, for what cannot be mapped.

    `images` is how many it is about, if more than its values say.
    """
    reader = _Reader(images or images_of(function))
    for op in function.body.block.ops:
        reader.take(op)
    return reader.reading


class _Reader:
    def __init__(self, images: int) -> None:
        self.reading = Reading(images=images)
        self._names: dict[SSAValue, str] = {}
        self._arguments: dict[tuple[BlockArgument, int, int], str] = {}
        self._taken: set[str] = set()

    def take(self, op: Operation) -> None:
        """Add what an op does."""
        if isinstance(op, func.ReturnOp):
            for value in op.operands:
                self.reading.outputs.append((value, self.value(value)))
            return
        if is_constant(type(op)):
            return
        if MOVE in op.attributes:
            label = self.label(op)
            self.add(op, Move(label, self.value(op.operands[0]), self.result(op, label)))
            return
        if TRANSFER in op.attributes:
            source = self.value(op.operands[0])
            label = self.fresh(f"{source}_onward")
            self.add(op, Transfer(label, source, self.result(op, label)))
            return
        if (why := obstacle(op)) is not None:
            raise failed(op, f"cannot be mapped: {why}")
        if op.name in VIEWS:
            return
        _RULES[op.name](self, op)

    # Names.

    def label(self, op: Operation) -> str:
        """A name for the steps of an op: the last part of that of its value or node."""
        names = op.names.data if isinstance(op, PfrtOp) and op.names is not None else ()
        found = names[0] if names else ""
        if not found and isinstance(op.location, NameLoc):
            found = op.location.desc.data
        return self.fresh(found.rpartition("/")[2] or op.name.removeprefix("pfrt."))

    def fresh(self, stem: str) -> str:
        """A name that nothing has."""
        stem = re.sub(r"[^A-Za-z0-9]+", "_", stem).strip("_") or "value"
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name

    def value(self, value: SSAValue) -> str:
        """The name of what is on the wafer, seen through views."""
        name = self._root(value)
        self.reading.names[value] = name
        return name

    def _root(self, value: SSAValue) -> str:
        seen = value
        while isinstance(seen.owner, Operation) and (
            seen.owner.name in VIEWS and not {MOVE, TRANSFER} & seen.owner.attributes.keys()
        ):
            seen = seen.owner.operands[0]
        if not isinstance(seen, BlockArgument):
            return self._names[seen]
        matrix = Matrix.of(value, self.reading.images)
        key = seen, matrix.features, matrix.rows
        if key not in self._arguments:
            name = self.fresh(seen.name_hint or f"input{seen.index}")
            self._arguments[key] = name
            self.reading.inputs.append((seen, name))
            self.reading.matrices[name] = matrix
        return self._arguments[key]

    def result(self, op: Operation, name: str) -> str:
        """Give the result of an op its name on the wafer."""
        self._names[op.results[0]] = name
        self.reading.matrices[name] = Matrix.of(op.results[0], self.reading.images)
        return name

    def tensor(self, name: str, array: Array) -> str:
        """Keep a weight."""
        self.reading.tensors[name] = array
        return name

    def add(self, op: Operation, step: Step) -> None:
        """Add a step."""
        self.reading.steps.append(Planned(op, step))

    # Ops.

    def contraction(
        self, op: Operation, source: SSAValue, weight: Array, bias: Array | None,
        residual: SSAValue | None, window: Window | None = None, groups: int = 1,
    ) -> None:  # fmt: skip
        """A product, bias, residual, and the activation, if a reduction can apply it."""
        label = self.label(op)
        name = self.value(source)
        matrix = self.reading.matrices[name]
        flat = (
            window is None
            and (matrix.features, matrix.rows)
            != matrix_of(shape_of(source) or (), self.reading.images)[:2]
        )
        activation, limits, rest = _activation(activation_of(op))
        self.add(
            op,
            Contraction(
                label, name, self.result(op, label),
                self.tensor(f"{label}_weight", weight),
                None if bias is None else self.tensor(f"{label}_bias", bias),
                None if residual is None else self.value(residual),
                activation, limits, window, flat, groups,
            ),
        )  # fmt: skip
        self._then(op, rest)

    def _then(self, op: Operation, activation: ActivationAttr | None) -> None:
        """An activation as a step of its own."""
        if activation is None:
            return
        name = self._names[op.results[0]]
        label = self.fresh(f"{name}_{activation.op.data}")
        self.reading.matrices[label] = self.reading.matrices[name]
        self._names[op.results[0]] = label
        limits = _limits(activation.properties.data)
        known = function_of(activation.op.data, activation.properties.data)
        function = cast(Function, known)
        self.add(op, Elementwise(label, function, (name,), label, limits=limits))

    def elementwise(
        self, op: Operation, function: str, inputs: tuple[str, ...], *,
        scalar: float | None = None, constant: Array | None = None,
        limits: tuple[float, float] = (0.0, 0.0),
    ) -> None:  # fmt: skip
        """A function of each element."""
        label = self.label(op)
        if constant is not None and constant.size == 1:
            scalar, constant = float(constant.reshape(-1)[0]), None
        held = None if constant is None else self.tensor(f"{label}_constant", constant)
        step = Elementwise(
            label, cast(Function, function), inputs, self.result(op, label), scalar, held, limits
        )
        self.add(op, step)
        self._then(op, activation_of(op))


def _activation(
    attribute: ActivationAttr | None,
) -> tuple[Activation, tuple[float, float], ActivationAttr | None]:
    if attribute is None:
        return "none", (0.0, 0.0), None
    if attribute.op.data not in _FUSED_ACTIVATIONS:
        return "none", (0.0, 0.0), attribute
    return cast(Activation, attribute.op.data), _limits(attribute.properties.data), None


def _limits(properties: Mapping[str, Any]) -> tuple[float, float]:
    """The bounds of a clip; what is not given does not bind."""
    largest = float(np.finfo(np.float16).max)
    low, high = (properties.get(name) for name in ("min", "max"))
    return (
        -largest if low is None else float(low.value.data),
        largest if high is None else float(high.value.data),
    )


def _known(value: SSAValue) -> Array:
    found = constant_of(value)
    assert found is not None
    return found


def _gemm(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, GemmOp)
    weight = _known(op.b)
    weight = weight if op.trans_b.value.data else weight.T
    if op.alpha.value.data != 1.0:
        weight = weight * weight.dtype.type(op.alpha.value.data)
    bias = None
    if op.c is not None and op.beta.value.data != 0.0:
        c = _known(op.c) * _known(op.c).dtype.type(op.beta.value.data)
        bias = np.broadcast_to(c.reshape(-1), (weight.shape[0],))
    reader.contraction(op, op.a, weight, bias, op.residual)


def _matmul(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, MatmulOp)
    bias = None if op.bias is None else _known(op.bias)
    reader.contraction(op, op.lhs, _known(op.rhs).T, bias, op.residual)


def _conv(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, ConvOp)
    weight = _known(op.w)
    kernel = weight.shape[2], weight.shape[3]
    bias = None if op.bias is None else _known(op.bias)
    groups = op.group.value.data
    reader.contraction(op, op.x, weight, bias, op.residual, _window(op, kernel), groups)


def _window(op: ConvOp | MaxPoolOp | AveragePoolOp, kernel: tuple[int, ...]) -> Window:
    strides = ints(op.strides) or (1, 1)
    pads, dilations = ints(op.pads) or (0, 0, 0, 0), ints(op.dilations) or (1, 1)
    return Window(
        (kernel[0], kernel[1]), (strides[0], strides[1]), (pads[0], pads[1], pads[2], pads[3]),
        (dilations[0], dilations[1]),
    )  # fmt: skip


def _pool(reader: _Reader, op: Operation) -> None:
    label, source = reader.label(op), reader.value(op.operands[0])
    window, padded = None, False
    if isinstance(op, MaxPoolOp | AveragePoolOp):
        window = _window(op, ints(op.kernel_shape))
        padded = isinstance(op, AveragePoolOp) and bool(op.count_include_pad.value.data)
    kind = "average" if "average" in op.name else "max"
    reader.add(op, Pool(label, kind, source, reader.result(op, label), window, padded))


def _batch_normalization(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, BatchNormalizationOp)
    scale, bias, mean, var = (_known(v) for v in (op.scale, op.bias, op.mean, op.var))
    factor = scale / np.sqrt(var + var.dtype.type(op.epsilon.value.data))
    source, label = reader.value(op.operands[0]), reader.label(op)
    scaled = reader.fresh(f"{label}_scaled")
    reader.reading.matrices[scaled] = reader.reading.matrices[source]
    held = reader.tensor(f"{scaled}_constant", factor)
    reader.add(op, Elementwise(scaled, "mul", (source,), scaled, constant=held))
    reader.elementwise(op, "add", (scaled,), constant=bias - mean * factor)


def _unary(reader: _Reader, op: Operation) -> None:
    source = reader.value(op.operands[0])
    limits = _limits(op.properties) if op.name == "pfrt.clip" else (0.0, 0.0)
    function = function_of(op.name.removeprefix("pfrt."), op.properties)
    assert function is not None
    reader.elementwise(op, function, (source,), limits=limits)


def _binary(reader: _Reader, op: Operation) -> None:
    function = BINARY[op.name]
    shape = shape_of(op.results[0]) or ()
    arrays = [constant_of(value) for value in op.operands]
    if arrays[0] is None and arrays[1] is None:
        names = tuple(reader.value(value) for value in op.operands)
        reader.elementwise(op, function, names)
        return
    second = arrays[1] is not None
    constant = by_feature(cast(Array, arrays[second]), shape)
    assert constant is not None
    if function == "div":
        function, constant = "mul", 1 / constant
    source = reader.value(op.operands[not second])
    reader.elementwise(op, function, (source,), constant=constant)


def _softmax(reader: _Reader, op: Operation) -> None:
    label, source = reader.label(op), reader.value(op.operands[0])
    is_log = op.name == "pfrt.log_softmax"
    reader.add(op, Softmax(label, source, reader.result(op, label), is_log))


def _layer_normalization(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, LayerNormalizationOp)
    label, source = reader.label(op), reader.value(op.operand)
    bias = None
    if op.bias is not None:
        bias = reader.tensor(f"{label}_bias", _known(op.bias).reshape(-1))
    scale = reader.tensor(f"{label}_scale", _known(op.scale).reshape(-1))
    epsilon = float(op.epsilon.value.data)
    result = reader.result(op, label)
    reader.add(op, LayerNorm(label, source, result, scale, bias, epsilon))


def _attention(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, AttentionOp)
    label = reader.label(op)
    query, key, value = (reader.value(operand) for operand in (op.q, op.k, op.v))
    heads = op.q_num_heads.value.data
    size = reader.reading.matrices[query].features // heads
    scale = float(size) ** -0.5 if op.scale is None else float(op.scale.value.data)
    result = reader.result(op, label)
    mask = mask_of(op)
    assert not isinstance(mask, str)
    held = None if mask is None else reader.tensor(f"{label}_mask", mask)
    count = 1 if mask is None else len(mask)
    reader.add(op, Attention(label, query, key, value, result, heads, scale, held, count))


def _pieces(reader: _Reader, op: Operation) -> None:
    assert isinstance(op, ConcatOp | SliceOp)
    blocks = blocks_of(op, matrix_of)
    assert not isinstance(blocks, str)
    label = reader.label(op)
    pieces = tuple(
        Piece(reader.value(block.operand), *block.size, block.source, block.target)
        for block in blocks
    )
    inputs = tuple(piece.input for piece in pieces)
    reader.add(op, Rearrange(label, inputs, reader.result(op, label), pieces))


_RULES: Mapping[str, Callable[[_Reader, Operation], None]] = {
    "pfrt.gemm": _gemm,
    "pfrt.matmul": _matmul,
    "pfrt.conv": _conv,
    "pfrt.max_pool": _pool,
    "pfrt.average_pool": _pool,
    "pfrt.global_average_pool": _pool,
    "pfrt.global_max_pool": _pool,
    "pfrt.batch_normalization": _batch_normalization,
    "pfrt.softmax": _softmax,
    "pfrt.log_softmax": _softmax,
    "pfrt.layer_normalization": _layer_normalization,
    "pfrt.attention": _attention,
    "pfrt.concat": _pieces,
    "pfrt.slice": _pieces,
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
}
