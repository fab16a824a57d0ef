"""The layers whose weights can be pruned: products and convolutions with constant weights.

Every layer is seen as one matrix, a row an output and a column an input, so that patterns and
criteria need not know what kind of layer it is. The columns of a convolution are its taps one after
the other, channels fastest: what is consecutive is what the input holds together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined, describe
from pyflame_rt.passes.pruning.naming import is_called, names_of

Array: TypeAlias = npt.NDArray[Any]
Prunable: TypeAlias = ConvOp | GemmOp | MatmulOp

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True)
class Layer:
    """An op with constant weights, and how these are a matrix."""

    op: Prunable
    constant: ConstantOp
    name: str
    """That of the weights in the model."""

    @property
    def weights(self) -> Array:
        """The weights as they are in the model."""
        array = constant_of(self.constant.result)
        assert array is not None
        return array

    @property
    def groups(self) -> int:
        """Into how many parts rows and inputs fall; rows of one part see the same inputs."""
        return self.op.group.value.data if isinstance(self.op, ConvOp) else 1

    @property
    def input(self) -> SSAValue:
        """What the weights are multiplied with."""
        return self.op.operands[0]

    @property
    def channels(self) -> int:
        """Consecutive columns that belong together: the inputs of one tap."""
        shape = self.weights.shape
        if isinstance(self.op, ConvOp):
            return shape[1]
        return shape[1] if self._is_transposed else shape[0]

    @property
    def _is_transposed(self) -> bool:
        """Whether rows are outputs already."""
        return isinstance(self.op, GemmOp) and bool(self.op.trans_b.value.data)

    def matrix(self, array: Array) -> Array:
        """Weights, or what has their shape, as outputs x inputs; a view where it can be."""
        if isinstance(self.op, ConvOp):
            return np.moveaxis(array, 1, -1).reshape(array.shape[0], -1)
        return array if self._is_transposed else array.T

    def array(self, matrix: Array) -> Array:
        """The opposite of `matrix`, contiguous."""
        if isinstance(self.op, ConvOp):
            rows, channels, *window = self.weights.shape
            found = np.moveaxis(matrix.reshape(rows, *window, channels), -1, 1)
            return np.ascontiguousarray(found)
        return np.ascontiguousarray(matrix if self._is_transposed else matrix.T)

    def names(self) -> Sequence[str]:
        """Everything that a user may call the layer: its weights, results and node."""
        return [self.name, *names_of(self.op)]

    def is_called(self, pattern: str) -> bool:
        """Whether a name or wildcard means the layer."""
        return any(is_called(name, pattern) for name in self.names())


def layers_of(module: ModuleOp) -> list[Layer]:
    """The layers of a module in order, one for each constant; why others are none is explained."""
    found: dict[Operation, Layer] = {}
    for op in module.walk():
        if not isinstance(op, ConvOp | GemmOp | MatmulOp):
            continue
        why, constant = _weights(op)
        if why or constant is None:
            declined(op, why)
        elif constant not in found:
            found[constant] = Layer(op, constant, _name(constant, op, len(found)))
    return list(found.values())


def selected(layers: Iterable[Layer], exclude: Sequence[str]) -> Iterator[Layer]:
    """The layers that no name excludes."""
    for layer in layers:
        if any(layer.is_called(pattern) for pattern in exclude):
            declined(layer.op, "it is excluded")
        else:
            yield layer


def _weights(op: Prunable) -> tuple[str, ConstantOp | None]:
    """Why the weights of an op cannot be pruned, "" if they can; the constant they are."""
    value = op.operands[1]
    constant = value.owner
    if not isinstance(constant, ConstantOp):
        return "its weights are no constant", None
    shape = shape_of(value) or ()
    if len(shape) < 2 or (isinstance(op, MatmulOp) and len(shape) != 2) or not math.prod(shape):
        return f"its weights {value.type} are no matrix", None
    if dtype_of(value).name not in _FLOATS:
        return f"its weights {value.type} are no floats", None
    if constant_of(value) is None:
        return "the values of its weights are missing", None
    kinds = {(use.operation.name, use.index, _form(use.operation)) for use in value.uses}
    if len(kinds) > 1:
        others = sorted({describe(u.operation) for u in value.uses if u.operation is not op})
        return f"its weights are also used by {', '.join(others)}", None
    return "", constant


def _form(op: Operation) -> object:
    """What the uses of shared weights have to agree in."""
    match op:
        case ConvOp():
            return op.group.value.data
        case GemmOp():
            return bool(op.trans_b.value.data)
        case _:
            return None


def _name(constant: ConstantOp, op: PfrtOp, index: int) -> str:
    names = constant.names.data if constant.names is not None else ()
    if names and names[0]:
        return names[0]
    if op.names is not None and op.names.data[0]:
        return f"{op.names.data[0]}.weight"
    return f"layer{index}.weight"
