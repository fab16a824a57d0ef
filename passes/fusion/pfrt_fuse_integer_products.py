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
from pyflame_rt.dialects.pfrt.integer_products import ConvIntegerOp, MatmulIntegerOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, dtype_of, shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import (
    constant_vector,
    fuse,
    own_properties,
    producers,
    rewrite,
    sole_producer,
)


class ScaledSums(RewritePattern):
    """cast(product of integers of a and b) * (sa * sb) -> that product as reals.

    `pfrt.matmul_integer` becomes `pfrt.matmul_integer_to_float`, sb having one element or one a
    column; `pfrt.conv_integer` becomes `pfrt.conv_integer_to_float`, sb being one element or a constant
    of one a feature. sa has one element; where they were multiplied before, sa is 1.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, MulOp):
            return
        for cast, factor in producers(op, (CastOp,)):
            if dtype_of(cast.result).name != "float32":
                continue
            product = sole_producer(cast.operand, cast, (ConvIntegerOp, MatmulIntegerOp))
            shape = None if product is None else shape_of(product.result)
            if product is None or shape != shape_of(op.result):
                continue
            form = _of_matrices if isinstance(product, MatmulIntegerOp) else _of_convolution
            made = form(product, factor, op)
            if isinstance(made, str):
                declined(op, made)
                continue
            new = made[-1]
            new.location = product.location
            factors = [value.owner for value in op.operands]
            fuse(rewriter, cast, op, made)
            rewriter.erase(product)
            for owner in factors:
                if isinstance(owner, MulOp) and not owner.result.uses:
                    rewriter.erase(owner)
            return


def _of_matrices(product: Operation, factor: SSAValue, op: MulOp) -> list[Operation] | str:
    """The ops that a scaled product of matrices becomes, it the last one; or why it becomes none."""
    assert isinstance(product, MatmulIntegerOp)
    right = shape_of(product.b) or ()
    if len(right) < 2 or _elements(product.a_zero_point) != 1:
        return "b is no matrix, or rows of a have zero points of their own"
    scales = _scales(factor, right[-1], len(shape_of(product.result) or ()))
    if scales is None:
        return "what the sums are multiplied with are not scales of a and of b"
    zero_points = (_unless_zero(product.a_zero_point), _unless_zero(product.b_zero_point))
    new = MatmulIntegerToFloatOp.build(
        operands=_given(product.a, product.b, *scales, *zero_points, None, None),
        result_types=[op.result.type],
    )
    return [*_made(scales), new]


def _of_convolution(product: Operation, factor: SSAValue, op: MulOp) -> list[Operation] | str:
    """The ops that a scaled convolution becomes, it the last one; or why it becomes none."""
    assert isinstance(product, ConvIntegerOp)
    shape = shape_of(product.result)
    if shape is None or product.data_layout != "nchw":
        return "its rank is not known, or its channels lie together already"
    scales = _scales_of_features(factor, product.features, len(shape))
    if scales is None:
        return "what the sums are multiplied with are not scales of x and of w"
    zero_points = (_unless_zero(product.x_zero_point), _unless_zero(product.w_zero_point))
    new = ConvIntegerToFloatOp.build(
        operands=_given(product.x, product.w, *scales, *zero_points, None, None),
        properties=own_properties(product),
        result_types=[op.result.type],
    )
    return [*_made(scales), new]


def _given(*values: SSAValue | None) -> list[SSAValue | list[SSAValue]]:
    """Operands as ops are built of them, of which some are absent."""
    return [[] if value is None else value for value in values]


def _made(scales: tuple[SSAValue, SSAValue]) -> list[Operation]:
    """The constants among scales that are not in the program yet."""
    owners = (value.owner for value in scales)
    return [owner for owner in owners if isinstance(owner, ConstantOp) and not owner.parent]


def _unless_zero(value: SSAValue | None) -> SSAValue | None:
    """A zero point, but for constants of nothing but 0."""
    known = None if value is None else constant_of(value)
    return value if known is None or known.any() else None


def _elements(value: SSAValue | None) -> int:
    """How many there are, of what is not there one; DYNAMIC if that is not known."""
    shape = () if value is None else shape_of(value)
    return DYNAMIC if shape is None or DYNAMIC in shape else math.prod(shape)


def _scales_of_features(
    factor: SSAValue, features: int, rank: int
) -> tuple[SSAValue, SSAValue] | None:
    """Values whose product is a factor of N x C x spatial, of one element and of one for all or each of
    its features."""
    product = factor.owner
    given = tuple(product.operands) if isinstance(product, MulOp) else ()
    for left, right in (given, given[::-1]) if len(given) == 2 else ():
        is_one = _elements(left) == 1 and len(shape_of(left) or ()) <= 1
        if is_one and (each := _each_feature(right, features, rank)) is not None:
            return left, each
    each = _each_feature(factor, features, rank)
    return None if each is None else (ConstantOp.get(np.array(1, np.float32)).result, each)


def _each_feature(value: SSAValue, features: int, rank: int) -> SSAValue | None:
    """A value of one element, or a constant of one a feature as a vector."""
    if _elements(value) == 1 and len(shape_of(value) or ()) <= 1:
        return value
    found = None if features == DYNAMIC else constant_vector(value, features, 1, rank)
    return None if found is None else ConstantOp.get(np.ascontiguousarray(found)).result


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

    Of `pfrt.conv_integer` it makes `pfrt.conv_integer_to_float`, where scales of features are constants.
    That is what models are made of whose data are quantized when they run. A bias, a residual and an
    activation are for the passes that fuse these into other products. The result has the same bits.
    """

    name = "pfrt-fuse-integer-products"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, ScaledSums())
