"""What the operators that take a model's inputs tell of them.

Archives do not say what shapes and element types inputs have. Each is taken as f32 of any rank
until an operator tells otherwise; the import begins again with what it told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from xdsl.dialects.builtin import UnrankedTensorType
from xdsl.ir import Block, BlockArgument, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.pieces import GatherOp
from pyflame_rt.dialects.pfrt.shape import TransposeOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.frontends.torch.aten.values import Dtype
from pyflame_rt.frontends.torch.script.tensors import read
from pyflame_rt.frontends.torch.script.values import Known, ListObject, Tensor

if TYPE_CHECKING:
    from pyflame_rt.frontends.torch.script.interpreter import Interpreter

INDEX = np.dtype(np.int64)
MASK = np.dtype(np.bool_)
_FLOAT = np.dtype(np.float32)
_WALK = 10_000


@dataclass(frozen=True)
class Hint:
    """What an operator wants of an argument; None says nothing. `dims` are sizes by axis."""

    rank: int | None = None
    dtype: Dtype | None = None
    dims: Mapping[int, int] = field(default_factory=dict[int, int])


class Refined(Exception):
    """An input turned out to be other, or more, than it was taken to be."""

    def __init__(self, index: int, hint: Hint):
        super().__init__()
        self.index = index
        self.hint = hint


Shapes: TypeAlias = Sequence[tuple[int, ...] | None]
Teller: TypeAlias = Callable[[Sequence[Known], Shapes], Iterator[tuple[int, Hint]]]


def _always(hints: Mapping[int, Hint]) -> Teller:
    return lambda arguments, shapes: iter(hints.items())


def _conv(groups_at: int, *, transposed: bool = False) -> Teller:
    """A convolution's input has the rank of its weights, and their channels."""

    def tell(arguments: Sequence[Known], shapes: Shapes) -> Iterator[tuple[int, Hint]]:
        weight = shapes[1] if len(shapes) > 1 else None
        if not weight:
            return
        groups: Known = arguments[groups_at] if len(arguments) > groups_at else 1
        turned = transposed or (groups_at == 8 and len(arguments) > 6 and arguments[6] is True)
        channels = weight[0] if turned else weight[1] * (groups if isinstance(groups, int) else 1)
        yield 0, Hint(len(weight), dims={1: channels})

    return tell


def _last_of(weight_at: int) -> Teller:
    """The input's last dimension is that of a weight."""

    def tell(arguments: Sequence[Known], shapes: Shapes) -> Iterator[tuple[int, Hint]]:
        weight = shapes[weight_at] if len(shapes) > weight_at else None
        if weight:
            yield 0, Hint(dims={-1: weight[-1]})

    return tell


def _recurrent(arguments: Sequence[Known], shapes: Shapes) -> Iterator[tuple[int, Hint]]:
    # (input, hidden state, weights, …); of packed sequences (input, batch sizes, …).
    weights = arguments[2] if len(arguments) > 2 else None
    first = weights.items[0] if isinstance(weights, ListObject) and weights.items else None
    if isinstance(first, Tensor):
        yield 0, Hint(3)


def _encoder(arguments: Sequence[Known], shapes: Shapes) -> Iterator[tuple[int, Hint]]:
    width = arguments[1] if len(arguments) > 1 else None
    yield 0, Hint(3, dims={-1: width} if isinstance(width, int) else {})


def _layer_norm(arguments: Sequence[Known], shapes: Shapes) -> Iterator[tuple[int, Hint]]:
    shape = arguments[1] if len(arguments) > 1 else None
    if isinstance(shape, ListObject) and all(isinstance(size, int) for size in shape.items):
        sizes = reversed(shape.items)
        yield 0, Hint(dims={-1 - axis: size for axis, size in enumerate(sizes)})


_TELLERS: Mapping[str, Teller] = {
    **{f"conv{n}d": _conv(6) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _conv(6, transposed=True) for n in (1, 2, 3)},
    "_convolution": _conv(8),
    "convolution": _conv(8),
    "linear": _last_of(1),
    "layer_norm": _layer_norm,
    "lstm": _recurrent,
    "gru": _recurrent,
    "rnn_tanh": _recurrent,
    "rnn_relu": _recurrent,
    "_transformer_encoder_layer_fwd": _encoder,
    **{
        f"{name}{n}d": _always({0: Hint(n + 2)})
        for n in (1, 2, 3)
        for name in (
            "max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "upsample_nearest",
        )
    },
    "upsample_linear1d": _always({0: Hint(3)}),
    "upsample_bilinear2d": _always({0: Hint(4)}),
    "upsample_bicubic2d": _always({0: Hint(4)}),
    "pixel_shuffle": _always({0: Hint(4)}),
    "bmm": _always({0: Hint(3), 1: Hint(3)}),
    "mm": _always({0: Hint(2), 1: Hint(2)}),
    "addmm": _always({1: Hint(2), 2: Hint(2)}),
    "t": _always({0: Hint(2)}),
    "scaled_dot_product_attention": _always({0: Hint(4), 1: Hint(4), 2: Hint(4)}),
    "_native_multi_head_attention": _always({0: Hint(3), 1: Hint(3), 2: Hint(3)}),
    "embedding": _always({1: Hint(2, INDEX)}),
    "embedding_bag": _always({1: Hint(None, INDEX), 2: Hint(1, INDEX)}),
    "one_hot": _always({0: Hint(None, INDEX)}),
    "gather": _always({2: Hint(None, INDEX)}),
    "index_select": _always({2: Hint(1, INDEX)}),
    "index": _always({1: Hint(None, INDEX)}),
    "scatter": _always({2: Hint(None, INDEX)}),
    "take": _always({1: Hint(None, INDEX)}),
    "masked_fill": _always({1: Hint(None, MASK)}),
    "masked_select": _always({1: Hint(None, MASK)}),
    "where": _always({0: Hint(None, MASK)}),
    "bitwise_not": _always({0: Hint(None, MASK)}),
    "bitwise_and": _always({0: Hint(None, MASK), 1: Hint(None, MASK)}),
    "bitwise_or": _always({0: Hint(None, MASK), 1: Hint(None, MASK)}),
    "__and__": _always({0: Hint(None, MASK), 1: Hint(None, MASK)}),
    "__or__": _always({0: Hint(None, MASK), 1: Hint(None, MASK)}),
    "_pack_padded_sequence": _always({1: Hint(1, INDEX)}),
}  # fmt: skip


