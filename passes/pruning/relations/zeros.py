"""Where channels that go are zero as computed, and not only where weights read them.

A sum of products of two computed values, as the scores of an attention, may lose positions if one
side is exactly zero there once the weights that make it are. The answer is "no" in doubt.
"""

from __future__ import annotations

from xdsl.ir import SSAValue

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp
from pyflame_rt.dialects.pfrt.data import CastOp, ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, MulOp, SubOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp
from pyflame_rt.dialects.pfrt.shape import IdentityOp, ReshapeOp, TransposeOp
from pyflame_rt.dialects.pfrt.types import shape_of
from pyflame_rt.passes.pruning.relations.segments import reshape_segments

ZERO_TO_ZERO = frozenset(
    [
        "abs",
        "elu",
        "gelu",
        "hard_swish",
        "leaky_relu",
        "mish",
        "neg",
        "relu",
        "selu",
        "sign",
        "sin",
        "swish",
        "tan",
        "tanh",
    ]
)
"""Elementwise ops of one operand that make 0 of 0."""


def vanishes(value: SSAValue, axis: int) -> bool:
    """Whether positions along an axis are zero as soon as they go from all weights."""
    op, shape = value.owner, shape_of(value)
    if not isinstance(op, PfrtOp) or shape is None:
        return False
    axis %= max(len(shape), 1)
    match op:
        case ConstantOp():
            # With other uses, it may be one that must not be zero.
            return value.has_one_use()
        case AddOp() | SubOp():
            return all(_has(v, axis, shape) and _through(v, axis, shape) for v in op.operands)
        case MulOp():
            return any(_has(v, axis, shape) and _through(v, axis, shape) for v in op.operands)
        case TransposeOp():
            perm = op.permutation()
            return perm is not None and vanishes(op.operand, perm[axis])
        case ReshapeOp():
            return _reshaped(op, axis)
        case IdentityOp() | CastOp():
            return vanishes(op.operands[0], axis)
        case BatchNormalizationOp():
            parts = (op.scale, op.bias)
            made = axis == 1 and op.data_layout == "nchw" and all(map(_is_made, parts))
            return made and _keeps_zero(op)
        case ConvOp() | GemmOp() | MatmulOp():
            return _product(op, axis, len(shape)) and _keeps_zero(op)
        case _:
            unary = op.ELEMENTWISE and len(op.operands) == 1
            known = op.name.removeprefix("pfrt.") in ZERO_TO_ZERO
            return unary and known and vanishes(op.operands[0], axis)


def _product(op: ConvOp | GemmOp | MatmulOp, axis: int, rank: int) -> bool:
    if op.residual is not None:
        return False
    match op:
        case ConvOp():
            plain = axis == 1 and op.data_layout == "nchw"
            return plain and _is_made(op.w) and (op.bias is None or _is_made(op.bias))
        case GemmOp():
            shape = () if op.c is None else shape_of(op.c)
            addend = op.c is None or (shape and shape[-1] > 1 and _is_made(op.c))
            return axis == 1 and _is_made(op.b) and bool(addend)
        case MatmulOp():
            if axis < rank - 1 or len(shape_of(op.rhs) or ()) < 2:
                return False
            return _is_made(op.rhs) and (op.bias is None or _is_made(op.bias))


def _is_made(weights: SSAValue) -> bool:
    return isinstance(weights.owner, ConstantOp) and weights.has_one_use()


def _keeps_zero(op: ConvOp | GemmOp | MatmulOp | BatchNormalizationOp) -> bool:
    return op.activation is None or op.activation.op.data in ZERO_TO_ZERO


def _has(value: SSAValue, axis: int, shape: tuple[int, ...]) -> bool:
    """Whether an operand has the axis of a result of that shape, and does not broadcast along it."""
    own = shape_of(value)
    back = len(shape) - axis
    return own is not None and len(own) >= back and own[-back] == shape[axis]


def _through(value: SSAValue, axis: int, shape: tuple[int, ...]) -> bool:
    return vanishes(value, axis - len(shape))


def _reshaped(op: ReshapeOp, axis: int) -> bool:
    """All dimensions that the axis is made of vanish, but for those that nothing can go from."""
    given = shape_of(op.operand) or ()
    for segment in reshape_segments(op) or ():
        if axis in segment.made:
            return all(vanishes(op.operand, i) for i in segment.given if given[i] != 1)
    return False
