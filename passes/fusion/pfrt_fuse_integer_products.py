"""What makes reals of the sums of integer products, as parts of the product."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.data import CastOp, ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import MulOp
from pyflame_rt.dialects.pfrt.integer_products import MatmulIntegerOp
from pyflame_rt.dialects.pfrt.integer_to_float import MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import fuse, producers, rewrite, sole_producer


class ScaledSums(RewritePattern):
    """cast(matmul_integer(a, b)) * (sa * sb) -> matmul_integer_to_float(a, b, sa, sb).

    sa has one element, sb one or one a column; where they were multiplied before, sa is 1.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, MulOp):
            return
        for cast, factor in producers(op, (CastOp,)):
            if dtype_of(cast.result).name != "float32":
                continue
            product = sole_producer(cast.operand, cast, (MatmulIntegerOp,))
            if product is None or shape_of(product.result) != shape_of(op.result):
                continue
            rank = len(shape_of(product.result) or ())
            if len(shape_of(product.b) or ()) < 2 or _elements(product.a_zero_point) != 1:
                declined(op, "b is no matrix, or rows of a have zero points of their own")
                continue
            scales = _scales(factor, (shape_of(product.b) or (DYNAMIC,))[-1], rank)
            if scales is None:
                declined(op, "what the sums are multiplied with are not scales of a and of b")
                continue
            made = [
                v.owner for v in scales if isinstance(v.owner, ConstantOp) and not v.owner.parent
            ]
            operands = [product.a, product.b, *scales, product.a_zero_point, product.b_zero_point]
            new = MatmulIntegerToFloatOp.build(
                operands=[[] if value is None else value for value in (*operands, None, None)],
                result_types=[op.result.type],
            )
            new.location = product.location
            _fuse(rewriter, product, cast, op, [*made, new])
            return


def _fuse(
    rewriter: PatternRewriter,
    product: MatmulIntegerOp,
    cast: CastOp,
    op: MulOp,
    made: list[Operation],
) -> None:
    factors = [value.owner for value in op.operands]
    fuse(rewriter, cast, op, made)
    rewriter.erase(product)
    for factor in factors:
        if isinstance(factor, MulOp) and not factor.result.uses:
            rewriter.erase(factor)


def _elements(value: SSAValue | None) -> int:
    """How many there are, of what is not there one; DYNAMIC if that is not known."""
    shape = () if value is None else shape_of(value)
    return DYNAMIC if shape is None or DYNAMIC in shape else math.prod(shape)


def _scales(factor: SSAValue, columns: int, rank: int) -> tuple[SSAValue, SSAValue] | None:
    """Values whose product is a factor of a tensor of that rank, of one element and of one for all or
    each of its columns."""
    product = factor.owner
    given = tuple(product.operands) if isinstance(product, MulOp) else ()
    if len(given) == 2 and all(len(shape_of(value) or ()) <= 1 for value in given):
        # What is known belongs to weights.
        pairs = sorted((given, given[::-1]), key=lambda pair: constant_of(pair[1]) is None)
        for left, right in pairs:
            if _elements(left) == 1 and _elements(right) in (1, columns):
                return left, right
    if _elements(factor) not in (1, columns) or len(shape_of(factor) or ()) > 1 or not rank:
        return None
    return ConstantOp.get(np.array(1, np.float32)).result, factor


@dataclass(frozen=True)
class PfrtFuseIntegerProductsPass(ModulePass):
    """Makes products of integers, of which reals are made, one op.

    Before: `%s = pfrt.matmul_integer %a, %b a_zero_point(%z : …)`, `%r = pfrt.cast %s`,
    `%f = pfrt.mul %sa, %sb`, `%y = pfrt.mul %r, %f`
    After: `%y = pfrt.matmul_integer_to_float %a, %b, %sa, %sb a_zero_point(%z : …) : …`

    That is what models are made of whose data are quantized when they run. A bias, a residual and an
    activation are for the passes that fuse these into other products. The result has the same bits.
    """

    name = "pfrt-fuse-integer-products"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, ScaledSums())
