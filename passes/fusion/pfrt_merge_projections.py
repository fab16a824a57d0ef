"""Merging of products of one input with several constants: queries, keys and values at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.rewriter import InsertPoint, Rewriter

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.contraction import MatmulOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.pieces import SplitOp
from pyflame_rt.dialects.pfrt.types import Array, shape_of
from pyflame_rt.dialects.rewriting import declined, replace

_FEWEST = 3
"""Of fewer products, the product and the split would not be fewer ops."""


@dataclass(frozen=True)
class PfrtMergeProjectionsPass(ModulePass):
    """Merges products of one value with three or more matrices of constants into one, and splits it.

    Before: `%q = pfrt.matmul %x, %wq bias %bq`, `%k = pfrt.matmul %x, %wk bias %bk`,
    `%v = pfrt.matmul %x, %wv bias %bv`
    After: `%y = pfrt.matmul %x, %w bias %b`, `%q, %k, %v = pfrt.split %y {axis = 2 : i64, …}`

    Run `pfrt-fuse-bias` before, so that biases are parts of the products: all of those merged have
    one, or none has. Weights that something else uses too stay as they are. Each element of the
    results is the same sum of products.
    """

    name = "pfrt-merge-projections"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        regions = [region for inner in op.walk() for region in inner.regions]
        for block in [block for region in regions for block in region.blocks]:
            _merge_in(block)


def _merge_in(block: Block) -> None:
    groups: dict[tuple[SSAValue, bool], list[MatmulOp]] = {}
    for op in block.ops:
        if isinstance(op, MatmulOp) and _is_projection(op):
            groups.setdefault((op.lhs, op.bias is not None), []).append(op)
    for group in groups.values():
        if len(group) >= _FEWEST and (parts := _usable(group)) is not None:
            _merge(group, *parts)


def _is_projection(op: MatmulOp) -> bool:
    """Whether an op only multiplies by a matrix and adds a bias."""
    weights, shape = shape_of(op.rhs), shape_of(op.lhs)
    is_open = op.residual is None and op.activation is None
    return is_open and weights is not None and len(weights) == 2 and bool(shape) and len(shape) > 1


def _usable(group: Sequence[MatmulOp]) -> tuple[list[Array], list[Array]] | None:
    """The weights and biases of all products, if they are constants at hand and theirs alone."""
    weights, biases = list[Array](), list[Array]()
    for op in group:
        array = constant_of(op.rhs)
        bias = None if op.bias is None else constant_of(op.bias)
        if array is None or (bias is None and op.bias is not None):
            return None
        if not op.rhs.has_one_use():
            declined(op, "its weights are also used by something else")
            return None
        weights.append(array)
        biases += [] if bias is None else [bias]
    return weights, biases


def _merge(group: Sequence[MatmulOp], weights: list[Array], biases: list[Array]) -> None:
    """split(x @ [w1, w2, …] + [b1, b2, …])"""
    first = group[0]
    constants = [ConstantOp.get(np.concatenate(weights, axis=1))]
    if biases:
        constants.append(ConstantOp.get(np.concatenate(biases)))
    values = [constant.result for constant in constants]
    product = MatmulOp.create_op([first.lhs, *values, *[None] * (3 - len(values))])
    axis = len(shape_of(first.lhs) or ()) - 1
    sizes = tuple(array.shape[1] for array in weights)
    names = ["" if op.names is None else op.names.data[0] for op in group]
    split = SplitOp.create_op([product.result, None], {"axis": axis, "split": sizes}, names=names)
    rewriter = PatternRewriter(first)
    for new in (*constants, product, split):
        new.location = first.location
    rewriter.insert((*constants, product, split), InsertPoint.before(first))
    for op, result in zip(group, tuple(split.results), strict=True):
        # Users may rely on more, or less, of its shape than can be inferred.
        part = Rewriter.replace_value_with_new_type(result, op.result.type)
        replace(PatternRewriter(op), op, [], [part])