def refine(interpreter: Interpreter, namespace: str, name: str, arguments: Sequence[Known]) -> None:
    """Raise Refined when an operator tells of an input what was not known of it."""
    tell = _TELLERS.get(name) if namespace == "aten" else None
    if tell is None:
        return
    m = interpreter.m
    shapes = [read(m, each).shape if isinstance(each, Tensor) else None for each in arguments]
    for position, hint in tell(arguments, shapes):
        given = arguments[position] if position < len(arguments) else None
        for each in given.items if isinstance(given, ListObject) else (given,):
            if isinstance(each, Tensor):
                _refine_one(interpreter, hint, each)


_LAYERS: Mapping[str, int] = {
    "MultiheadAttention": 3,
    "TransformerEncoder": 3,
    "TransformerEncoderLayer": 3,
    "TransformerDecoder": 3,
    "TransformerDecoderLayer": 3,
    "Transformer": 3,
    "LSTM": 3,
    "GRU": 3,
    "RNN": 3,
    "LSTMCell": 2,
    "GRUCell": 2,
    "RNNCell": 2,
    **{f"Conv{n}d": n + 2 for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": n + 2 for n in (1, 2, 3)},
    "BatchNorm2d": 4,
    "BatchNorm3d": 5,
}
"""Layers of torch's that also take an input without a batch: with one it has that many dimensions."""


def refine_for_layer(interpreter: Interpreter, layer: str, arguments: Sequence[Known]) -> None:
    """Raise Refined when a layer of torch's tells of an input what was not known of it."""
    *parents, name = layer.split(".")
    if parents[:4] != ["__torch__", "torch", "nn", "modules"] or name not in _LAYERS:
        return
    for each in arguments:
        if isinstance(each, Tensor):
            _refine_one(interpreter, Hint(_LAYERS[name]), each)


def _refine_one(interpreter: Interpreter, hint: Hint, tensor: Tensor) -> None:
    m = interpreter.m
    value = read(m, tensor)
    origin = _origin(value.ssa, m.main.block)
    if origin is None:
        return
    argument, same, fewer = origin
    rank = value.rank
    found = Hint(
        rank=hint.rank + fewer if rank is None and hint.rank is not None else None,
        dtype=hint.dtype if value.dtype == _FLOAT and argument.index in m.assumed else None,
        dims={
            axis: size
            for axis, size in hint.dims.items()
            if same
            and -(rank or 0) <= axis < (rank or 0)
            and value.shape is not None
            and value.shape[axis] == DYNAMIC
            and size > 0
        },
    )
    if found.rank is not None or found.dtype is not None or found.dims:
        raise Refined(argument.index, found)
    if hint.rank is not None and hint.rank == rank:
        m.fitting.add(argument.index)


def _origin(value: SSAValue, main: Block) -> tuple[BlockArgument, bool, int] | None:
    """The input that a value is made of, whether in the same shape, and how many dimensions less.

    Only through what keeps the number of dimensions, or takes one index of a dimension: layers of
    torch's add one where there is no batch, which tells nothing.
    """
    same, fewer = True, 0
    for _ in range(_WALK):
        if isinstance(value, BlockArgument):
            return (value, same, fewer) if value.block is main else None
        owner = value.owner
        if not isinstance(owner, PfrtOp):
            return None
        if isinstance(owner, GatherOp) and shape_of(owner.operands[1]) == ():
            same, fewer = False, fewer + 1
        elif isinstance(owner, TransposeOp):
            same = False
        elif not owner.ELEMENTWISE or len(owner.operands) != 1:
            return None
        value = owner.operands[0]
    return None


def unranked_input(value: SSAValue, main: Block) -> int | None:
    """An input of unknown rank that a value depends on; the first such input if none is found."""
    queue, seen = [value], {value}
    while queue and len(seen) < _WALK:
        current = queue.pop()
        owner = current.owner
        if isinstance(owner, Block):
            if owner is main and isinstance(current.type, UnrankedTensorType):
                assert isinstance(current, BlockArgument)
                return current.index
            continue
        for operand in owner.operands:
            if operand not in seen:
                seen.add(operand)
                queue.append(operand)
    unranked = (arg.index for arg in main.args if isinstance(arg.type, UnrankedTensorType))
    return next(unranked, None)
