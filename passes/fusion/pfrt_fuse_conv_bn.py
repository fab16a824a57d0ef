"""Scales and shifts of channels, folded into the weights before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import FloatAttr, ModuleOp, f32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, DivOp, MulOp, SubOp, SumOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import (
    constant_vector,
    extended,
    features_of,
    fuse,
    is_open,
    is_wide,
    one_a_channel,
    rewrite,
    sole_producer,
)

Array = npt.NDArray[Any]
Scale: TypeAlias = Callable[[Array, Array], Array]
Convolution: TypeAlias = ConvIntegerToFloatOp | ConvOp | ConvTransposeOp
Scalable: TypeAlias = Convolution | GemmOp | MatmulOp | BatchNormalizationOp
Arithmetic: TypeAlias = AddOp | SumOp | SubOp | MulOp | DivOp


@dataclass(frozen=True)
class Scaling:
    """y * factor + shift, one of each for every channel, in f64."""

    factor: Array
    shift: Array

    @property
    def is_shift(self) -> bool:
        """Whether every factor is 1."""
        return bool(np.all(self.factor == 1))


@dataclass
class Copies:
    """How many bytes of weights that have other uses may still be folded, which copies them."""

    left: int

    def allow(self, weights: SSAValue, array: Array) -> bool:
        """Whether new weights may be made of these; if they are copies, they count."""
        if weights.has_one_use():
            return True
        self.left -= array.nbytes
        return self.left >= 0


@dataclass(frozen=True)
class NormalizationOfSum(RewritePattern):
    """bn(op(x, w, b)) -> op(x, w * f, (b - mean) * f + bias), f = scale / sqrt(var + epsilon),

    op a convolution or product with constant weights, or a batch normalization; of bytes their scale is
    what is multiplied.
    """

    copies: Copies

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, BatchNormalizationOp):
            return
        kinds = (
            ConvIntegerToFloatOp, ConvOp, ConvTransposeOp, GemmOp, MatmulOp, BatchNormalizationOp,
        )  # fmt: skip
        producer = sole_producer(op.operand, op, kinds)
        if producer is None or not _is_open(producer, op):
            return
        if getattr(producer, "data_layout", "nchw") != op.data_layout:
            return
        values = (op.scale, op.bias, op.mean, op.var)
        statistics = [constant_of(value) for value in values]
        given = [np.asarray(array, np.float64) for array in statistics if array is not None]
        if len(given) != len(values):
            declined(op, "its statistics are not all constants")
            return
        scale, bias, mean, var = given
        with np.errstate(all="ignore"):
            factor = scale / np.sqrt(var + op.epsilon.value.data)
            scaling = Scaling(factor, bias - mean * factor)
        _fold(rewriter, self.copies, producer, op, scaling, op.activation)


@dataclass(frozen=True)
class ArithmeticOfSum(RewritePattern):
    """op(x, w, b) * c -> op(x, w * c, b * c), and + c, - c, / c, c - op(…) likewise,

    op a convolution or batch normalization, c a constant of one element a channel or one for all.
    """

    copies: Copies

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, Arithmetic) or len(op.operands) != 2:
            return
        for index in (0, 1):
            kinds, other = (ConvOp, ConvTransposeOp, BatchNormalizationOp), op.operands[1 - index]
            if constant_of(other) is None or (index == 1 and isinstance(op, DivOp)):
                continue
            producer = sole_producer(op.operands[index], op, kinds)
            if producer is None:
                continue
            channels, rank = _channels(producer), _rank(producer)
            plain = producer.data_layout == "nchw" and channels is not None and rank > 1
            if not plain or not _is_open(producer, op):
                continue
            vector = constant_vector(other, channels or 0, 1, rank)
            if vector is None:
                continue
            if _fold(rewriter, self.copies, producer, op, _scaling(op, vector, index), None):
                return


def _scaling(op: Arithmetic, constant: Array, index: int) -> Scaling:
    """What an op does to its operand of that index, the other one being the constant."""
    c = constant.astype(np.float64)
    one, zero = np.ones_like(c), np.zeros_like(c)
    match op:
        case AddOp() | SumOp():
            return Scaling(one, c)
        case SubOp():
            return Scaling(one, -c) if index == 0 else Scaling(-one, c)
        case MulOp():
            return Scaling(c, zero)
        case DivOp():
            with np.errstate(all="ignore"):
                return Scaling(1 / c, zero)


def _is_open(producer: Scalable, op: PfrtOp) -> bool:
    if not is_open(producer):
        declined(op, "a residual or an activation comes before it")
        return False
    # Rounded to fewer digits, folded weights would be further off than the separate steps.
    return is_wide(op) and (isinstance(producer, ConvIntegerToFloatOp) or is_wide(producer))


def _rank(producer: Scalable) -> int:
    value = producer.operand if isinstance(producer, BatchNormalizationOp) else None
    if isinstance(producer, ConvOp | ConvTransposeOp):
        value = producer.w
    return 0 if value is None else len(shape_of(value) or ())


def _channels(producer: Scalable) -> int | None:
    """How many channels the result has, if it is known."""
    match producer:
        case ConvIntegerToFloatOp() | ConvOp() | ConvTransposeOp():
            channels = features_of(producer)
        case GemmOp():
            channels = producer.extents()[3]
        case MatmulOp():
            shapes = (shape_of(producer.lhs), shape_of(producer.rhs))
            right = shapes[1]
            is_matrix = all(shape is not None and len(shape) == 2 for shape in shapes)
            channels = right[1] if is_matrix and right is not None else DYNAMIC
        case BatchNormalizationOp():
            scale = shape_of(producer.scale)
            channels = scale[0] if scale else DYNAMIC
    return None if channels == DYNAMIC else channels


def _fold(
    rewriter: PatternRewriter,
    copies: Copies,
    producer: Scalable,
    op: PfrtOp,
    scaling: Scaling,
    activation: ActivationAttr | None,
) -> bool:
    """Put the producer with scaled constants in the place of both; whether that could be done."""
    channels = _channels(producer)
    if channels is None or scaling.factor.shape != (channels,):
        return False
    with np.errstate(all="ignore"):
        arrays = _scaled(producer, scaling, copies)
    if arrays is None:
        declined(op, "the weights before it are no constants at hand, or shared by too many")
        return False
    operands: dict[str, SSAValue | None] = {}
    constants: list[Operation] = []
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            declined(op, "its factors and the weights before it give infinities")
            return False
        constant = ConstantOp.get(array)
        constants.append(constant)
        operands[name] = constant.result
    properties: dict[str, Attribute] = {}
    if isinstance(producer, GemmOp):
        properties["beta"] = FloatAttr(1.0, f32)
    if activation is not None:
        properties["activation"] = activation
    new = extended(producer, op.results[0].type, operands=operands, properties=properties)
    fuse(rewriter, producer, op, [*constants, new])
    return True


def _scaled(producer: Scalable, scaling: Scaling, copies: Copies) -> dict[str, Array] | None:
    """The producer's constants after a scaling, by operand; None when one is not at hand.

    Computed in f64 and rounded once. Weights that only a shift concerns stay.
    """
    scale: Scale = np.multiply
    beta = 1.0
    match producer:
        case ConvIntegerToFloatOp():
            weights, bias = "w_scale", "bias"
        case ConvOp():
            weights, bias, scale = "w", "bias", _scaled_rows
        case ConvTransposeOp():
            weights, bias = "w", "bias"
            scale = partial(_scaled_features, groups=producer.group.value.data)
        case GemmOp():
            weights, bias, beta = "b", "c", producer.beta.value.data
            scale = _scaled_rows if producer.trans_b.value.data else np.multiply
        case MatmulOp():
            weights, bias = "rhs", "bias"
        case BatchNormalizationOp():
            # Scaled is the scale; x less its mean is what it was.
            weights, bias = "scale", "bias"
    arrays = {bias: _shifted(getattr(producer, bias), scaling, beta)}
    if not scaling.is_shift:
        value: SSAValue = getattr(producer, weights)
        array = constant_of(value)
        if array is None or not copies.allow(value, array):
            return None
        arrays[weights] = scale(array.astype(np.float64), scaling.factor)
    dtype = dtype_of(producer.results[0])
    found = {n: np.ascontiguousarray(a.astype(dtype)) for n, a in arrays.items() if a is not None}
    return found if len(found) == len(arrays) else None


def _scaled_rows(w: Array, factor: Array) -> Array:
    """Weights whose first axis is that of the features."""
    return w * factor.reshape(-1, *(1,) * (w.ndim - 1))


def _scaled_features(w: Array, factor: Array, groups: int) -> Array:
    """Weights (C, M / group, …), where the channels of a group spread to the features of it."""
    grouped = w.reshape(groups, w.shape[0] // groups, w.shape[1], -1)
    return (grouped * factor.reshape(groups, 1, w.shape[1], 1)).reshape(w.shape)


def _shifted(bias: SSAValue | None, scaling: Scaling, beta: float = 1.0) -> Array | None:
    """A bias after a scaling; none is 0."""
    if bias is None or beta == 0:
        return scaling.shift
    array, channels = constant_of(bias), len(scaling.shift)
    vector = None if array is None else one_a_channel(array, channels, 1, 2)
    if vector is None:
        return None
    return vector.astype(np.float64) * beta * scaling.factor + scaling.shift


@dataclass(frozen=True)
class PfrtFuseConvBnPass(ModulePass):
    """Folds batch normalizations into the weights and bias of the convolution or product before
    them, and likewise what multiplies or shifts the channels of a convolution by constants.

    Before: `%c = pfrt.conv %x, %w`, `%y = pfrt.batch_normalization %c, %scale, %bias, %mean, %var`
    After: `%y = pfrt.conv %x, %w_scaled, %b_shifted`, of new constants

    The result rounds differently: new weights are computed in f64 and rounded once, so that they are
    no further from the exact ones than the old. Requires constants that are at hand, a result that
    nothing else uses, and f32 or f64; weights that would become infinite stay. A batch
    normalization also takes what follows it.
    """

    name = "pfrt-fuse-conv-bn"

    max_copies: int = 256 * 1024 * 1024
    """Bytes of weights with several uses that may be folded, which takes memory for each use."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        copies = Copies(self.max_copies)
        rewrite(op, NormalizationOfSum(copies), ArithmeticOfSum(copies))
