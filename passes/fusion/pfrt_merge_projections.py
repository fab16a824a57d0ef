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
from pyflame_rt.dialects.pfrt.integer_to_float import MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.pieces import SplitOp
from pyflame_rt.dialects.pfrt.types import Array, shape_of
from pyflame_rt.dialects.rewriting import declined, replace
from pyflame_rt.passes.fusion import integer_projections

_FEWEST = 3
"""Of fewer products, the product and the split would not be fewer ops."""


@dataclass(frozen=True)
class PfrtMergeProjectionsPass(ModulePass):
    """Merges products of one value with three or more matrices of constants into one, and splits it.

    Before: `%q = pfrt.matmul %x, %wq bias %bq`, `%k = pfrt.matmul %x, %wk bias %bk`,
    `%v = pfrt.matmul %x, %wv bias %bv`
    After: `%y = pfrt.matmul %x, %w bias %b`, `%q, %k, %v = pfrt.split %y {axis = 2 : i64, …}`

    Run `pfrt-fuse-bias` before, so that biases are parts of the products: all of those merged have
    one, or none has. Products of integers whose results are reals (`pfrt.matmul_integer_to_float`) are
    merged too; each column keeps its scale and zero point. Weights that something else uses too stay as they are. Each element of the
    results is the same sum of products.
    """

    name = "pfrt-merge-projections"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        regions = [region for inner in op.walk() for region in inner.regions]
        for block in [block for region in regions for block in region.blocks]:
            _merge_in(block)


def _merge_in(block: Block) -> None:
    groups: dict[tuple[SSAValue, bool], list[MatmulOp]] = {}
    integers: dict[integer_projections.Key, list[MatmulIntegerToFloatOp]] = {}
    for op in block.ops:
        if isinstance(op, MatmulOp) and _is_projection(op):
            groups.setdefault((op.lhs, op.bias is not None), []).append(op)
        elif isinstance(op, MatmulIntegerToFloatOp) and (key := integer_projections.key_of(op)):
            integers.setdefault(key, []).append(op)
    for group in groups.values():
        if len(group) >= _FEWEST and (parts := _usable(group)) is not None:
            _split(group, *_merged(group, *parts), [array.shape[1] for array in parts[0]])
    for some in integers.values():
        if len(some) >= _FEWEST and (found := integer_projections.merged(some)) is not None:
            _split(some, *found, [(shape_of(op.b) or (0,))[-1] for op in some])


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


def _merged(
    group: Sequence[MatmulOp], weights: list[Array], biases: list[Array]
) -> tuple[list[ConstantOp], MatmulOp]:
    """x @ [w1, w2, …] + [b1, b2, …]"""
    constants = [ConstantOp.get(np.concatenate(weights, axis=1))]
    if biases:
        constants.append(ConstantOp.get(np.concatenate(biases)))
    values = [constant.result for constant in constants]
    return constants, MatmulOp.create_op([group[0].lhs, *values, *[None] * (3 - len(values))])


def _split(
    group: Sequence[MatmulOp] | Sequence[MatmulIntegerToFloatOp],
    constants: Sequence[ConstantOp],
    product: MatmulOp | MatmulIntegerToFloatOp,
    sizes: Sequence[int],
) -> None:
    """Put one product in the place of several, whose results are parts of its columns."""
    first = group[0]
    axis = len(shape_of(first.operands[0]) or ()) - 1
    names = ["" if op.names is None else op.names.data[0] for op in group]
    properties = {"axis": axis, "split": tuple(sizes)}
    split = SplitOp.create_op([product.result, None], properties, names=names)
    rewriter = PatternRewriter(first)
    for new in (*constants, product, split):
        new.location = first.location
    rewriter.insert((*constants, product, split), InsertPoint.before(first))
    for op, result in zip(group, tuple(split.results), strict=True):
        # Users may rely on more, or less, of its shape than can be inferred.
        part = Rewriter.replace_value_with_new_type(result, op.result.type)
        replace(PatternRewriter(op), op, [], [part])
