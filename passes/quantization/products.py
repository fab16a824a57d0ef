"""The products of a module that are quantized: what they multiply, and what weights become."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.fused import FusedOp
from pyflame_rt.dialects.pfrt.names import op_name_of
from pyflame_rt.dialects.pfrt.types import dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined, describe
from pyflame_rt.kernels.quantization import parameters_of_range, quantize_linear

Array: TypeAlias = npt.NDArray[Any]
Product: TypeAlias = "ConvOp | GemmOp | MatmulOp"

PRODUCTS: Final = (ConvOp, GemmOp, MatmulOp)


@dataclass
class Outcome:
    """Which ops were quantized, and which were not and why; as `rewriting.describe` names them."""

    quantized: list[str] = field(default_factory=list[str])
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    weights: int = 0
    """How many weights have few bits now."""

    def done(self, op: PfrtOp) -> None:
        """Note an op that was quantized."""
        self.quantized.append(describe(op))

    def skip(self, op: PfrtOp, why: str) -> None:
        """Note an op that stays as it was."""
        self.skipped.append((describe(op), why))
        declined(op, why)


@dataclass(frozen=True)
class Weights:
    """A constant as integers; scales and zero points are vectors along `axis`, or scalars."""

    values: Array
    scale: Array
    zero_point: Array
    axis: int


@dataclass(frozen=True)
class Rounding:
    """How weights become integers: which, with a scale a channel or one, around 0 or not."""

    dtype: np.dtype[Any]
    channels: bool
    symmetric: bool

    def of(self, op: Product) -> Weights | None:
        """The weights of an op as the nearest integers; None if they are no constant, or not finite."""
        array = constant_of(factors(op)[1])
        if array is None or array.size == 0 or not np.isfinite(array).all():
            return None
        axis = columns_of(op)
        kept = tuple(k for k in range(array.ndim) if not (self.channels and k == axis))
        low, high = array.min(axis=kept), array.max(axis=kept)
        scale, zero_point = parameters_of_range(low, high, self.dtype, symmetric=self.symmetric)
        values = quantize_linear(array, scale, zero_point, axis=axis)
        return Weights(values, scale, zero_point, axis)


def products(module: ModuleOp, exclude: Collection[str], outcome: Outcome) -> list[Product]:
    """The products of f32 in a module, but for those excluded by name or type."""
    found: list[Product] = []
    for op in module.walk():
        if not isinstance(op, PRODUCTS) or isinstance(op.parent_op(), FusedOp):
            continue
        if any(dtype_of(value).name != "float32" for value in factors(op)):
            outcome.skip(op, "it is not of f32")
        elif is_excluded(op, exclude):
            outcome.skip(op, "it is excluded")
        else:
            found.append(op)
    return found


def is_excluded(op: PfrtOp, exclude: Collection[str]) -> bool:
    """Whether an op is named: by a result's name, by its own, or by its ONNX type (`Conv`)."""
    names = () if op.names is None else op.names.data
    return any(item in names or item == op.name or op_name_of(item) == op.name for item in exclude)


def factors(op: Product) -> tuple[SSAValue, SSAValue]:
    """What an op multiplies: data, then weights."""
    match op:
        case ConvOp():
            return op.x, op.w
        case GemmOp():
            return op.a, op.b
        case MatmulOp():
            return op.lhs, op.rhs


def columns_of(op: Product) -> int:
    """The axis of an op's weights along which there may be several scales: that of its sums."""
    match op:
        case ConvOp():
            return 0
        case GemmOp():
            return 0 if op.trans_b else 1
        case MatmulOp():
            return max(len(shape_of(op.rhs) or ()) - 1, 0)


def drop_unused(value: SSAValue) -> None:
    """Erase a constant that nothing uses any more."""
    owner = value.owner
    if isinstance(owner, ConstantOp) and not value.uses:
        Rewriter.erase_op(owner)
