"""Addends and factors of products, as parts of the product."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import FloatAttr, ModuleOp, f32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from pyflame_rt.dialects.pfrt.base import constant_of
from pyflame_rt.dialects.pfrt.contraction import GemmOp, MatmulOp
from pyflame_rt.dialects.pfrt.convolution import ConvOp, ConvTransposeOp
from pyflame_rt.dialects.pfrt.data import ConstantOp
from pyflame_rt.dialects.pfrt.elementwise import MulOp
from pyflame_rt.dialects.pfrt.integer_to_float import ConvIntegerToFloatOp, MatmulIntegerToFloatOp
from pyflame_rt.dialects.pfrt.types import DYNAMIC, shape_of
from pyflame_rt.dialects.rewriting import declined
from pyflame_rt.passes.fusion.parts import (
    constant_vector,
    extended,
    features_of,
    fuse,
    is_open,
    is_sum_of_two,
    is_wide,
    producers,
    rewrite,
)


class BiasOfConvolution(RewritePattern):
    """conv(x, w) + c -> conv(x, w, c'), c a constant of one element a feature, or one for all."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not is_sum_of_two(op):
            return
        for conv, addend in producers(op, (ConvOp, ConvIntegerToFloatOp, ConvTransposeOp)):
            weights = shape_of(conv.w)
            if conv.bias is not None or not is_open(conv) or weights is None:
                continue
            features = features_of(conv)
            if features == DYNAMIC or conv.data_layout != "nchw" or not is_wide(op):
                continue
            bias = constant_vector(addend, features, 1, len(weights))
            if bias is None:
                declined(op, "its addend is no constant of one element a channel")
                continue
            constant = ConstantOp.get(np.ascontiguousarray(bias))
            new = extended(conv, op.results[0].type, operands={"bias": constant.result})
            fuse(rewriter, conv, op, [constant, new])
            return


class AddendOfMatrices(RewritePattern):
    """gemm(a, b) + c -> gemm(a, b, c); of matrices matmul(a, b) + c -> gemm(a, b, c).

    c broadcasts to the product and is smaller; one as large is a residual.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not is_sum_of_two(op) or not is_wide(op):
            return
        for product, addend in producers(op, (GemmOp, MatmulOp)):
            has_addend = product.c if isinstance(product, GemmOp) else product.bias
            if has_addend is not None or not is_open(product) or not _of_matrices(product):
                continue
            if not _is_smaller(addend, shape_of(product.result)):
                continue
            new = _gemm(product, op.results[0].type, addend, {"beta": FloatAttr(1.0, f32)})
            fuse(rewriter, product, op, new)
            return


class BiasOfMatmul(RewritePattern):
    """matmul(a, b) + c -> matmul(a, b) bias c, c of one element a column; so of integers too.

    A constant may have leading dimensions of 1, or one element for all columns.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not is_sum_of_two(op):
            return
        for product, addend in producers(op, (MatmulOp, MatmulIntegerToFloatOp)):
            weights = product.rhs if isinstance(product, MatmulOp) else product.b
            shape, right = shape_of(product.result), shape_of(weights)
            if product.bias is not None or not is_open(product) or not shape or not right:
                continue
            columns = right[-1]
            if len(right) < 2 or columns == DYNAMIC:
                continue
            bias = _vector(addend, columns, len(shape))
            if bias is None:
                continue
            made = [bias] if isinstance(bias, ConstantOp) else []
            value = bias.result if isinstance(bias, ConstantOp) else bias
            new = extended(product, op.results[0].type, operands={"bias": value})
            fuse(rewriter, product, op, [*made, new])
            return


class FactorOfMatrices(RewritePattern):
    """gemm(a, b) * s -> gemm(a, b) {alpha = s}; of matrices matmul(a, b) * s likewise.

    s is one constant element that f32 holds, and the product is not scaled yet: the same
    multiplication in another place.
    """

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, MulOp) or not is_wide(op):
            return
        for product, factor in producers(op, (GemmOp, MatmulOp)):
            has_addend = product.c if isinstance(product, GemmOp) else product.bias
            if has_addend is not None or not is_open(product) or not _of_matrices(product):
                continue
            if isinstance(product, GemmOp) and product.alpha.value.data != 1:
                declined(op, "scaling twice rounds twice")
                continue
            alpha = _scalar(factor)
            if alpha is None:
                continue
            new = _gemm(product, op.results[0].type, None, {"alpha": FloatAttr(alpha, f32)})
            fuse(rewriter, product, op, new)
            return


def _of_matrices(product: GemmOp | MatmulOp) -> bool:
    if isinstance(product, GemmOp):
        return True
    return all(len(shape_of(value) or ()) == 2 for value in (product.lhs, product.rhs))


def _gemm(
    product: GemmOp | MatmulOp,
    kind: Attribute,
    addend: SSAValue | None,
    properties: dict[str, Attribute],
) -> GemmOp:
    if isinstance(product, GemmOp):
        return extended(product, kind, operands={"c": addend}, properties=properties)
    addends = [] if addend is None else [addend]
    return GemmOp.build(
        operands=[product.lhs, product.rhs, addends, []], properties=properties, result_types=[kind]
    )


def _is_smaller(addend: SSAValue, product: tuple[int, ...] | None) -> bool:
    """Whether an addend certainly broadcasts to a product, along one axis at least."""
    shape = shape_of(addend)
    if shape is None or product is None or len(shape) > len(product):
        return False
    aligned = (1,) * (len(product) - len(shape)) + shape
    fits = all(d == 1 or (d == p and d != DYNAMIC) for d, p in zip(aligned, product, strict=True))
    return fits and 1 in aligned


def _vector(addend: SSAValue, columns: int, rank: int) -> ConstantOp | SSAValue | None:
    """The addend if it is a vector of one element a column; a new constant if it has such values."""
    if shape_of(addend) == (columns,):
        return addend
    vector = constant_vector(addend, columns, rank - 1, rank)
    return None if vector is None else ConstantOp.get(np.ascontiguousarray(vector))


def _scalar(value: SSAValue) -> float | None:
    """The one element of a constant of rank 2 at most, if f32 holds it."""
    array = constant_of(value)
    if array is None or array.size != 1 or array.ndim > 2:
        return None
    number = float(array.reshape(-1)[0])
    return number if math.isfinite(number) and float(np.float32(number)) == number else None


@dataclass(frozen=True)
class PfrtFuseBiasPass(ModulePass):
    """Makes what is added to a product, or scales it, a part of the product.

    Before: `%p = pfrt.matmul %x, %w : tensor<?x4xf32>, tensor<4x8xf32> -> tensor<?x8xf32>`,
    `%y = pfrt.add %p, %b : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>`
    After: `%y = pfrt.gemm %x, %w, %b : (tensor<?x4xf32>, tensor<4x8xf32>, tensor<8xf32>) -> …`

    Of two matrices of f32 or f64 the result is a `pfrt.gemm`, as documented (MatMul + Add -> Gemm):
    its addend may be a row, a column or a scalar, its factor is a property, and ONNX has a node
    for it. More dimensions and other types keep `pfrt.matmul`, which rounds the product before the
    bias is added, as the separate ops do. A product that nothing is added to stays what it was.
    Convolutions take constants of one element a channel as bias. The product must have no other
    use. The result has the same bits.
    """

    name = "pfrt-fuse-bias"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        patterns = (BiasOfConvolution(), AddendOfMatrices(), BiasOfMatmul(), FactorOfMatrices())
        rewrite(op, *patterns)
