"""Activations applied by the op before them."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern
from xdsl.utils.exceptions import VerifyException

from pyflame_rt.dialects.pfrt.attributes import ActivationAttr
from pyflame_rt.dialects.pfrt.base import PfrtOp
from pyflame_rt.dialects.pfrt.epilogue import ActivatedOp, verify_activation
from pyflame_rt.dialects.pfrt.types import type_of
from pyflame_rt.dialects.rewriting import declined, describe
from pyflame_rt.passes.fusion.parts import (
    LINEAR,
    extended,
    fuse,
    is_packed,
    own_properties,
    rewrite,
    sole_producer,
)


class ActivationOfSum(RewritePattern):
    """f(op(…)) -> op(…) {activation = f}, f elementwise of one operand."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, PfrtOp) or not op.ELEMENTWISE or len(op.operands) != 1:
            return
        producer = sole_producer(op.operands[0], op, LINEAR)
        if producer is None or not self._takes(producer, op):
            return
        activation = ActivationAttr.of(op.name.removeprefix("pfrt."), own_properties(op))
        try:
            verify_activation(activation, op.results[0].type)
        except VerifyException as error:
            declined(op, str(error).splitlines()[0])
            return
        kind = op.results[0].type
        fuse(
            rewriter, producer, op, extended(producer, kind, properties={"activation": activation})
        )

    @staticmethod
    def _takes(producer: ActivatedOp, op: PfrtOp) -> bool:
        if producer.activation is not None:
            declined(op, f"{describe(producer)} has an activation")
            return False
        if is_packed(producer):
            declined(op, "what fills up the layout nc4hw4 would change")
            return False
        return type_of(op.operands[0]).element_type == type_of(op.results[0]).element_type


@dataclass(frozen=True)
class PfrtFuseActivationPass(ModulePass):
    """Makes elementwise ops of one operand activations of the convolution, product or batch
    normalization before them.

    Before: `%c = pfrt.conv %x, %w`, `%y = pfrt.relu %c`
    After: `%y = pfrt.conv %x, %w {activation = #pfrt.activation<"relu">}`

    The parameters of the elementwise op must be properties, and the result of the op before it have
    no other use. Each step rounds as it did by itself. Runs after what recognises functions that
    are written as several ops.
    """

    name = "pfrt-fuse-activation"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        rewrite(op, ActivationOfSum())
