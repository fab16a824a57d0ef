"""What the fusions into products share: who else uses a value, and ops made again with more parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
)
from xdsl.traits import ConstantLike

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.elementwise import AddOp, SumOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.layouts import LayoutOp
from pyflame_rt.dialects.pfrt.normalization import BatchNormalizationOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined, describe, replace

Array = npt.NDArray[Any]
OpT = TypeVar("OpT", bound=PfrtOp)

PRODUCTS = (ConvOp, ConvIntegerToFloatOp, GemmOp, MatmulOp, MatmulIntegerToFloatOp)
"""Ops that can add a residual."""

LINEAR = (*PRODUCTS, ConvTransposeOp, BatchNormalizationOp)
"""Ops that multiply, add, and may apply an activation to the sum."""


def rewrite(module: ModuleOp, *patterns: RewritePattern) -> None:
    """Try the patterns once on each op of a module, in order."""
    applier = GreedyRewritePatternApplier(list(patterns))
    PatternRewriteWalker(applier, apply_recursively=False).rewrite_module(module)


def sole_producer(value: SSAValue, user: Operation, kinds: tuple[type[OpT], ...]) -> OpT | None:
    """The op of one of the classes that makes a value for its user alone, in the same block.

    One in another block may run at other times than its user.
    """
    op = value.owner
    if not isinstance(op, kinds):
        return None
    why = _shared(op, value, user)
    if why is not None:
        declined(user, why)
        return None
    return op


def _shared(op: Operation, value: SSAValue, user: Operation) -> str | None:
    """Why an op is not its user's to change."""
    if not value.has_one_use():
        other = next((use.operation for use in value.uses if use.operation is not user), user)
        return f"{describe(op)} is also used by {describe(other)}"
    return f"{describe(op)} is in another block" if op.parent is not user.parent else None


def producers(user: PfrtOp, kinds: tuple[type[OpT], ...]) -> Iterator[tuple[OpT, SSAValue]]:
    """For either operand of a binary op that an op makes for it alone: that op, the other operand."""
    reasons: list[str] = []
    for mine, other in (user.operands, reversed(user.operands)):
        op = mine.owner
        if not isinstance(op, kinds):
            continue
        why = _shared(op, mine, user)
        if why is None:
            # Said only where the other operand does not do either.
            reasons.clear()
            yield op, other
        else:
            reasons.append(why)
    for why in reasons:
        declined(user, why)


def is_sum_of_two(op: Operation) -> TypeGuard[AddOp | SumOp]:
    """Whether an op adds two tensors."""
    return isinstance(op, AddOp | SumOp) and len(op.operands) == 2


def is_open(op: PfrtOp) -> bool:
    """Whether nothing follows the sum of an op yet: neither residual nor activation."""
    return getattr(op, "residual", None) is None and getattr(op, "activation", None) is None


def is_packed(op: PfrtOp) -> bool:
    """Whether the result's layout has elements that fill it up, and are 0 whatever is added."""
    return isinstance(op, LayoutOp) and op.data_layout == "nc4hw4"


def extended(
    op: OpT,
    result_type: Attribute,
    *,
    operands: Mapping[str, SSAValue | None] | None = None,
    properties: Mapping[str, Attribute] | None = None,
) -> OpT:
    """The op with some of its operands and properties given anew; without names and location."""
    given = operands or {}
    values: list[SSAValue | Sequence[SSAValue]] = []
    for name, _ in op.get_irdl_definition().operands:
        value: SSAValue | None = given[name] if name in given else getattr(op, name)
        values.append([] if value is None else value)
    return type(op).build(
        operands=values,
        properties={**own_properties(op), **(properties or {})},
        result_types=[result_type],
    )


def own_properties(op: PfrtOp) -> dict[str, Attribute]:
    """What an op's properties say of what it computes."""
    hidden = ("names", "operandSegmentSizes", "resultSegmentSizes")
    return {name: attr for name, attr in op.properties.items() if name not in hidden}


def fuse(
    rewriter: PatternRewriter, producer: PfrtOp, user: PfrtOp, new_ops: Operation | list[Operation]
) -> None:
    """Put new ops, of which the last computes what `user` did, in its place and its producer's.

    Constants that nothing uses then go too.
    """
    values = (*producer.operands, *user.operands)
    replace(rewriter, user, new_ops)
    rewriter.erase(producer)
    owners = dict.fromkeys(value.owner for value in values)
    for owner in owners:
        if not isinstance(owner, Operation) or not owner.has_trait(ConstantLike):
            continue
        if not any(result.uses for result in owner.results):
            rewriter.erase(owner)


def is_wide(op: PfrtOp) -> bool:
    """Whether an op computes in f32 or f64, where each step rounds: kernels compute narrower floats
    in f32 and round once, so that a step more is a rounding less."""
    return all(dtype_of(v).name in ("float32", "float64") for v in (*op.operands, *op.results))


def one_a_channel(array: Array, channels: int, axis: int, rank: int) -> Array | None:
    """The elements of a constant that broadcasts along all axes but one, one for each channel.

    None when it has other elements, or broadcasting would enlarge the tensor of that rank.
    """
    if array.ndim > rank:
        return None
    dims = (1,) * (rank - array.ndim) + array.shape
    if dims[axis] not in (1, channels) or any(d != 1 for i, d in enumerate(dims) if i != axis):
        return None
    return np.broadcast_to(array.reshape(-1), (channels,))


def constant_vector(value: SSAValue, channels: int, axis: int, rank: int) -> Array | None:
    """`one_a_channel` of a value that is a constant at hand."""
    array = constant_of(value)
    return None if array is None else one_a_channel(array, channels, axis, rank)


def features_of(op: ConvOp | ConvIntegerToFloatOp | ConvTransposeOp) -> int:
    """The channels of a convolution's result; DYNAMIC when its weights' shape is not known."""
    weights = shape_of(op.w)
    if weights is None:
        return DYNAMIC
    if not isinstance(op, ConvTransposeOp):
        return weights[0]
    return DYNAMIC if weights[1] == DYNAMIC else weights[1] * op.group.value.data
