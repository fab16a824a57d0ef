"""Channels of wide range made narrower, and the weights that take them wider, so that both round well.

SmoothQuant: Xiao, Lin, Seznec, Wu, Demouth, Han, "SmoothQuant: Accurate and Efficient Post-Training
Quantization for Large Language Models", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.activation import LeakyReluOp, ReluOp
from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, MulOp
from pyflame_rt.dialects.pfrt.normalization import LayerNormalizationOp
from pyflame_rt.dialects.pfrt.types import constant_attr, shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import is_open
from pyflame_rt.passes.quantization.placing import Place
from pyflame_rt.passes.quantization.products import Outcome, factors, products

Array: TypeAlias = npt.NDArray[Any]
MatrixProduct: TypeAlias = "GemmOp | MatmulOp"


@dataclass(frozen=True)
class Smoothing:
    """A value whose last axis can be scaled: what makes it by which constants, and what takes it.

    `divided` are constants and the axis of each that runs along the channels; -1 the last. `takers`
    multiply the value by constant matrices.
    """

    value: SSAValue
    divided: tuple[tuple[SSAValue, int], ...]
    takers: tuple[MatrixProduct, ...]

    def apply(self, greatest: Array, alpha: float) -> Array:
        """Divide channel j by s[j] = max|x[j]|^alpha / max|w[j]|^(1 - alpha), and multiply row j of
        the weights by it; the factors. `greatest` is max|x[j]| as it was seen.

        Channels that were never other than 0, or have weights of 0 only, stay. What else takes the
        value, a residual, gets it times s.
        """
        weights = np.stack([self._rows(op) for op in self.takers]).max(axis=0)
        s = np.ones(len(greatest))
        alive = (greatest > 0) & (weights > 0)
        s[alive] = greatest[alive] ** alpha / weights[alive] ** (1 - alpha)
        for value, axis in self.divided:
            _rescale(value, 1 / s, axis)
        for value in dict.fromkeys(factors(op)[1] for op in self.takers):
            taker = next(op for op in self.takers if factors(op)[1] is value)
            _rescale(value, s, _rows_axis(taker))
        if any(use.operation not in self.takers for use in self.value.uses):
            at = Place.after(self.value)
            real = at.emit("mul", [self.value, at.constant(s.astype(np.float32))])
            kept = {real.owner, *self.takers}
            self.value.replace_uses_with_if(real, lambda use: use.operation not in kept)
        return s

    @staticmethod
    def _rows(op: MatrixProduct) -> Array:
        """max|w[j]| over the columns."""
        array = constant_of(factors(op)[1])
        assert array is not None
        return np.abs(array.astype(np.float64)).max(axis=1 - _rows_axis(op))


def smoothings(module: ModuleOp, exclude: Collection[str] = ()) -> list[Smoothing]:
    """The values that can be smoothed: what takes one multiplies it by constant matrices, and what
    makes it absorbs a factor of each channel: a layer norm, a product of matrices, a constant
    factor or addend of one element a channel; relu in between. A layer norm's result may be a
    residual too, as behind each layer of BERT. Why others are none is explained.
    """
    takers: dict[SSAValue, list[MatrixProduct]] = {}
    for op in products(module, exclude, Outcome()):
        if isinstance(op, GemmOp | MatmulOp) and _takes_channels(op):
            takers.setdefault(factors(op)[0], []).append(op)
    found: list[Smoothing] = []
    for value, ops in takers.items():
        users = {use.operation for use in value.uses}
        if users != set(ops) and not isinstance(value.owner, LayerNormalizationOp):
            declined(ops[0], "its data go elsewhere too")
            continue
        count = _weights_shape(ops[0])[_rows_axis(ops[0])]
        divided = _absorbing(value, count)
        if not divided:
            declined(ops[0], "what makes its data takes no factors of channels")
            continue
        found.append(Smoothing(value, tuple(divided), tuple(ops)))
    return found


def smooth(module: ModuleOp, greatest: Mapping[SSAValue, Array], alpha: float) -> int:
    """Smooth the values of which max|x| is known; how many those were."""
    known = [each for each in smoothings(module) if each.value in greatest]
    for each in known:
        each.apply(greatest[each.value].astype(np.float64), alpha)
    return len(known)


def _absorbing(value: SSAValue, count: int) -> list[tuple[SSAValue, int]] | None:
    """The constants that a factor of each channel of a value goes to; None if it cannot."""
    op = value.owner
    match op:
        case ReluOp() | LeakyReluOp() if op.operands[0].has_one_use():
            return _absorbing(op.operands[0], count)
        case LayerNormalizationOp():
            parts = [op.scale] if op.bias is None else [op.scale, op.bias]
            fits = all(_is_vector(part, count) for part in parts)
            return [(part, -1) for part in parts] if fits else None
        case MulOp():
            parts = [part for part in op.operands if _is_vector(part, count)]
            return [(parts[0], -1)] if parts else None
        case AddOp():
            for part, other in (op.operands, op.operands[::-1]):
                if _is_vector(part, count) and other.has_one_use():
                    deeper = _absorbing(other, count)
                    return None if deeper is None else [(part, -1), *deeper]
            return None
        case GemmOp() | MatmulOp() if _is_own_product(op, count):
            bias = op.c if isinstance(op, GemmOp) else op.bias
            found = [(factors(op)[1], 1 - _rows_axis(op))]
            return found if bias is None else [*found, (bias, -1)]
        case _:
            return None


def _is_own_product(op: MatrixProduct, count: int) -> bool:
    """Whether a product's columns can be scaled by its weights and bias alone."""
    weights = factors(op)[1]
    if not is_open(op) or not weights.has_one_use() or not _takes_channels(op):
        return False
    bias = op.c if isinstance(op, GemmOp) else op.bias
    return _weights_shape(op)[1 - _rows_axis(op)] == count and (
        bias is None or _is_vector(bias, count)
    )


def _takes_channels(op: MatrixProduct) -> bool:
    """Whether an op multiplies the last axis of its data by a constant matrix that only such have."""
    data, weights = factors(op)
    array = constant_of(weights)
    if array is None or array.ndim != 2 or not len(shape_of(data) or ()):
        return False
    if isinstance(op, GemmOp) and op.trans_a:
        return False
    alike = {(type(u.operation), u.index, _rows_axis_of(u.operation)) for u in weights.uses}
    return len(alike) == 1 and len({u.operation.operands[0] for u in weights.uses}) == 1


def _weights_shape(op: MatrixProduct) -> tuple[int, ...]:
    return shape_of(factors(op)[1]) or (0, 0)


def _rows_axis(op: MatrixProduct) -> int:
    """The axis of an op's weights that runs along the channels of its data."""
    return 1 if isinstance(op, GemmOp) and op.trans_b else 0


def _rows_axis_of(op: object) -> int | None:
    return _rows_axis(op) if isinstance(op, GemmOp | MatmulOp) else None


def _is_vector(value: SSAValue, count: int) -> bool:
    """Whether a value is a constant of one op, with one element for each channel."""
    array = constant_of(value)
    if array is None or array.dtype != np.float32 or not value.has_one_use():
        return False
    return array.size == count and array.shape[-1:] == (count,)


def _rescale(value: SSAValue, scales: Array, axis: int) -> None:
    array, constant = constant_of(value), value.owner
    assert array is not None and isinstance(constant, ConstantOp)
    shape = [1] * array.ndim
    shape[axis] = -1
    new = (array * scales.reshape(shape)).astype(np.float32)
    constant.properties["value"] = constant_attr(new)
