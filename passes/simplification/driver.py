"""How the patterns of a pass are applied, and what they ask of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
)

from pyflame_rt.dialects.pfrt.base import PfrtOp, constant_of
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.lattice import merge
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.rewriting import carrying_listener, replace
from pyflame_rt.passes.shape_inference import functions, update_signature

Array = npt.NDArray[Any]


def apply_patterns(ctx: Context, module: ModuleOp, patterns: Sequence[RewritePattern]) -> None:
    """Apply patterns everywhere until none matches; what they leave unused is removed."""
    applier = GreedyRewritePatternApplier(list(patterns), ctx=ctx)
    PatternRewriteWalker(applier, listener=carrying_listener()).rewrite_module(module)
    for function in functions(module):
        # What is returned now may be known more precisely.
        update_signature(function)


def forward(rewriter: PatternRewriter, op: PfrtOp, value: SSAValue) -> bool:
    """Replace an op by a value of the same shape, unless its type says more than the value's."""
    if merge(op.results[0].type, value.type) != value.type:
        return False
    replace(rewriter, op, [], [value])
    return True


def become(
    rewriter: PatternRewriter,
    op: PfrtOp,
    kind: type[PfrtOp],
    operands: Sequence[SSAValue | Sequence[SSAValue]],
    properties: dict[str, Attribute] | None = None,
) -> None:
    """Replace an op of one result by one of another kind, with the same type of result."""
    new = kind.build(
        operands=operands, properties=properties or {}, result_types=[op.results[0].type]
    )
    replace(rewriter, op, new)


def insert_constant(rewriter: PatternRewriter, op: Operation, array: Array) -> SSAValue:
    """A constant right before an op."""
    new = ConstantOp.get(np.asarray(array, order="C"), location=op.location)
    return rewriter.insert(new).result


def uniform(value: SSAValue) -> Any | None:
    """The element of a constant all of whose elements are equal, as a NumPy scalar; else None.

    Equal means the same bits but for NaNs, which are never equal: -0.0 is not 0.0.
    """
    array = constant_of(value)
    if array is None or array.size == 0 or array.dtype.kind not in "iufbV":
        return None
    first = array.reshape(-1)[0]
    if array.size > 1 and any(array.strides):
        if array.size > _MOST_COMPARED or not (array == first).all():
            return None
        if array.dtype.kind in "fV" and (np.signbit(array) != np.signbit(first)).any():
            return None
    return first


_MOST_COMPARED = 1 << 16
"""Elements of a constant up to which it is looked at: weights are seldom uniform."""


def broadcasts_into(constant: SSAValue, value: SSAValue) -> bool:
    """Whether an elementwise op on both has the shape of `value`, whatever its unknown sizes."""
    small, large = shape_of(constant), shape_of(value)
    if small is None or (large is None and any(dim != 1 for dim in small)):
        return False
    if large is None:
        return not small
    if len(small) > len(large):
        return False
    trailing = large[len(large) - len(small) :]
    return all(a == 1 or (a == b and a != DYNAMIC) for a, b in zip(small, trailing, strict=True))
