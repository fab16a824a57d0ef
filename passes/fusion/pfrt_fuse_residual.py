"""Sums of a product and another tensor, as parts of the product."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.traits import IsolatedFromAbove

from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.rewriting import declined, describe
from pyflame_rt.passes.fusion.parts import (
    PRODUCTS,
    extended,
    fuse,
    is_open,
    is_packed,
    is_sum_of_two,
    producers,
)
from pyflame_rt.passes.shape_inference import functions
from pyflame_rt.passes.symbolic.contents import visit_contents
from pyflame_rt.passes.symbolic.facts import Facts
from pyflame_rt.passes.symbolic.shapes import visit_shapes


@dataclass(frozen=True)
class PfrtFuseResidualPass(ModulePass):
    """Makes a tensor that is added to a convolution or product its residual:

    `conv(x, w, b) + r -> conv(x, w, b) plus r`, and so for gemm and matmul, in either order.

    Before: `%c = pfrt.conv %x, %w`, `%y = pfrt.add %r, %c`
    After: `%y = pfrt.conv %x, %w plus %r`

    The product must have no other use, and r the shape of the product: sizes that are not known must
    be the same for a reason (the same dimension of an input, taken through like ops). The result has
    the same bits.
    """

    name = "pfrt-fuse-residual"

    trust_names: bool = True
    """Whether dimensions of inputs that have one name in `pfrt.dims` are of one size, as ONNX says."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            facts = Facts()
            facts.enter(function, trust_names=self.trust_names)
            for block in function.body.blocks:
                _visit(block, facts)


def _visit(block: Block, facts: Facts) -> None:
    for op in tuple(block.ops):
        for region in op.regions:
            if not op.has_trait(IsolatedFromAbove):
                for inner in region.blocks:
                    _visit(inner, facts)
        if not isinstance(op, PfrtOp) or op.regions:
            continue
        visit_shapes(facts, op)
        visit_contents(facts, op)
        if is_sum_of_two(op):
            _fuse(op, facts)


def _fuse(op: PfrtOp, facts: Facts) -> None:
    """conv(x, w, b) + r -> conv(x, w, b) plus r."""
    for product, residual in producers(op, PRODUCTS):
        if not is_open(product) or is_packed(product):
            declined(op, f"{describe(product)} has a residual or an activation")
            continue
        shape = facts.shape(product.result)
        if shape is None or shape != facts.shape(residual):
            declined(op, f"perhaps {residual.type} is not of the shape of {describe(product)}")
            continue
        new = extended(product, op.results[0].type, operands={"residual": residual})
        fuse(PatternRewriter(op), product, op, new)
        facts.set_shape(new.result, shape)
        return
